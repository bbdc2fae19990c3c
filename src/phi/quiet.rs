//! Updates that change nothing a user wrote leave `updated_at` as it is.

use std::cell::Cell;

use pgrx::pg_sys;

use crate::pg::relation;

thread_local! {
    /// The table that is updated so.
    static UPDATING: Cell<Option<pg_sys::Oid>> = const { Cell::new(None) };
}

/// Runs `work`, whose updates of this table (`schema.name`) change nothing that a
/// user wrote.
pub fn updating<T>(table: &str, work: impl FnOnce() -> T) -> T {
    struct Forget;
    impl Drop for Forget {
        fn drop(&mut self) {
            UPDATING.set(None);
        }
    }
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    let c_string = |name| std::ffi::CString::new(name).unwrap_or_default();
    let _forget = Forget;
    UPDATING.set(relation::find(&c_string(schema), &c_string(name)));
    work()
}

/// Whether `work` of [`updating`] is updating this table.
pub fn is_updating(table: pg_sys::Oid) -> bool {
    UPDATING.get() == Some(table)
}
