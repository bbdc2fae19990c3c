//! What a planner support function may change in the call of its function.

use pgrx::{Internal, pg_sys};

/// The answer to a planner that asks whether the call can be simplified: in a
/// statement that updates or deletes rows of one of these views and needs the
/// value for nothing but the whole old row, the call with `false` as its second
/// argument; anywhere else no change.
pub fn second_argument_off_in_old_rows(request: Internal, relations: &[pg_sys::Oid]) -> Internal {
    // SAFETY: the planner passes a node, whose tag says what it is. It lives
    // until this returns, as do the query and the call in it.
    let changed = unsafe { changed_call(request, relations) };
    // No change is a null pointer, not NULL.
    Internal::from(Some(changed.unwrap_or(pg_sys::Datum::from(0))))
}

/// # Safety
/// The request must be what PostgreSQL passes to a planner support function.
unsafe fn changed_call(request: Internal, relations: &[pg_sys::Oid]) -> Option<pg_sys::Datum> {
    // SAFETY: the caller's promise; the tag is compared before the node is
    // taken for a request, and each pointer before it is followed. Lists are
    // read within their lengths. The copy belongs to the planner.
    unsafe {
        let node = request.unwrap()?.cast_mut_ptr::<pg_sys::Node>();
        if node.is_null() || (*node).type_ != pg_sys::NodeTag::T_SupportRequestSimplify {
            return None;
        }
        let request = node.cast::<pg_sys::SupportRequestSimplify>();
        let root = (*request).root;
        if root.is_null() || !writes_to((*root).parse, relations) {
            return None;
        }
        let call = (*request).fcall;
        if !is_for_the_old_row_alone((*root).parse, call) {
            return None;
        }
        if (*call).args.is_null() || (*(*call).args).length != 2 {
            return None;
        }
        let flag: *mut pg_sys::Const = pg_sys::list_nth((*call).args, 1).cast();
        let is_on = (*flag).xpr.type_ == pg_sys::NodeTag::T_Const
            && !(*flag).constisnull
            && (*flag).constvalue.value() != 0;
        if !is_on {
            return None;
        }
        let copy: *mut pg_sys::FuncExpr = pg_sys::copyObjectImpl(call.cast()).cast();
        let off = pg_sys::makeBoolConst(false, false);
        (*(*(*copy).args).elements.add(1)).ptr_value = off.cast();
        Some(pg_sys::Datum::from(copy))
    }
}

/// # Safety
/// The query must be one that is being planned, or null.
unsafe fn writes_to(query: *const pg_sys::Query, relations: &[pg_sys::Oid]) -> bool {
    // SAFETY: as above; the result relation is an entry of the range table.
    unsafe {
        if query.is_null() || (*query).resultRelation <= 0 {
            return false;
        }
        let writes = [pg_sys::CmdType::CMD_UPDATE, pg_sys::CmdType::CMD_DELETE];
        let entry: *const pg_sys::RangeTblEntry =
            pg_sys::list_nth((*query).rtable, (*query).resultRelation - 1).cast();
        writes.contains(&(*query).commandType) && relations.contains(&(*entry).relid)
    }
}

/// Whether the query has the call in its old row, the junk entry that the
/// rewriter adds for INSTEAD OF triggers, and neither in what it sets nor in
/// its conditions.
///
/// # Safety
/// The query must be one that is being planned, of which the call is a part.
unsafe fn is_for_the_old_row_alone(
    query: *const pg_sys::Query,
    call: *mut pg_sys::FuncExpr,
) -> bool {
    // SAFETY: the list is read within its length, and holds target entries.
    unsafe {
        let entries = (*query).targetList;
        let count = if entries.is_null() {
            0
        } else {
            (*entries).length
        };
        let mut is_in_old_row = false;
        for place in 0..count {
            let entry: *const pg_sys::TargetEntry = pg_sys::list_nth(entries, place).cast();
            if (*entry).resjunk {
                is_in_old_row |= holds((*entry).expr.cast(), call.cast());
            } else if holds((*entry).expr.cast(), call.cast()) {
                return false;
            }
        }
        is_in_old_row && !holds((*query).jointree.cast(), call.cast())
    }
}

/// Whether the same function is called on the same column somewhere in the
/// node, also by a sub-select in it.
///
/// # Safety
/// The node must be of a query tree, or null; `call` a `FuncExpr`.
unsafe extern "C-unwind" fn holds(node: *mut pg_sys::Node, call: *mut std::ffi::c_void) -> bool {
    // SAFETY: the tag is compared before a node is taken for what it is; the
    // walkers visit what belongs to the node.
    unsafe {
        if node.is_null() {
            return false;
        }
        match (*node).type_ {
            pg_sys::NodeTag::T_FuncExpr if is_same_call(node.cast(), call.cast()) => true,
            pg_sys::NodeTag::T_Query => {
                pg_sys::query_tree_walker(node.cast(), Some(holds), call, 0)
            }
            _ => pg_sys::expression_tree_walker(node, Some(holds), call),
        }
    }
}

/// # Safety
/// Both must be valid.
unsafe fn is_same_call(one: *const pg_sys::FuncExpr, other: *const pg_sys::FuncExpr) -> bool {
    // SAFETY: the caller's promise; an argument is compared by its tag first.
    unsafe {
        let column = |call: *const pg_sys::FuncExpr| {
            if (*call).args.is_null() {
                return None;
            }
            let argument: *const pg_sys::Var = pg_sys::list_nth((*call).args, 0).cast();
            let is_column = (*argument).xpr.type_ == pg_sys::NodeTag::T_Var;
            is_column.then(|| ((*argument).varno, (*argument).varattno))
        };
        // Where it is not seen what the argument is, it may be the same.
        let same_column = match (column(one), column(other)) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        (*one).funcid == (*other).funcid && same_column
    }
}
