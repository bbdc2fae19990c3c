//! Updates that change nothing a user wrote: `updated_at` stays as it is.

use std::cell::Cell;

use pgrx::pg_sys;

use crate::pg::relation;

thread_local! {
    /// The table whose rows keep `updated_at`.
    static KEPT: Cell<Option<pg_sys::Oid>> = const { Cell::new(None) };
}

/// Runs `work`, whose updates of this table (`schema.name`) change nothing that
/// a user wrote: `updated_at` stays as it is.
pub fn kept<T>(table: &str, work: impl FnOnce() -> T) -> T {
    struct Forget;
    impl Drop for Forget {
        fn drop(&mut self) {
            KEPT.set(None);
        }
    }
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    let c_string = |name| std::ffi::CString::new(name).unwrap_or_default();
    let _forget = Forget;
    KEPT.set(relation::find(&c_string(schema), &c_string(name)));
    work()
}

/// Whether the rows of this table keep `updated_at` now.
pub fn is_kept(table: pg_sys::Oid) -> bool {
    KEPT.get() == Some(table)
}
