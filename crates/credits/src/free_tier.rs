//! What a user without a counting subscription may do: so many operations in
//! any rolling window of [`WINDOW_DAYS`].

/// How far back a use counts, in days.
pub const WINDOW_DAYS: i32 = 30;

/// How often the legacy check lets a user without a subscription create a
/// case, in the same window.
pub const LEGACY_CASES: i64 = 5;

/// What one user did of one operation within the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Activity {
    /// Rows of the ledger under the operation's name.
    pub uses: i64,
    /// Rows of the ledger under its name as a refund.
    pub refunds: i64,
    /// Distinct sessions among the user's evaluations. Databases from before
    /// the ledger have these and no uses.
    pub sessions: i64,
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
    let in_ledger = activity.uses - activity.refunds;
    let used = if sessions_count(operation) {
        in_ledger.max(activity.sessions)
    } else {
        in_ledger
    };
    used < limit(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(uses: i64) -> Activity {
        Activity {
            uses,
            ..Activity::default()
        }
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
    fn a_refund_gives_the_free_use_back() {
        assert!(allows(
            "case_analysis",
            Activity {
                uses: 3,
                refunds: 1,
                sessions: 0
            }
        ));
    }

    #[test]
    fn sessions_from_before_the_ledger_count_for_analyses_only() {
        let activity = Activity {
            uses: 0,
            refunds: 0,
            sessions: 3,
        };
        assert!(!allows("case_analysis", activity));
        assert!(allows("dsd_simulation", activity));
    }

    #[test]
    fn the_larger_of_ledger_and_sessions_decides() {
        assert!(allows(
            "case_analysis",
            Activity {
                uses: 2,
                refunds: 0,
                sessions: 2
            }
        ));
        assert!(!allows(
            "case_analysis",
            Activity {
                uses: 3,
                refunds: 0,
                sessions: 1
            }
        ));
    }
}
