//! Statements that PostgreSQL would take while `session_replication_role` is `replica`, and whose rows it would store
//! nowhere: no INSTEAD OF trigger fires then.
//!
//! PostgreSQL's hooks see each statement before it runs, from the moment that the library is loaded. Its functions are called
//! as C would call them, without a boundary for errors: these frames have nothing to drop, so an error of PostgreSQL
//! passes over them, and a statement costs a comparison.

use std::cell::Cell;
use std::ffi::{c_char, c_int};

use pgrx::pg_guard;
use pgrx::pg_sys::{self, CmdType, ExecutorStart_hook_type, ProcessUtility_hook_type};

use crate::error::Error;

/// Whether a statement may write to this table or view.
pub type Refuse = fn(pg_sys::Oid) -> Option<Error>;

thread_local! {
    static REFUSE: Cell<Option<Refuse>> = const { Cell::new(None) };
    static NEXT_START: Cell<ExecutorStart_hook_type> = const { Cell::new(None) };
    static NEXT_UTILITY: Cell<ProcessUtility_hook_type> = const { Cell::new(None) };
}

/// Asks `refuse` about what each statement writes to while triggers are off. Called once, by `_PG_init`.
pub fn refuse_writes(refuse: Refuse) {
    REFUSE.set(Some(refuse));
    // SAFETY: PostgreSQL loads the library on its only thread, and each hook passes on to the one that was there.
    unsafe {
        NEXT_START.set(pg_sys::ExecutorStart_hook);
        pg_sys::ExecutorStart_hook = Some(start);
        NEXT_UTILITY.set(pg_sys::ProcessUtility_hook);
        pg_sys::ProcessUtility_hook = Some(utility);
    }
}

/// PostgreSQL's own, without pgrx's boundary.
#[allow(clashing_extern_declarations)]
mod standard {
    use super::*;

    unsafe extern "C-unwind" {
        #[link_name = "standard_ExecutorStart"]
        pub fn start(query: *mut pg_sys::QueryDesc, flags: c_int);
        #[link_name = "standard_ProcessUtility"]
        pub fn utility(
            statement: *mut pg_sys::PlannedStmt,
            text: *const c_char,
            is_read_only: bool,
            context: pg_sys::ProcessUtilityContext::Type,
            params: pg_sys::ParamListInfo,
            environment: *mut pg_sys::QueryEnvironment,
            receiver: *mut pg_sys::DestReceiver,
            completion: *mut pg_sys::QueryCompletion,
        );
    }
}

fn is_replica() -> bool {
    // SAFETY: reads a setting of the backend.
    unsafe { pg_sys::SessionReplicationRole == pg_sys::SESSION_REPLICATION_ROLE_REPLICA as i32 }
}

/// # Safety
/// For PostgreSQL to call.
unsafe extern "C-unwind" fn start(query: *mut pg_sys::QueryDesc, flags: c_int) {
    // SAFETY: the arguments are PostgreSQL's, passed on unchanged.
    unsafe {
        if is_replica() && (flags as u32 & pg_sys::EXEC_FLAG_EXPLAIN_ONLY) == 0 {
            refuse_query((*query).plannedstmt);
        }
        match NEXT_START.get() {
            Some(next) => next(query, flags),
            None => standard::start(query, flags),
        }
    }
}

/// # Safety
/// For PostgreSQL to call.
unsafe extern "C-unwind" fn utility(
    statement: *mut pg_sys::PlannedStmt,
    text: *const c_char,
    is_read_only: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    receiver: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: as above.
    unsafe {
        if is_replica() {
            refuse_copy((*statement).utilityStmt);
        }
        let run = NEXT_UTILITY.get().unwrap_or(standard::utility);
        run(statement, text, is_read_only, context, params, environment, receiver, completion);
    }
}

/// What INSERT, UPDATE, DELETE and MERGE write to, in WITH as well.
///
/// # Safety
/// The statement is a planned one.
#[pg_guard]
unsafe extern "C-unwind" fn refuse_query(statement: *mut pg_sys::PlannedStmt) {
    // SAFETY: the list has the places of the tables that are written to, from 1 on.
    unsafe {
        if (*statement).commandType == CmdType::CMD_UTILITY {
            return;
        }
        let targets = pgrx::PgList::<pg_sys::RangeTblEntry>::from_pg((*statement).resultRelations);
        let tables = pgrx::PgList::<pg_sys::RangeTblEntry>::from_pg((*statement).rtable);
        for place in targets.iter_int() {
            if let Some(table) = usize::try_from(place - 1).ok().and_then(|place| tables.get_ptr(place)) {
                raise_if_refused((*table).relid);
            }
        }
    }
}

/// What COPY writes to.
///
/// # Safety
/// The statement is a node.
#[pg_guard]
unsafe extern "C-unwind" fn refuse_copy(statement: *mut pg_sys::Node) {
    // SAFETY: the tag says what the node is. The name is looked up as COPY does, and not locked.
    unsafe {
        if (*statement).type_ != pg_sys::NodeTag::T_CopyStmt {
            return;
        }
        let copy = statement.cast::<pg_sys::CopyStmt>();
        if !(*copy).is_from || (*copy).relation.is_null() {
            return;
        }
        let missing_ok = pg_sys::RVROption::RVR_MISSING_OK;
        let table = pg_sys::RangeVarGetRelidExtended((*copy).relation, 0, missing_ok, None, std::ptr::null_mut());
        raise_if_refused(table);
    }
}

fn raise_if_refused(table: pg_sys::Oid) {
    if let Some(error) = REFUSE.get().and_then(|refuse| refuse(table)) {
        error.raise()
    }
}
