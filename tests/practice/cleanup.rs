//! The clean-ups: what they take, and what they leave.

use auria_tests::{Database, Session, database, insert_evaluation};
use uuid::Uuid;

/// Runs statements past the triggers that say when a row was made or changed.
fn as_it_happened(db: &Database, statements: &str) {
    db.superuser().run(&format!("SET session_replication_role = replica; {statements}"));
}

/// Calls a clean-up twice as the backend: the second time there is nothing left to do.
#[track_caller]
fn cleans(service: &mut Session, function: &str, expected: i32) {
    let call = format!("SELECT public.{function}()");
    assert_eq!(service.value::<i32>(&call), expected, "{function}");
    assert_eq!(service.value::<i32>(&call), 0, "{function} again");
}

#[test]
fn drafts_that_nobody_touched_for_30_days_go() {
    let db = database();
    let users = ["ana", "bia", "caio"].map(|name| db.sign_up(&format!("{name}@clinica.example")));
    for (user, age) in users.iter().zip(["0 days", "29 days 23 hours", "30 days 1 minute"]) {
        as_it_happened(
            &db,
            &format!(
                "INSERT INTO public.evaluation_drafts (user_id, draft_data, created_at, updated_at)
                 VALUES ('{user}', '{{}}', now() - interval '90 days', now() - interval '{age}')"
            ),
        );
    }
    cleans(&mut db.service(), "cleanup_stale_drafts", 1);
    let left = db
        .superuser()
        .value::<i64>("SELECT count(*) FROM public.evaluation_drafts WHERE updated_at > now() - interval '30 days'");
    assert_eq!(left, 2);
}

#[test]
fn links_that_expired_7_days_ago_go() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    for expired in ["-1 day", "0 days", "6 days 23 hours", "7 days 1 minute"] {
        as_it_happened(
            &db,
            &format!(
                "INSERT INTO public.shared_links (user_id, session_id, created_at, expires_at)
                 VALUES ('{ana}', gen_random_uuid(), now() - interval '14 days', now() - interval '{expired}')"
            ),
        );
    }
    cleans(&mut db.service(), "cleanup_expired_shared_links", 1);
}

#[test]
fn an_analysis_that_takes_more_than_10_minutes_becomes_an_error_that_says_to_try_again() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    for (status, age) in [
        ("'analyzing'", "9 minutes"),
        ("'analyzing'", "11 minutes"),
        ("'draft'", "11 minutes"),
        ("'completed'", "11 minutes"),
    ] {
        as_it_happened(
            &db,
            &insert_evaluation(
                &format!("'{ana}'"),
                &[
                    ("status", status),
                    ("recommendation_text", "'antes'"),
                    ("updated_at", &format!("now() - interval '{age}'")),
                ],
            ),
        );
    }
    cleans(&mut db.service(), "cleanup_stuck_evaluations", 1);
    let mut session = db.authenticated(ana);
    let (text, changed): (String, bool) = {
        let row = session
            .query_one(
                "SELECT recommendation_text, updated_at > now() - interval '1 minute'
                   FROM public.evaluations WHERE status = 'error'",
                &[],
            )
            .unwrap();
        (row.get(0), row.get(1))
    };
    assert!(text.contains("Tente novamente"), "{text}");
    assert!(changed);
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.evaluations WHERE recommendation_text = 'antes'"), 3);
}

#[test]
fn an_analysis_that_is_being_written_is_neither_waited_for_nor_failed() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    as_it_happened(
        &db,
        &insert_evaluation(
            &format!("'{ana}'"),
            &[("status", "'analyzing'"), ("updated_at", "now() - interval '1 hour'")],
        ),
    );
    let mut writer = db.service();
    writer.run("BEGIN; UPDATE public.evaluations SET status = 'completed'");
    let mut service = db.service();
    service.run("SET lock_timeout = '5s'");
    assert_eq!(service.value::<i32>("SELECT public.cleanup_stuck_evaluations()"), 0);
    writer.run("COMMIT");
    assert_eq!(service.value::<String>("SELECT status FROM public.evaluations"), "completed");
}

#[test]
fn records_of_charges_go_after_30_days_and_the_ledger_stays() {
    let db = database();
    let ana: Uuid = db.sign_up("ana@clinica.example");
    db.service().run(&format!("SELECT public.use_credits('{ana}', 'case_analysis')"));
    for age in ["29 days", "31 days"] {
        as_it_happened(
            &db,
            &format!(
                "INSERT INTO public.credit_transactions (user_id, operation_id, operation, type, created_at)
                 VALUES ('{ana}', '{age}', 'case_analysis', 'consume', now() - interval '{age}')"
            ),
        );
    }
    let mut admin = db.superuser();
    for expected in [1, 0] {
        assert_eq!(admin.value::<i32>("SELECT auria.cleanup_credit_transactions()"), expected);
    }
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.credit_usage"), 1);
}
