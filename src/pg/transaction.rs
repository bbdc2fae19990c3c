//! The transaction a call runs in.

use std::ffi::CStr;
use std::time::Duration;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;

use super::caught::{Caught, catching};
use super::{boundary, compat, roles};
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
    compat::local_transaction_number()
}

/// Whether this number, a row's `xmin`, is the running transaction's or one of
/// its subtransactions'.
pub fn is_own(xmin: i64) -> bool {
    let Ok(xmin) = u32::try_from(xmin) else {
        return false;
    };
    // SAFETY: asks the state of the running transaction.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(xmin.into()) }
}

/// Whether parallel workers may be running for this transaction, which rules
/// out subtransactions and new snapshots.
pub fn is_parallel() -> bool {
    // SAFETY: reads the state of the running transaction.
    unsafe { pg_sys::IsInParallelMode() }
}

/// Whether this server is a standby.
pub fn is_in_recovery() -> bool {
    // SAFETY: reads the state of the server.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// Raises 57014 or 57P01 if somebody cancelled the statement or shuts the
/// server down: an unwinding, which runs every drop on its way.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// Makes sure that a snapshot is active, also in a procedure between its
/// statements: without one, no value that is stored out of line can be read.
/// The procedure's commit ends it.
pub fn ensure_snapshot() {
    // SAFETY: called inside a transaction, in a backend that runs a portal.
    unsafe { pg_sys::EnsurePortalSnapshotExists() }
}

/// Has deferred constraints checked at the end of each statement from now on, before a
/// role's rights are taken: a deferred trigger would run at the commit, with the caller's
/// rights instead of those that wrote the row, and PostgreSQL refuses it under the role's.
///
/// As SET CONSTRAINTS ALL IMMEDIATE, which also fires what is pending. Nothing gives the
/// session's deferral back, but the session itself.
pub fn check_constraints_now() {
    let mut all = pg_sys::ConstraintsSetStmt {
        type_: pg_sys::NodeTag::T_ConstraintsSetStmt,
        constraints: std::ptr::null_mut(),
        deferred: false,
    };
    // SAFETY: a complete statement, inside a transaction. What it fires has a snapshot
    // that it pushes itself.
    boundary::guarded(|| unsafe { pg_sys::AfterTriggerSetState(&mut all) });
}

/// The same where the session is a superuser's, or has taken one's role. Everybody else's
/// constraints stay as they are: a trigger runs with the rights of the role that writes, at
/// the commit as before it.
pub fn check_constraints_now_for_superusers() {
    // SAFETY: reads globals of the backend.
    let (session, outer) = unsafe { (pg_sys::GetSessionUserId(), pg_sys::GetOuterUserId()) };
    let is_superusers = roles::is_superuser(session) || outer != session && roles::is_superuser(outer);
    if is_superusers {
        check_constraints_now();
    }
}

/// Runs `work`; where PostgreSQL raises an error in it, raises what `replace`
/// makes of that error's message instead. Nothing is rolled back here: the
/// statement fails in either case, and does so as well where no subtransaction
/// may be begun. Errors that say nothing about the work pass unchanged: cancels,
/// shutdowns, deadlocks, a lack of memory.
pub fn rename_errors<T>(work: impl FnOnce() -> T, replace: fn(&str) -> Error) -> T {
    catching(work).unwrap_or_else(|caught| {
        if caught.may_pass() {
            caught.raise()
        }
        replace(&caught.message()).raise()
    })
}

/// Whether all statements of the transaction see what its first one saw
/// (REPEATABLE READ and SERIALIZABLE).
pub fn keeps_its_snapshot() -> bool {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Whether the transaction is SERIALIZABLE, where each row that is read counts.
pub fn is_serializable() -> bool {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE as i32 }
}

/// How long a process waits for a lock before it looks for a deadlock.
pub fn deadlock_timeout() -> Duration {
    // SAFETY: reads a setting, in milliseconds.
    Duration::from_millis(u64::try_from(unsafe { pg_sys::DeadlockTimeout }).unwrap_or(0))
}

/// How long the session waits for a lock; None where it waits without end.
pub fn lock_timeout() -> Option<Duration> {
    // SAFETY: reads a setting, in milliseconds.
    let milliseconds = u64::try_from(unsafe { pg_sys::LockTimeout }).unwrap_or(0);
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// The time now() gives: when the transaction began.
pub fn start_time() -> TimestampWithTimeZone {
    // SAFETY: reads a value of the running transaction.
    timestamp(unsafe { pg_sys::GetCurrentTransactionStartTimestamp() })
}

/// `now()` plus a number of hours, or minus one.
pub fn hours_from_start(hours: i32) -> TimestampWithTimeZone {
    // SAFETY: reads a value of the running transaction.
    let start = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    timestamp(start + i64::from(hours) * 3_600_000_000)
}

/// The time clock_timestamp() gives.
pub fn clock() -> TimestampWithTimeZone {
    // SAFETY: reads the clock.
    timestamp(unsafe { pg_sys::GetCurrentTimestamp() })
}

fn timestamp(microseconds: pg_sys::TimestampTz) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(microseconds)
        .unwrap_or_else(|_| unreachable!("the clock of the server is within the range of timestamptz"))
}

/// Runs `work` in a subtransaction. When an error is raised inside, or `work`
/// returns one, everything it did is undone and the error comes back.
///
/// Cancels and shutdowns are undone, too, and then raised again: a
/// subtransaction left open would be taken for the caller's transaction.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T, Caught> {
    attempt_unless(Caught::ends_the_statement, work)
}

/// [`attempt`] that raises an error again if a repetition may not meet it, for work that nobody
/// does later: its caller fails, and can be called again.
pub fn attempt_finally<T>(work: impl FnOnce() -> Result<T>) -> Result<T, Caught> {
    attempt_unless(Caught::may_pass, work)
}

fn attempt_unless<T>(is_raised: fn(&Caught) -> bool, work: impl FnOnce() -> Result<T>) -> Result<T, Caught> {
    let subtransaction = Subtransaction::begin();
    let outcome = catching(|| work().inspect(|_| subtransaction.release()));
    let caught = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => Caught::from(error),
        Err(caught) => caught,
    };
    subtransaction.roll_back();
    if is_raised(&caught) {
        caught.raise()
    }
    Err(caught)
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
            let outer = Self { context: pg_sys::CurrentMemoryContext, owner: pg_sys::CurrentResourceOwner };
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
        // SAFETY: it is the current subtransaction, as any that was begun
        // inside it has ended; and it was not released.
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
