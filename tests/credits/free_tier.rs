//! The free tier: what uses it up and what does not.

use auria_tests::{Database, database, insert_evaluation};
use uuid::Uuid;

use crate::credits::functions::{
    can_use_credits, counters, ledger_disagreements, once, refund_credits, set, use_credits,
};

/// This many evaluations, each a session, made this long ago.
pub fn evaluate(db: &Database, user: Uuid, sessions: i32, ago: &str) {
    let created_at = format!("clock_timestamp() - INTERVAL '{ago}'");
    let insert = insert_evaluation("$1", &[("created_at", &created_at)]);
    db.superuser().execute(&(insert + " FROM generate_series(1, $2)"), &[&user, &sessions]).unwrap();
}

#[test]
fn evaluations_from_before_the_installation_count_as_free_uses() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    evaluate(&db, user, 2, "1 day");
    evaluate(&db, user, 5, "31 days");
    let mut service = db.service();
    assert!(use_credits(&mut service, user, "case_analysis"));
    assert!(!can_use_credits(&mut service, user, "case_analysis"));
    assert!(!use_credits(&mut service, user, "case_analysis"));
    assert!(use_credits(&mut service, user, "dsd_simulation"));
}

#[test]
fn an_evaluation_that_is_inserted_before_its_charge_costs_no_free_use() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    for _ in 0..3 {
        evaluate(&db, user, 1, "0 seconds");
        assert!(use_credits(&mut service, user, "case_analysis"));
    }
    evaluate(&db, user, 1, "0 seconds");
    assert!(!use_credits(&mut service, user, "case_analysis"));
}

#[test]
fn an_old_evaluation_whose_charge_the_ledger_has_is_not_counted_twice() {
    let db = database();
    let (by_reference, by_time) = (db.sign_up("ana@clinica.test"), db.sign_up("bia@clinica.test"));
    for user in [by_reference, by_time] {
        evaluate(&db, user, 1, "1 day");
    }
    let session: Uuid = db
        .superuser()
        .query_one("SELECT session_id FROM public.evaluations WHERE user_id = $1", &[&by_reference])
        .unwrap()
        .get(0);
    let mut service = db.service();
    assert!(once(&mut service, "use_credits", by_reference, "case_analysis", session));
    // The ledger of a database that had one before it was taken over.
    db.superuser()
        .execute(
            "INSERT INTO public.credit_usage (user_id, operation, credits_used, is_free, created_at) \
             VALUES ($1, 'case_analysis', 1, true, now() - INTERVAL '1 day')",
            &[&by_time],
        )
        .unwrap();
    for user in [by_reference, by_time] {
        assert!(use_credits(&mut service, user, "case_analysis"));
        assert!(use_credits(&mut service, user, "case_analysis"));
        assert!(!use_credits(&mut service, user, "case_analysis"));
    }
}

/// Its evaluations are one use: charged by the id of any of them, or begun before the window, it is none.
#[test]
fn a_session_from_before_counts_by_its_first_evaluation_and_not_if_one_of_them_was_charged() {
    let db = database();
    let (charged, begun_long_ago) = (db.sign_up("ana@clinica.test"), db.sign_up("bia@clinica.test"));
    let mut admin = db.superuser();
    for (user, first) in [(charged, "2 days"), (begun_long_ago, "31 days")] {
        let session = Uuid::new_v4();
        for ago in [first, "1 day"] {
            let created_at = format!("clock_timestamp() - INTERVAL '{ago}'");
            let session = format!("'{session}'");
            let insert = insert_evaluation("$1", &[("created_at", &created_at), ("session_id", &session)]);
            admin.execute(&insert, &[&user]).unwrap();
        }
    }
    let second: Uuid = admin
        .query_one("SELECT id FROM public.evaluations WHERE user_id = $1 ORDER BY created_at DESC LIMIT 1", &[&charged])
        .unwrap()
        .get(0);
    let mut service = db.service();
    assert!(once(&mut service, "use_credits", charged, "case_analysis", second));
    for (user, left) in [(charged, 2), (begun_long_ago, 3)] {
        for _ in 0..left {
            assert!(use_credits(&mut service, user, "case_analysis"));
        }
        assert!(!use_credits(&mut service, user, "case_analysis"));
    }
}

#[test]
fn paid_uses_do_not_use_up_the_free_tier() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let mut service = db.service();
    for _ in 0..10 {
        assert!(use_credits(&mut service, user, "case_analysis"));
    }
    set(&db, user, "status = 'canceled'");
    for expected in [true, true, true, false] {
        assert_eq!(use_credits(&mut service, user, "case_analysis"), expected);
    }
}

#[test]
fn refunds_of_old_uses_give_no_free_use_back() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let mut service = db.service();
    let references: Vec<Uuid> = (0..6).map(|_| Uuid::new_v4()).collect();
    for reference in &references {
        assert!(once(&mut service, "use_credits", user, "case_analysis", *reference));
    }
    db.superuser().run("UPDATE public.credit_usage SET created_at = now() - INTERVAL '40 days'");
    set(&db, user, "status = 'canceled'");
    for reference in &references {
        assert!(once(&mut service, "refund_credits", user, "case_analysis", *reference));
    }
    for expected in [true, true, true, false] {
        assert_eq!(use_credits(&mut service, user, "case_analysis"), expected);
    }
}

#[test]
fn a_free_use_is_a_column_and_stays_one_when_the_user_subscribes() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    assert!(use_credits(&mut service, user, "dsd_simulation"));
    db.superuser()
        .execute(
            "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ($1, 'starter', 'active')",
            &[&user],
        )
        .unwrap();
    assert!(use_credits(&mut service, user, "dsd_simulation"));
    assert_eq!(
        db.superuser().value::<String>("SELECT string_agg(is_free::text, ' ' ORDER BY entry) FROM public.credit_usage"),
        "true false"
    );
    assert!(refund_credits(&mut service, user, "dsd_simulation"));
    assert!(refund_credits(&mut service, user, "dsd_simulation"));
    let left = counters(&db, user);
    assert_eq!((left.used, left.bonus), (0, 0));
    assert_eq!(ledger_disagreements(&db), "");
}

#[test]
fn a_backdated_evaluation_does_not_fool_the_case_limit() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let mut client = db.authenticated(user);
    let insert = &insert_evaluation("auth.uid()", &[("id", "$1"), ("created_at", "'2001-01-01'")]);
    let id = Uuid::new_v4();
    client.execute(insert, &[&id]).unwrap();
    for _ in 0..4 {
        client.execute(insert, &[&Uuid::new_v4()]).unwrap();
    }
    let can_create: bool = client.query_one("SELECT public.can_create_case($1)", &[&user]).unwrap().get(0);
    assert!(!can_create);
    // Nor later; and a client that writes a whole row back is no forger.
    auria_tests::refused_with(client.query("UPDATE public.evaluations SET created_at = '2001-01-01'", &[]), "42501");
    client.run("UPDATE public.evaluations SET created_at = created_at, tooth = '12'");
    client
        .execute(
            &format!("{insert} ON CONFLICT (id) DO UPDATE SET tooth = '21', created_at = excluded.created_at"),
            &[&id],
        )
        .unwrap();
    assert_eq!(
        client.value::<i64>("SELECT count(*) FROM public.evaluations WHERE created_at > now() - INTERVAL '1 hour'"),
        5
    );
    // The backend may: it imports what is old.
    db.service().run("UPDATE public.evaluations SET created_at = '2001-01-01'");
}
