//! What a planner support function may change in the call of its function.

use pgrx::{Internal, pg_sys};

/// The answer to a planner that asks whether the call can be simplified: in a
/// statement that updates or deletes rows of one of these views, the call with
/// `false` as its second argument, if its value is only part of the old row
/// that the view's trigger gets; anywhere else no change.
pub fn second_argument_off_in_writes(request: Internal, relations: &[pg_sys::Oid]) -> Internal {
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
        if (*call).args.is_null() || (*(*call).args).length != 2 {
            return None;
        }
        let flag: *mut pg_sys::Const = pg_sys::list_nth((*call).args, 1).cast();
        let is_on =
            (*flag).xpr.type_ == pg_sys::NodeTag::T_Const && !(*flag).constisnull && (*flag).constvalue.value() != 0;
        let value: *mut pg_sys::Var = pg_sys::list_nth((*call).args, 0).cast();
        if !is_on || !only_in_old_row((*root).parse, value) {
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
        let entry: *const pg_sys::RangeTblEntry = pg_sys::list_nth((*query).rtable, (*query).resultRelation - 1).cast();
        writes.contains(&(*query).commandType) && relations.contains(&(*entry).relid)
    }
}

/// Whether a column of the stored table is needed for nothing but the old row,
/// which PostgreSQL always makes as a whole. False where that cannot be seen.
///
/// # Safety
/// The query must be an UPDATE or DELETE that is being planned, and the value
/// a node.
unsafe fn only_in_old_row(query: *const pg_sys::Query, value: *mut pg_sys::Var) -> bool {
    // SAFETY: as above. Tags are compared before a node is taken for one; the
    // lists are the query's, of target entries and expressions.
    unsafe {
        if (*value).xpr.type_ != pg_sys::NodeTag::T_Var {
            return false;
        }
        let targets: Vec<*mut pg_sys::TargetEntry> = elements((*query).targetList);
        let is_row = |target: &&*mut pg_sys::TargetEntry| {
            let target = **target;
            (*target).resjunk && (*(*target).expr).type_ == pg_sys::NodeTag::T_RowExpr
        };
        let Some(row) = targets.iter().find(is_row).copied() else {
            return false;
        };
        let columns: Vec<*mut pg_sys::Node> = elements((*(*row).expr.cast::<pg_sys::RowExpr>()).args);
        let column_of = |number: i16| {
            let index = usize::try_from(number).ok()?.checked_sub(1)?;
            columns.get(index).copied()
        };
        if !uses((*row).expr.cast(), value) {
            return false;
        }
        let mut assigned = Vec::new();
        for target in targets.into_iter().filter(|target| !(**target).resjunk) {
            let keeps =
                column_of((*target).resno).is_some_and(|column| pg_sys::equal(column.cast(), (*target).expr.cast()));
            if !keeps {
                assigned.push((*target).resno);
                if uses((*target).expr.cast(), value) {
                    return false;
                }
            }
        }
        if uses((*query).jointree.cast(), value) {
            return false;
        }
        // RETURNING shows the row as the trigger returns it.
        variables((*query).returningList.cast())
            .into_iter()
            .filter(|returned| (**returned).varno == (*query).resultRelation)
            .all(|returned| match (*returned).varattno {
                0 => false,
                number if assigned.contains(&number) => true,
                number => column_of(number).is_none_or(|column| !uses(column, value)),
            })
    }
}

/// Whether the node mentions the column, also in a sub-select, where another
/// relation may have the same number: then it is taken for this one.
///
/// # Safety
/// The node must be an expression, a list of them, or a jointree, or null; the
/// value a Var.
unsafe fn uses(node: *mut pg_sys::Node, value: *mut pg_sys::Var) -> bool {
    // SAFETY: as above.
    unsafe { mentions(node, value.cast()) }
}

/// # Safety
/// As for [`uses`].
unsafe extern "C-unwind" fn mentions(node: *mut pg_sys::Node, value: *mut std::ffi::c_void) -> bool {
    // SAFETY: the tag is compared before a node is taken for what it is; the
    // walkers visit what belongs to the node.
    unsafe {
        if node.is_null() {
            return false;
        }
        match (*node).type_ {
            pg_sys::NodeTag::T_Var => {
                let (found, value): (*mut pg_sys::Var, *mut pg_sys::Var) = (node.cast(), value.cast());
                (*found).varno == (*value).varno && (*found).varattno == (*value).varattno
            }
            pg_sys::NodeTag::T_Query => pg_sys::query_tree_walker(node.cast(), Some(mentions), value, 0),
            _ => pg_sys::expression_tree_walker(node, Some(mentions), value),
        }
    }
}

/// The columns of this query that the node mentions.
///
/// # Safety
/// The node must be an expression, or a list of them, or null.
unsafe fn variables(node: *mut pg_sys::Node) -> Vec<*mut pg_sys::Var> {
    const EVERYWHERE: u32 =
        pg_sys::PVC_RECURSE_AGGREGATES | pg_sys::PVC_RECURSE_WINDOWFUNCS | pg_sys::PVC_RECURSE_PLACEHOLDERS;
    // SAFETY: the caller's promise; the result is a list of Vars.
    unsafe { elements(pg_sys::pull_var_clause(node, EVERYWHERE as i32)) }
}

/// # Safety
/// The list must be one of pointers to `T`, or null.
unsafe fn elements<T>(list: *mut pg_sys::List) -> Vec<*mut T> {
    // SAFETY: read within its length.
    unsafe {
        let length = if list.is_null() { 0 } else { (*list).length };
        (0..length).map(|place| pg_sys::list_nth(list, place).cast()).collect()
    }
}
