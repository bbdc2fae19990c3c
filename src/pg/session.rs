//! What the running statement is, and what the client has set.

use std::ffi::CStr;

use pgrx::pg_sys;

/// When the client sent the running statement: a number that tells it from the
/// statements before and after it.
pub fn statement() -> i64 {
    // SAFETY: reads a value of the running transaction.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// Whether the statement that the client sent updates or deletes rows of one of
/// these relations.
pub fn writes_to(relations: &[pg_sys::Oid]) -> bool {
    // SAFETY: the active portal holds the planned statements that it runs for
    // as long as it is active; each list is walked within its length, and a
    // result relation is an entry of the statement's range table.
    unsafe {
        let portal = pg_sys::ActivePortal;
        if portal.is_null() || (*portal).stmts.is_null() {
            return false;
        }
        (0..(*(*portal).stmts).length).any(|place| {
            let statement: *mut pg_sys::PlannedStmt =
                pg_sys::list_nth((*portal).stmts, place).cast();
            if (*statement).type_ != pg_sys::NodeTag::T_PlannedStmt
                || (*statement).commandType == pg_sys::CmdType::CMD_INSERT
                || (*statement).resultRelations.is_null()
            {
                return false;
            }
            let targets = (*statement).resultRelations;
            (0..(*targets).length).any(|place| {
                let entry = pg_sys::list_nth_int(targets, place);
                let entry: *mut pg_sys::RangeTblEntry =
                    pg_sys::list_nth((*statement).rtable, entry - 1).cast();
                relations.contains(&(*entry).relid)
            })
        })
    }
}

/// The value of a setting that need not exist, as it is now.
pub fn setting(name: &CStr) -> Option<&CStr> {
    // SAFETY: `name` is a C string; the value is one, or null, and is read
    // before anything could change the setting.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}
