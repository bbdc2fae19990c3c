//! What a user without a counting subscription may do: a number of operations in
//! any rolling window of [`WINDOW_HOURS`].

/// How far back a use counts, in hours: 30 days.
pub const WINDOW_HOURS: i32 = 720;

/// How often the legacy check lets a user without a subscription create a
/// case, in the same window.
pub const LEGACY_CASES: i64 = 5;

/// What one user did of one operation within the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Activity {
    /// Free uses that have not been refunded. Paid ones do not count.
    pub uses: i64,
    /// Sessions among the user's evaluations from before the ledger. Databases
    /// from that time have these and no uses.
    pub sessions_before: i64,
}

/// How often the operation is free within the window; 0 for one that is not.
pub fn limit(operation: &str) -> i64 {
    match operation {
        "case_analysis" => 3,
        "dsd_simulation" => 2,
        _ => 0,
    }
}

/// Whether evaluations count for this operation beside the ledger.
pub fn sessions_count(operation: &str) -> bool {
    operation == "case_analysis"
}

/// Whether one more operation is free.
pub fn allows(operation: &str, activity: Activity) -> bool {
    let before = if sessions_count(operation) { activity.sessions_before } else { 0 };
    activity.uses + before < limit(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(uses: i64) -> Activity {
        Activity { uses, ..Activity::default() }
    }

    #[test]
    fn three_analyses_and_two_simulations_are_free() {
        assert!(allows("case_analysis", uses(2)));
        assert!(!allows("case_analysis", uses(3)));
        assert!(allows("dsd_simulation", uses(1)));
        assert!(!allows("dsd_simulation", uses(2)));
    }

    #[test]
    fn any_other_operation_is_never_free() {
        assert!(!allows("letter_to_patient", uses(0)));
        assert!(!allows("case_analysis_refund", uses(0)));
    }

    #[test]
    fn sessions_from_before_the_ledger_count_for_analyses_only_and_beside_the_uses() {
        let activity = Activity { uses: 1, sessions_before: 2 };
        assert!(!allows("case_analysis", activity));
        assert!(allows("dsd_simulation", activity));
    }
}
