//! Writes to the views while `session_replication_role` is `replica`: PostgreSQL fires no INSTEAD OF trigger then, and
//! reports rows that nobody stored.

use std::ffi::CString;

use pgrx::pg_sys;

use crate::error::{self, Error};
use crate::pg::{relation, replica_role};
use crate::phi::columns::TABLES;

/// Refuses such statements from now on. Called once, when the library is loaded.
pub fn refuse_what_is_stored_nowhere() {
    replica_role::refuse_writes(refusal);
}

fn refusal(written: pg_sys::Oid) -> Option<Error> {
    if !relation::is_view(written) {
        return None;
    }
    let is_it = |name: &str| relation::find(c"public", &CString::new(name).ok()?).filter(|view| *view == written);
    let table = TABLES.into_iter().find(|table| is_it(table.name).is_some())?;
    let stored = CString::new(format!("{}_raw", table.name)).ok()?;
    relation::find(c"auria_raw", &stored).map(|_| error::write_is_stored_nowhere(table.name))
}
