//! What a planner support function may change in the call of its function.

use pgrx::{Internal, pg_sys};

/// The answer to a planner that asks whether the call can be simplified: in a
/// statement that updates or deletes rows of one of these relations, the call
/// with `false` as its second argument; anywhere else no change.
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
