//! When what a backend keeps about a table must be looked up again: after a change of
//! its definition, or of any function, which a trigger of it may call.

use std::cell::{Cell, RefCell};

use pgrx::pg_sys;

thread_local! {
    static WATCHED: RefCell<Vec<pg_sys::Oid>> = const { RefCell::new(Vec::new()) };
    static GENERATION: Cell<u64> = const { Cell::new(0) };
}

/// A number that grows when the definition of a watched table, an index,
/// trigger or policy of it changes, or a function is replaced. Read it after the table was locked: taking a
/// lock is what makes PostgreSQL deliver the changes that others committed.
pub fn generation() -> u64 {
    GENERATION.get()
}

/// Lets changes of this table count.
pub fn watch(table: pg_sys::Oid) {
    WATCHED.with_borrow_mut(|watched| {
        if watched.is_empty() {
            // SAFETY: called once per backend; the function lives as long as the
            // library, which PostgreSQL never unloads.
            unsafe {
                let nothing = pg_sys::Datum::from(0);
                pg_sys::CacheRegisterRelcacheCallback(Some(changed), nothing);
                let functions = pg_sys::SysCacheIdentifier::PROCOID as i32;
                pg_sys::CacheRegisterSyscacheCallback(functions, Some(replaced), nothing);
            }
        }
        if !watched.contains(&table) {
            watched.push(table);
        }
    });
}

/// Called by PostgreSQL with the table whose definition changed, or with none
/// when it may be any. Neither raises an error nor allocates.
unsafe extern "C-unwind" fn changed(_argument: pg_sys::Datum, table: pg_sys::Oid) {
    let counts = table == pg_sys::InvalidOid
        || WATCHED.with(|watched| match watched.try_borrow() {
            Ok(watched) => watched.contains(&table),
            Err(_) => true,
        });
    if counts {
        GENERATION.set(GENERATION.get().wrapping_add(1));
    }
}

/// Called by PostgreSQL when a function changed.
unsafe extern "C-unwind" fn replaced(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
    GENERATION.set(GENERATION.get().wrapping_add(1));
}
