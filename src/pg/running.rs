//! The statement that fires a row trigger, which PostgreSQL does not hand to it.

use std::mem::{align_of, size_of};

use pgrx::pg_sys;

/// How far into the memory of a query its state is looked for: it is the first thing there, after
/// what the memory needs for itself.
const REACH: usize = 1024;

/// Whether what fires a row trigger on the table is an INSERT without ON CONFLICT: in the plan of
/// the query in whose memory the trigger runs, wherever that was started (by a client, in a WITH,
/// by a function). False for COPY, for MERGE, and where it is not found.
///
/// # Safety
/// To be called from a trigger, in the memory context that it was called in.
pub(super) unsafe fn is_plain_insert(table: pg_sys::Oid) -> bool {
    // SAFETY: the caller's promise; the plan is the running query's, with the tags that say what
    // its nodes are.
    unsafe {
        let state = running_query();
        if state.is_null() || (*state).es_plannedstmt.is_null() {
            return false;
        }
        let statement = (*state).es_plannedstmt;
        let mut inserts = 0;
        // An INSERT in a WITH is a plan of its own.
        for plan in std::iter::once((*statement).planTree).chain(elements((*statement).subplans)) {
            if plan.is_null() || (*plan).type_ != pg_sys::NodeTag::T_ModifyTable {
                continue;
            }
            let modify: *const pg_sys::ModifyTable = plan.cast();
            if (*modify).operation != pg_sys::CmdType::CMD_INSERT || !writes(modify, statement, table) {
                continue;
            }
            if (*modify).onConflictAction != pg_sys::OnConflictAction::ONCONFLICT_NONE {
                return false;
            }
            inserts += 1;
        }
        inserts > 0
    }
}

/// # Safety
/// Both are of one plan.
unsafe fn writes(
    modify: *const pg_sys::ModifyTable,
    statement: *const pg_sys::PlannedStmt,
    table: pg_sys::Oid,
) -> bool {
    // SAFETY: the positions in the list of relations are those of the statement's range table,
    // and count from 1.
    unsafe {
        let relations = (*modify).resultRelations;
        if relations.is_null() || (*relations).length < 1 {
            return false;
        }
        let position = (*(*relations).elements).int_value as usize;
        let entry = elements::<pg_sys::RangeTblEntry>((*statement).rtable).nth(position - 1);
        entry.is_some_and(|entry| (*entry).relid == table)
    }
}

/// The pointers of a list, which may be null, for none.
///
/// # Safety
/// It is a list of pointers to `T`, alive while this is used.
unsafe fn elements<T>(list: *mut pg_sys::List) -> impl Iterator<Item = *mut T> {
    // SAFETY: the caller's promise.
    let length = if list.is_null() { 0 } else { unsafe { (*list).length as usize } };
    // SAFETY: as above; the place is within the list.
    (0..length).map(move |place| unsafe { (*(*list).elements.add(place)).ptr_value.cast() })
}

/// The state of the query in whose memory the caller runs; null where it is none.
///
/// A trigger runs in the memory of one row, which is a child of the query's; and the query's state
/// is the first thing that CreateExecutorState() allocates there. It points back to that memory:
/// nothing else of its kind does.
///
/// # Safety
/// As [`is_plain_insert`].
unsafe fn running_query() -> *const pg_sys::EState {
    // SAFETY: a context is at the start of its first block of memory, which has at least 8 kB
    // (ALLOCSET_DEFAULT_SIZES) and holds the state; what is read within REACH is in that block.
    unsafe {
        let memory = (*pg_sys::CurrentMemoryContext).parent;
        if memory.is_null() || (*memory).type_ != pg_sys::NodeTag::T_AllocSetContext {
            return std::ptr::null();
        }
        let first = size_of::<pg_sys::MemoryContextData>();
        for place in (first..REACH - size_of::<pg_sys::EState>()).step_by(align_of::<pg_sys::EState>()) {
            let state: *const pg_sys::EState = memory.cast::<u8>().add(place).cast();
            // Whatever is there is no tag of a node as long as it is not compared.
            let tag = state.cast::<u32>().read();
            if tag == pg_sys::NodeTag::T_EState as u32 && (*state).es_query_cxt == memory {
                return state;
            }
        }
        std::ptr::null()
    }
}
