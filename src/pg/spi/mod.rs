//! SQL from inside the backend (Server Programming Interface).
//!
//! pgrx has a client for SPI (`pgrx::Spi`). This layer stands beside it, because
//! the extension needs what that client does not offer:
//!
//! | need | who needs it | what pgrx's client does |
//! |---|---|---|
//! | reading without a transaction id, as a hot standby requires | `can_use_credits`, sealed reads, doctor | `get_one`, `run` and `update` assign one |
//! | the caller's snapshot in a STABLE function | every function that only answers | the same |
//! | a snapshot of this instant under REPEATABLE READ | the ledger under the user's lock | none: an old ledger would be shown |
//! | non-atomic mode, so that a procedure may commit | `phi_backfill`, `reset_monthly`, `phi_seal` | always connects atomically |
//! | wiping a result that holds a secret | the key from Vault | hands out copies that nobody wipes |
//!
//! | file | what |
//! |---|---|
//! | `arg` | the arguments of a statement |
//! | `statement` | statements whose plan is cached |
//! | `rows` | what a statement gives |

mod arg;
mod rows;
mod statement;

use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::NonNull;

use pgrx::pg_sys;

use self::arg::values_and_nulls;
use super::boundary;
use crate::error::{Error, Result};

pub use self::arg::Arg;
pub use self::rows::{Row, Rows};
pub use self::statement::{Declared, Planned, Statement};

/// The snapshot that a statement runs with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Snapshot {
    /// The caller's, no writes: for STABLE functions and standbys.
    Caller,
    /// A new one, as a statement of a client gets; writes allowed.
    New,
    /// Everything committed by now, whatever the isolation level. No writes.
    Latest,
}

/// Proof that SPI is connected; made by [`connected`].
pub struct Spi {
    _not_send: PhantomData<*const ()>,
}

/// Connects to SPI, runs `work`, and disconnects.
///
/// When PostgreSQL raises an error inside, the panic passes through here
/// without a disconnect: the abort of the (sub)transaction does that.
pub fn connected<T>(work: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    connected_with(0, work)
}

/// [`connected`] for a procedure, which may commit inside.
pub fn connected_to_commit<T>(work: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    connected_with(pg_sys::SPI_OPT_NONATOMIC, work)
}

fn connected_with<T>(options: u32, work: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    boundary::guarded(|| {
        // SAFETY: called on the backend's main thread inside a transaction, as all
        // code of this library is; each connect is paired with a finish below.
        if unsafe { pg_sys::SPI_connect_ext(options as i32) } != pg_sys::SPI_OK_CONNECT as i32 {
            return Err(spi_failure("SPI_connect"));
        }
        let outcome = work(&Spi { _not_send: PhantomData });
        // SAFETY: connected above, at the same nesting level.
        if unsafe { pg_sys::SPI_finish() } != pg_sys::SPI_OK_FINISH as i32 {
            return Err(spi_failure("SPI_finish"));
        }
        outcome
    })
}

impl Spi {
    /// Runs a statement whose plan is cached, and gives its rows (or those of RETURNING).
    pub fn query(&self, statement: impl Planned, snapshot: Snapshot, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        let plan = statement.with_statement(|statement| statement.plan(args))?;
        self.execute_plan(plan, snapshot, args)
    }

    /// [`Spi::query`] for a text that is made at run time: for few different ones that
    /// are run often.
    pub fn query_text(&self, sql: &str, snapshot: Snapshot, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        let statement = statement::cached(sql, args)?;
        self.query(&*statement, snapshot, args)
    }

    fn execute_plan(&self, plan: NonNull<pg_sys::_SPI_plan>, snapshot: Snapshot, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        let (mut values, nulls) = values_and_nulls(args);
        let read_only = snapshot != Snapshot::New;
        // SAFETY: the plan was kept, so it outlives this call;
        // `values` and `nulls` have one entry per parameter of the plan, whose
        // types are those of the same `args` that prepared it. The pushed
        // snapshot is popped on the way out, and by the abort on an error.
        let code = unsafe {
            if snapshot == Snapshot::Latest {
                pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
            }
            let code = boundary::with_reserve(|| {
                pg_sys::SPI_execute_plan(plan.as_ptr(), values.as_mut_ptr(), nulls.as_ptr(), read_only, 0)
            });
            if snapshot == Snapshot::Latest {
                pg_sys::PopActiveSnapshot();
            }
            code
        };
        Rows::of_last_statement(code)
    }

    /// Runs a statement that is needed once, with a snapshot of its own.
    pub fn query_once(&self, sql: &str, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        self.run(sql, args, false)
    }

    /// Runs a read-only statement that is needed once.
    pub fn read_once(&self, sql: &str, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        self.run(sql, args, true)
    }

    /// Whether a query that is needed once gives a row.
    pub fn exists(&self, sql: &str, args: &[Arg<'_>]) -> Result<bool> {
        Ok(!self.query_once(sql, args)?.is_empty())
    }

    /// Runs a statement that is needed once for its effect; how many rows it
    /// changed.
    pub fn execute(&self, sql: &str, args: &[Arg<'_>]) -> Result<usize> {
        Ok(self.query_once(sql, args)?.len())
    }

    /// Runs a script of several statements, as an install step needs.
    pub fn execute_script(&self, sql: &str) -> Result<()> {
        let sql = c_string(sql)?;
        // SAFETY: SPI is connected and `sql` is a C string.
        let code = boundary::with_reserve(|| unsafe { pg_sys::SPI_execute(sql.as_ptr(), false, 0) });
        if code < 0 { Err(spi_failure("SPI_execute")) } else { Ok(()) }
    }

    fn run(&self, sql: &str, args: &[Arg<'_>], read_only: bool) -> Result<Rows<'_>> {
        let sql = c_string(sql)?;
        let mut types: Vec<pg_sys::Oid> = args.iter().map(|arg| arg.oid).collect();
        let (mut values, nulls) = values_and_nulls(args);
        // SAFETY: SPI is connected; the three arrays have the length passed.
        let code = boundary::with_reserve(|| unsafe {
            pg_sys::SPI_execute_with_args(
                sql.as_ptr(),
                args.len() as core::ffi::c_int,
                types.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_ptr(),
                read_only,
                0,
            )
        });
        Rows::of_last_statement(code)
    }
}

/// A name, quoted where SQL needs it.
pub fn quoted_identifier(name: &str) -> String {
    pgrx::spi::quote_identifier(name)
}

/// A text as a literal of SQL.
pub fn quoted_literal(text: &str) -> String {
    pgrx::spi::quote_literal(text)
}

fn c_string(sql: &str) -> Result<CString> {
    CString::new(sql)
        .map_err(|_| Error::new(pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "a statement contains a NUL byte"))
}

fn spi_failure(function: &str) -> Error {
    // SAFETY: a plain integer that SPI sets, read on the main thread.
    let code = unsafe { pg_sys::SPI_result };
    Error::new(pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("{function} failed with code {code}"))
}
