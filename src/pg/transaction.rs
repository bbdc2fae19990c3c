//! The transaction a call runs in.

use std::ffi::CStr;
use std::panic::AssertUnwindSafe;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

use crate::error::{Error, Result};

/// Refuses with PostgreSQL's own error (25006) on a standby or in a read-only
/// transaction, at once, before anything is looked up.
pub fn refuse_if_read_only(command: &CStr) {
    // SAFETY: raises or returns; `command` is a C string.
    unsafe {
        pg_sys::PreventCommandIfReadOnly(command.as_ptr());
        pg_sys::PreventCommandDuringRecovery(command.as_ptr());
    }
}

/// A number that differs between any two transactions of this backend, also
/// read-only ones and those on a standby.
pub fn local_number() -> u32 {
    // SAFETY: MyProc points to this backend's entry for as long as it lives.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        return (*pg_sys::MyProc).lxid;
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        return (*pg_sys::MyProc).vxid.lxid;
    }
}

/// What an advisory lock of this extension serialises.
#[derive(Clone, Copy, Debug)]
pub enum Lock {
    /// The free-tier operations and refunds of one user.
    FreeTier,
    /// Migrations of this database.
    Migration,
    /// Monthly resets of this database.
    Settlement,
    /// The registration of jobs in this database.
    Schedule,
}

/// Takes an advisory lock that the transaction's end releases. Two things that
/// share a `key` by chance merely wait for each other.
pub fn lock(what: Lock, key: u32) {
    // Marks this extension's locks among all advisory locks: "AUFT", "AUMI", "AUSE", "AUSC".
    let class: u32 = match what {
        Lock::FreeTier => 0x4155_4654,
        Lock::Migration => 0x4155_4d49,
        Lock::Settlement => 0x4155_5345,
        Lock::Schedule => 0x4155_5343,
    };
    // SAFETY: a complete lock tag, as pg_advisory_xact_lock(int4, int4) makes
    // it (a fourth field of 2 says two keys).
    unsafe {
        let tag = pg_sys::LOCKTAG {
            locktag_field1: pg_sys::MyDatabaseId.to_u32(),
            locktag_field2: class,
            locktag_field3: key,
            locktag_field4: 2,
            locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
            locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
        };
        pg_sys::LockAcquire(
            &tag,
            pg_sys::ExclusiveLock as pg_sys::LOCKMODE,
            false,
            false,
        );
    }
}

/// Whether all statements of the transaction see what its first one saw
/// (REPEATABLE READ and SERIALIZABLE).
pub fn keeps_its_snapshot() -> bool {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Runs `work`; when PostgreSQL raises `code` inside, `instead` is raised in its
/// place. The transaction fails all the same: nothing is undone here.
pub fn replacing<T>(
    code: PgSqlErrorCode,
    instead: fn() -> Error,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    PgTryBuilder::new(AssertUnwindSafe(work))
        .catch_when(code, move |_| instead().raise())
        .execute()
}

/// The time now() gives: when the transaction began.
pub fn start_time() -> TimestampWithTimeZone {
    // SAFETY: reads a value of the running transaction.
    let microseconds = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    TimestampWithTimeZone::try_from(microseconds).unwrap_or_else(|_| {
        unreachable!("the clock of the server is within the range of timestamptz")
    })
}

/// An error that [`attempt`] caught, after everything done since was undone.
///
/// Message and detail are PostgreSQL's own where it raised the error, and may
/// quote values of a row: decide by them, but never log or raise them where
/// the rows hold patient data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caught {
    /// The SQLSTATE.
    pub code: PgSqlErrorCode,
    /// The primary message.
    pub message: String,
    /// The DETAIL, if there is one.
    pub detail: Option<String>,
}

impl Caught {
    fn raised(error: &CaughtError) -> Self {
        match error {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => Self {
                code: report.sql_error_code(),
                message: report.message().to_owned(),
                detail: report.detail().map(str::to_owned),
            },
            CaughtError::RustPanic { ereport, .. } => Self {
                code: PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
                message: ereport.message().to_owned(),
                detail: None,
            },
        }
    }

    fn returned(error: &Error) -> Self {
        Self {
            code: error.code(),
            message: error.message_text().to_owned(),
            detail: error.detail_text().map(str::to_owned),
        }
    }

    /// Whether the statement as a whole is to end: somebody cancelled it, or
    /// the server is being shut down.
    fn ends_the_statement(&self) -> bool {
        matches!(
            self.code,
            PgSqlErrorCode::ERRCODE_QUERY_CANCELED
                | PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
                | PgSqlErrorCode::ERRCODE_CRASH_SHUTDOWN
        )
    }
}

/// Runs `work` in a subtransaction. When PostgreSQL raises an error inside, or
/// `work` returns one, everything it did is undone and the error comes back.
///
/// Cancels and shutdowns are undone, too, and then raised again: a
/// subtransaction left open would be taken for the caller's transaction.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T, Caught> {
    let subtransaction = Subtransaction::begin();
    let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
        let value = work().map_err(|error| Caught::returned(&error))?;
        subtransaction.release();
        Ok(value)
    }))
    .catch_others(|error| {
        let caught = Caught::raised(&error);
        if caught.ends_the_statement() {
            subtransaction.roll_back();
            error.rethrow()
        }
        Err(caught)
    })
    .execute();
    if outcome.is_err() {
        subtransaction.roll_back();
    }
    outcome
}

/// A subtransaction as PL/pgSQL begins one for a block with EXCEPTION; to be
/// released or rolled back once.
struct Subtransaction {
    context: pg_sys::MemoryContext,
    owner: pg_sys::ResourceOwner,
}

impl Subtransaction {
    fn begin() -> Self {
        // SAFETY: called inside a transaction, on the main thread. The memory
        // context stays the caller's, as its values live there.
        unsafe {
            let outer = Self {
                context: pg_sys::CurrentMemoryContext,
                owner: pg_sys::CurrentResourceOwner,
            };
            pg_sys::BeginInternalSubTransaction(std::ptr::null());
            pg_sys::MemoryContextSwitchTo(outer.context);
            outer
        }
    }

    fn release(&self) {
        // SAFETY: it is the current subtransaction: what began inside has ended.
        unsafe { pg_sys::ReleaseCurrentSubTransaction() };
        self.restore_outer();
    }

    /// SPI connections made inside, snapshots, locks, user and settings are
    /// put back as they were by the roll-back itself.
    fn roll_back(&self) {
        // SAFETY: it is the current subtransaction, as whoever began another
        // inside it has ended that; and it was not released.
        unsafe { pg_sys::RollbackAndReleaseCurrentSubTransaction() };
        self.restore_outer();
    }

    fn restore_outer(&self) {
        // SAFETY: both belong to the caller and outlive the subtransaction.
        unsafe {
            pg_sys::MemoryContextSwitchTo(self.context);
            pg_sys::CurrentResourceOwner = self.owner;
        }
    }
}
