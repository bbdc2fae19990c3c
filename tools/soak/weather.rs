//! The kinds of faults, and which failures of a call each of them explains. A failure that no recent fault explains is
//! a defect.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Everything that is done to the server. The report counts by these names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Fault {
    StatementTimeouts,
    Cancels,
    TerminatedBackends,
    BackendKilled,
    PostmasterKilled,
    ImmediateRestart,
    FastRestart,
    PostgrestKilled,
    FullDisk,
    KeyRotation,
    FailingVault,
    ClockSetBack,
    MigrateAgain,
    ExtensionUpdate,
    LockStorm,
    IdleInTransaction,
    MemoryLimit,
    Sealing,
}

impl Fault {
    /// Those that are dealt from a deck, in random order, each as often as the others.
    pub const DECK: [Fault; 17] = [
        Fault::StatementTimeouts,
        Fault::Cancels,
        Fault::TerminatedBackends,
        Fault::BackendKilled,
        Fault::PostmasterKilled,
        Fault::ImmediateRestart,
        Fault::FastRestart,
        Fault::PostgrestKilled,
        Fault::FullDisk,
        Fault::KeyRotation,
        Fault::FailingVault,
        Fault::ClockSetBack,
        Fault::MigrateAgain,
        Fault::ExtensionUpdate,
        Fault::LockStorm,
        Fault::IdleInTransaction,
        Fault::MemoryLimit,
    ];

    /// Whether connections end by it.
    fn cuts_connections(self) -> bool {
        use Fault::{
            BackendKilled, ClockSetBack, FastRestart, FullDisk, ImmediateRestart, PostgrestKilled, PostmasterKilled,
            TerminatedBackends,
        };
        matches!(
            self,
            BackendKilled
                | ClockSetBack
                | FastRestart
                | FullDisk
                | ImmediateRestart
                | PostgrestKilled
                | PostmasterKilled
                | TerminatedBackends
        )
    }

    /// Whether the server comes back by recovery.
    pub fn crashes(self) -> bool {
        matches!(self, Fault::BackendKilled | Fault::PostmasterKilled | Fault::ImmediateRestart | Fault::FullDisk)
    }

    /// Whether everybody is cut off in one moment, from which recovery is measured.
    pub fn cuts_all_connections(self) -> bool {
        matches!(
            self,
            Fault::BackendKilled
                | Fault::PostmasterKilled
                | Fault::ImmediateRestart
                | Fault::FastRestart
                | Fault::PostgrestKilled
        )
    }

    /// Whether a statement may be refused with this SQLSTATE because of it.
    fn explains(self, code: &str) -> bool {
        let codes: &[&str] = match self {
            // In a signal handler that interrupts a wait libfaketime gives the machine's time. It is hours later than the
            // clock that was set back, so a handler of PostgreSQL's timers takes every timeout for reached.
            // PostgREST goes on after a setting of its own that was cancelled, and reports what comes of that.
            Fault::StatementTimeouts | Fault::Cancels | Fault::ClockSetBack => &["57014", "25P02"],
            // The last one when a session begins; that no other internal error is meant shows in the log.
            Fault::FullDisk => &["53100", "58030", "XX000"],
            Fault::FailingVault => &["55000"],
            // PostgREST reads its schema again after them. Nobody is given up for them by PostgreSQL.
            Fault::MigrateAgain | Fault::ExtensionUpdate => &["PGRST202"],
            Fault::Sealing => {
                &["40P01", "55P03", "40001", "42P10", "0A000", "PGRST202", "42P01", "PGRST204", "PGRST200", "PGRST205"]
            }
            Fault::LockStorm => &["55P03", "40P01"],
            _ => &[],
        };
        codes.contains(&code)
    }
}

/// Connections that a fault has cut are noticed when they are used next; PostgREST reads its schema first.
const CONNECTION_GRACE: Duration = Duration::from_secs(20);
const STATEMENT_GRACE: Duration = Duration::from_secs(4);

/// Which faults are going on, or were a moment ago.
#[derive(Default)]
pub struct Weather {
    /// What began, and when it ended.
    spells: Mutex<Vec<(Fault, Option<Instant>)>>,
}

impl Weather {
    pub fn begin(&self, fault: Fault) {
        self.spells.lock().unwrap().push((fault, None));
    }

    pub fn end(&self, fault: Fault) {
        let mut spells = self.spells.lock().unwrap();
        let now = Instant::now();
        for spell in spells.iter_mut().filter(|spell| spell.0 == fault) {
            spell.1.get_or_insert(now);
        }
        spells.retain(|spell| spell.1.is_none_or(|ended| now - ended < 3 * CONNECTION_GRACE));
    }

    /// Whether a call that began then may have failed with this; an empty code stands for a lost connection.
    pub fn explains(&self, code: &str, began: Instant) -> bool {
        let grace = if code.is_empty() { CONNECTION_GRACE } else { STATEMENT_GRACE };
        self.spells.lock().unwrap().iter().any(|(fault, ended)| {
            ended.is_none_or(|ended| ended + grace > began)
                && if code.is_empty() { fault.cuts_connections() } else { fault.explains(code) }
        })
    }

    /// Whether the server is going down, or not back yet.
    pub fn is_crashing(&self) -> bool {
        let spells = self.spells.lock().unwrap();
        spells.iter().any(|(fault, ended)| ended.is_none() && fault.crashes())
    }

    /// Whether one of these is going on or was a moment before `began`.
    pub fn has_any(&self, faults: &[Fault], began: Instant) -> bool {
        self.spells
            .lock()
            .unwrap()
            .iter()
            .any(|(fault, ended)| faults.contains(fault) && ended.is_none_or(|ended| ended + STATEMENT_GRACE > began))
    }
}
