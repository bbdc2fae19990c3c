//! The words that the rules know: operations, statuses, endings.

use auria_credits::{
    CountedOperation, CreditPool, OutOfRange, PLAN_CHANGE, STATUSES, is_reserved, status_counts, status_is_known,
};

#[test]
fn the_ledgers_own_names_are_reserved_and_no_others() {
    for name in [PLAN_CHANGE, "_refund", "case_analysis_refund", "x_refund"] {
        assert!(is_reserved(name), "{name}");
    }
    for name in ["", "case_analysis", "plan_changes", "refund", "_refunds", "_refund_x"] {
        assert!(!is_reserved(name), "{name}");
    }
}

#[test]
fn two_operations_are_counted_beside_their_credits() {
    for (name, counted) in [
        ("case_analysis", Some(CountedOperation::CaseAnalysis)),
        ("dsd_simulation", Some(CountedOperation::DsdSimulation)),
        ("CASE_ANALYSIS", None),
        ("anything", None),
        ("", None),
    ] {
        assert_eq!(CountedOperation::from_name(name), counted, "{name}");
    }
}

#[test]
fn a_subscription_counts_while_it_is_active_or_on_trial() {
    let counting: Vec<&str> = STATUSES.into_iter().filter(|status| status_counts(status)).collect();
    assert_eq!(counting, ["active", "trialing"]);
    assert!(STATUSES.iter().all(|status| status_is_known(status)));
    for unknown in ["", "ACTIVE", "deleted"] {
        assert!(!status_is_known(unknown) && !status_counts(unknown), "{unknown}");
    }
}

#[test]
fn an_error_says_what_it_is() {
    assert_eq!(OutOfRange.to_string(), "credit counter out of range");
    let mut full = CreditPool {
        monthly: auria_credits::Allowance::Unlimited,
        rollover: 0,
        bonus: 0,
        used: i32::MAX,
        hidden: 0,
        settled_rollover: 0,
        settled_bonus: 0,
    };
    assert_eq!(full.charge(1), Err(OutOfRange));
}
