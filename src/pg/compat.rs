//! What differs between PostgreSQL's majors, and nothing else: no other file asks which
//! one it is compiled for. The newest is the branch without a name, so that a new major
//! compiles or says here what it changed.

use pgrx::pg_sys;

/// The privilege on a role that SET ROLE asks for: PostgreSQL 16 separates it from
/// membership.
pub const MAY_SET_ROLE: &str = if cfg!(feature = "pg15") { "MEMBER" } else { "SET" };

/// A column of a descriptor.
///
/// # Safety
/// The descriptor must be alive and have a column at this position, counted from 1.
pub(super) unsafe fn attribute<'a>(descriptor: pg_sys::TupleDesc, position: i32) -> &'a pg_sys::FormData_pg_attribute {
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        return &*(*descriptor).attrs.as_ptr().add(position as usize - 1);
        #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
        return &*pg_sys::TupleDescAttr(descriptor, position - 1);
    }
}

/// Begins a scan of an index with the active snapshot.
///
/// # Safety
/// Both relations must be open.
pub(super) unsafe fn begin_index_scan(
    heap: pg_sys::Relation,
    index: pg_sys::Relation,
    keys: i32,
) -> pg_sys::IndexScanDesc {
    // SAFETY: the caller's promise; a snapshot is active in every statement.
    unsafe {
        let snapshot = pg_sys::GetActiveSnapshot();
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        return pg_sys::index_beginscan(heap, index, snapshot, keys, 0);
        #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
        return pg_sys::index_beginscan(heap, index, snapshot, std::ptr::null_mut(), keys, 0);
    }
}

/// Which indexes of a table a new version of a row has to be inserted into.
pub(super) struct IndexesToUpdate {
    /// Whether there are any.
    pub any: bool,
    /// Whether they are only those that summarise ranges of pages (BRIN).
    pub summarizing_only: bool,
}

/// Stores the slot as the new version of the row at this place.
///
/// # Safety
/// The table must be open to be written, and the slot filled.
pub(super) unsafe fn update_row(
    table: pg_sys::Relation,
    mut place: pg_sys::ItemPointerData,
    slot: *mut pg_sys::TupleTableSlot,
) -> IndexesToUpdate {
    let mut changes = Default::default();
    // SAFETY: the caller's promise; a snapshot is active in every statement.
    unsafe {
        pg_sys::simple_table_tuple_update(table, &mut place, slot, pg_sys::GetActiveSnapshot(), &mut changes);
    }
    #[cfg(feature = "pg15")]
    return IndexesToUpdate { any: changes, summarizing_only: false };
    #[cfg(not(feature = "pg15"))]
    IndexesToUpdate {
        any: changes != pg_sys::TU_UpdateIndexes::TU_None,
        summarizing_only: changes == pg_sys::TU_UpdateIndexes::TU_Summarizing,
    }
}

/// Inserts a row into the indexes of its table. `update` is `Some` for the new version of
/// a row, with [`IndexesToUpdate::summarizing_only`].
///
/// # Safety
/// The executor's state must have the table as its result, with its indexes open.
pub(super) unsafe fn insert_into_indexes(
    table: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    state: *mut pg_sys::EState,
    update: Option<bool>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        pg_sys::ExecInsertIndexTuples(
            table,
            slot,
            state,
            update.is_some(),
            false,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            #[cfg(not(feature = "pg15"))]
            update.unwrap_or(false),
        );
    }
}

/// Frees what an index's access method cached between insertions: since PostgreSQL 17
/// whoever closes the index has to ask for it.
///
/// # Safety
/// The index must be open.
pub(super) unsafe fn end_index_insertions(index: pg_sys::Relation, info: *mut pg_sys::IndexInfo) {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    let _ = (index, info);
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    // SAFETY: the caller's promise.
    unsafe {
        pg_sys::index_insert_cleanup(index, info);
    }
}

/// A number that differs between any two transactions of this backend, also read-only
/// ones and those on a standby.
pub(super) fn local_transaction_number() -> u32 {
    // SAFETY: MyProc points to this backend's entry for as long as it lives.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        return (*pg_sys::MyProc).lxid;
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        return (*pg_sys::MyProc).vxid.lxid;
    }
}

/// The tablespace and the number of a table's file.
pub(super) fn file_of(relation: &pg_sys::RelationData) -> (pg_sys::Oid, u32) {
    #[cfg(feature = "pg15")]
    return (relation.rd_node.spcNode, relation.rd_node.relNode.to_u32());
    #[cfg(not(feature = "pg15"))]
    (relation.rd_locator.spcOid, relation.rd_locator.relNumber.to_u32())
}

/// The subtransaction that gave the table its file; 0 where no running one did.
pub(super) fn file_made_in(relation: &pg_sys::RelationData) -> pg_sys::SubTransactionId {
    #[cfg(feature = "pg15")]
    return relation.rd_firstRelfilenodeSubid;
    #[cfg(not(feature = "pg15"))]
    relation.rd_firstRelfilelocatorSubid
}

/// All settings of the server.
///
/// # Safety
/// An entry lives as long as the backend; only the main thread may read it.
pub(super) unsafe fn settings<'a>() -> &'a [*mut pg_sys::config_generic] {
    // SAFETY: the array has as many pointers as PostgreSQL says.
    unsafe {
        #[cfg(feature = "pg15")]
        let (first, length) = (pg_sys::get_guc_variables(), pg_sys::GetNumConfigOptions());
        #[cfg(not(feature = "pg15"))]
        let (first, length) = {
            let mut length = 0;
            (pg_sys::get_guc_variables(&mut length), length)
        };
        std::slice::from_raw_parts(first, usize::try_from(length).unwrap_or(0))
    }
}

/// Raises an error again.
///
/// # Safety
/// The error must be complete; PostgreSQL copies it.
pub(super) unsafe fn rethrow(error: *mut pg_sys::ErrorData) -> ! {
    // SAFETY: the caller's promise.
    unsafe { pg_sys::ReThrowError(error) };
    // Its declaration says so in another way since PostgreSQL 18, which the bindings do not read.
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
    unreachable!("ReThrowError() returned")
}
