//! The transaction a call runs in.

use std::ffi::CStr;
use std::panic::AssertUnwindSafe;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

use crate::error::Result;

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
        #[cfg(any(feature = "pg13", feature = "pg14", feature = "pg15", feature = "pg16"))]
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

/// The time now() gives: when the transaction began.
pub fn start_time() -> TimestampWithTimeZone {
    // SAFETY: reads a value of the running transaction.
    let microseconds = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    TimestampWithTimeZone::try_from(microseconds).unwrap_or_else(|_| {
        unreachable!("the clock of the server is within the range of timestamptz")
    })
}

/// Runs `work` in a subtransaction. When PostgreSQL raises an error inside, or
/// `work` gives one, everything it did is undone and the SQLSTATE comes back.
///
/// Cancels and shutdowns are not caught.
pub fn attempt(work: impl FnOnce() -> Result<()>) -> Result<(), PgSqlErrorCode> {
    // SAFETY: as PL/pgSQL does for a block with EXCEPTION: context and owner
    // are read before, put back after, and the subtransaction is either
    // released or rolled back exactly once.
    let (context, owner) = unsafe {
        let saved = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(saved.0);
        saved
    };
    let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
        work().map_err(|error| error.code())?;
        // SAFETY: ends the subtransaction begun above.
        unsafe { pg_sys::ReleaseCurrentSubTransaction() };
        Ok(())
    }))
    .catch_others(|caught| {
        let code = match &caught {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => {
                report.sql_error_code()
            }
            CaughtError::RustPanic { .. } => PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        };
        let must_go_on_up = matches!(
            code,
            PgSqlErrorCode::ERRCODE_QUERY_CANCELED
                | PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
                | PgSqlErrorCode::ERRCODE_CRASH_SHUTDOWN
        );
        if must_go_on_up {
            caught.rethrow()
        } else {
            Err(code)
        }
    })
    .execute();
    // SAFETY: see above.
    unsafe {
        if outcome.is_err() {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
    }
    outcome
}
