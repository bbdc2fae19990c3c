//! A backend that serves for days must not grow.

use auria_tests::{database, private_memory};
use uuid::Uuid;

/// Resident memory may differ by this much between two readings.
const TOLERANCE: u64 = 5 * 1024 * 1024;
const WARM_UP: i32 = 20_000;
const CALLS: i32 = 200_000;

#[test]
fn a_backend_does_not_grow_over_two_hundred_thousand_calls_of_each_function() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let paying = db.sign_up_on_plan("bia@clinica.test", "starter");
    db.superuser()
        .run("UPDATE public.subscriptions SET credits_used_this_month = 5");
    for call in [
        // What changes rows is called where it finds nothing to do: growth of
        // the tables is not growth of the backend.
        format!("use_credits('{paying}', 'case_analysis')"),
        format!("use_credits('{user}', 'letter')"),
        format!(
            "use_credits('{paying}', 'case_analysis', '{}')",
            Uuid::new_v4()
        ),
        format!("refund_credits('{paying}', 'case_analysis')"),
        format!(
            "refund_credits('{paying}', 'case_analysis', '{}')",
            Uuid::new_v4()
        ),
        format!("can_use_credits('{paying}', 'case_analysis')"),
        format!("can_use_credits('{user}', 'case_analysis')"),
        "get_credit_cost('case_analysis')".to_owned(),
        format!("can_create_case('{user}')"),
        format!("increment_case_usage('{}')", Uuid::new_v4()),
        "reset_monthly_usage_with_rollover()".to_owned(),
        "reset_monthly_usage()".to_owned(),
        "cleanup_old_rate_limits()".to_owned(),
        "phi_encrypt('Maria da Conceição')".to_owned(),
        "phi_decrypt(public.phi_encrypt('Maria da Conceição'))".to_owned(),
    ] {
        let mut session = db.superuser();
        let pid = session.backend_pid();
        // One statement a thousand calls: what a call leaves behind in the
        // backend stays, what it leaves in the statement's memory is freed.
        let many = format!("SELECT count(public.{call}) FROM generate_series(1, 1000)");
        let statement = session.prepare(&many).unwrap();
        let mut repeat = |calls: i32| {
            for _ in 0..calls / 1000 {
                session.query(&statement, &[]).unwrap();
            }
        };
        repeat(WARM_UP);
        let before = private_memory(pid);
        repeat(CALLS - WARM_UP);
        let after = private_memory(pid);
        assert!(
            after <= before + TOLERANCE,
            "{call}: {before} bytes, then {after}"
        );
    }
}

#[test]
fn a_thousand_failed_calls_leave_nothing_behind() {
    let db = database();
    let mut session = db.superuser();
    let pid = session.backend_pid();
    let mut fail = |times: i32| {
        for _ in 0..times {
            assert!(
                session
                    .query("SELECT public.use_credits(NULL, 'x')", &[])
                    .is_err()
            );
            assert!(
                session
                    .query(
                        "SELECT public.use_credits(gen_random_uuid(), 'case_analysis')",
                        &[]
                    )
                    .is_err()
            );
        }
    };
    fail(1_000);
    let before = private_memory(pid);
    fail(4_000);
    let after = private_memory(pid);
    assert!(after <= before + TOLERANCE, "{before} bytes, then {after}");
}
