//! Functions of released versions that 0.4.0 dropped. A package brings this library to databases of 0.3 before their
//! extension is updated; there these are members of it, and must be found.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::error;

/// Was `auria.settled_rollover()`, which the monthly reset of 0.3 called. Errors: 55000, always.
#[pg_extern(sql = false)]
fn settled_rollover() -> Result<i32, ErrorReport> {
    Err(error::schema_is_older().into())
}

/// Was `auria.settled_bonus()`. Errors: 55000, always.
#[pg_extern(sql = false)]
fn settled_bonus() -> Result<i32, ErrorReport> {
    Err(error::schema_is_older().into())
}
