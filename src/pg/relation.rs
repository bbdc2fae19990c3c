//! Tables and views as the catalogue has them.

use std::ffi::CStr;

use pgrx::pg_sys;

/// A relation that stays what it is until the transaction ends: it is locked
/// as by a SELECT, so that it cannot be dropped, renamed or replaced.
pub struct Held {
    /// Who owns it.
    pub owner: pg_sys::Oid,
    /// Who owns its schema.
    pub schema_owner: pg_sys::Oid,
}

/// Holds the relation of this name, if there is one.
pub fn hold(schema: &CStr, name: &CStr) -> Option<Held> {
    loop {
        let (namespace, relation) = named(schema, name)?;
        // SAFETY: opens and closes a relation, keeping the lock; it may have
        // been dropped since, then there is none to open.
        let owner = unsafe {
            let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
            let opened = pg_sys::try_relation_open(relation, lock);
            if opened.is_null() {
                continue;
            }
            let owner = (*(*opened).rd_rel).relowner;
            pg_sys::relation_close(opened, pg_sys::NoLock as pg_sys::LOCKMODE);
            owner
        };
        // Locked now: the name must still mean it.
        if named(schema, name) == Some((namespace, relation)) {
            return Some(Held {
                owner,
                schema_owner: owner_of_schema(namespace)?,
            });
        }
    }
}

/// The relation of this name, if there is one.
pub fn find(schema: &CStr, name: &CStr) -> Option<pg_sys::Oid> {
    named(schema, name).map(|(_, relation)| relation)
}

fn named(schema: &CStr, name: &CStr) -> Option<(pg_sys::Oid, pg_sys::Oid)> {
    let valid = |oid: pg_sys::Oid| (oid != pg_sys::InvalidOid).then_some(oid);
    // SAFETY: catalogue look-ups inside a transaction; both are C strings.
    unsafe {
        let namespace = valid(pg_sys::get_namespace_oid(schema.as_ptr(), true))?;
        let relation = valid(pg_sys::get_relname_relid(name.as_ptr(), namespace))?;
        Some((namespace, relation))
    }
}

fn owner_of_schema(namespace: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a catalogue look-up inside a transaction; the tuple is read
    // before it is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::NAMESPACEOID as i32,
            pg_sys::Datum::from(namespace),
        );
        if tuple.is_null() {
            return None;
        }
        let entry: *const pg_sys::FormData_pg_namespace = pg_sys::heap_tuple_get_struct(tuple);
        let owner = (*entry).nspowner;
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}

/// A column of a table.
///
/// # Safety
/// The descriptor must be alive and have a column at this position.
pub(super) unsafe fn attribute<'a>(
    descriptor: pg_sys::TupleDesc,
    position: i32,
) -> &'a pg_sys::FormData_pg_attribute {
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        return &*(*descriptor).attrs.as_ptr().add(position as usize - 1);
        #[cfg(feature = "pg18")]
        return &*pg_sys::TupleDescAttr(descriptor, position - 1);
    }
}
