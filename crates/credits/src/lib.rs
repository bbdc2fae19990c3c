//! AURIA's credit rules, in plain Rust that knows nothing of PostgreSQL.
//!
//! * [`CreditPool`]: what a subscription has left, what an operation charges,
//!   what a refund gives back, what a change of plan leaves.
//! * [`Billing`]: when a month of credits begins.
//! * [`Settlement`]: what a month's end carries over.
//! * [`settle`]: what a statement that writes a subscription's row does to its credits.
//! * [`free_tier`]: what a user without a counting subscription may do.
//!
//! All amounts are credits.

mod account;
pub mod free_tier;
mod month;
mod pool;
mod settlement;

pub use account::{Change, Month, Settled, Step, begun_by_hand, settle, with_differences};
pub use month::{Billing, Time, is_paid_anew};
pub use pool::{Allowance, Charged, CreditPool, OutOfRange, Reversal, Sources};
pub use settlement::{Plan, Rollover, Settlement};

/// What an operation costs that has no configured price.
pub const DEFAULT_COST: i32 = 1;

/// For how many hours a use can be refunded that is not named by its reference: 30 days, whatever the session's time
/// zone does to its clocks.
pub const REFUND_HOURS: i32 = 720;

/// The ending that the ledger gives an operation's name when it is refunded.
pub const REFUND_SUFFIX: &str = "_refund";

/// Under this name the ledger writes what a change of plan does to the counter.
pub const PLAN_CHANGE: &str = "plan_change";

/// Whether the name is one that the ledger writes by itself, so that no caller
/// may use it for an operation.
pub fn is_reserved(operation: &str) -> bool {
    operation == PLAN_CHANGE || operation.ends_with(REFUND_SUFFIX)
}

/// An operation that is counted per month beside its credits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CountedOperation {
    /// `case_analysis`, counted in `cases_used_this_month`.
    CaseAnalysis,
    /// `dsd_simulation`, counted in `dsd_used_this_month`.
    DsdSimulation,
}

impl CountedOperation {
    /// The counted operation of this name; `None` for any other operation.
    pub fn from_name(operation: &str) -> Option<Self> {
        match operation {
            "case_analysis" => Some(Self::CaseAnalysis),
            "dsd_simulation" => Some(Self::DsdSimulation),
            _ => None,
        }
    }
}

/// What a subscription's status may be: the specification's six, and the other
/// three that Stripe has, because the webhook writes Stripe's word as it comes.
pub const STATUSES: [&str; 9] =
    ["active", "inactive", "past_due", "canceled", "trialing", "unpaid", "incomplete", "incomplete_expired", "paused"];

/// Whether the status is one of [`STATUSES`].
pub fn status_is_known(status: &str) -> bool {
    STATUSES.contains(&status)
}

/// The status of a subscription that is paid for.
pub const ACTIVE: &str = "active";

/// Whether a subscription in this status gives access to its pool. In any
/// other status the user is on the free tier.
pub fn status_counts(status: &str) -> bool {
    matches!(status, ACTIVE | "trialing")
}
