//! What the credit functions answer to those who may not ask, and to what makes
//! no sense: a clear error or a clear no, and nothing changed.

use auria_tests::{As, Session, database, refused_with};
use uuid::Uuid;

use crate::credits::functions::{add_bonus, can_use_credits, counters, entries, refund_credits, set, use_credits};

#[test]
fn the_price_list_answers_everyone_and_defaults_to_one() {
    let db = database();
    for role in [As::Anon, As::User(Uuid::new_v4()), As::Service] {
        let mut session = db.session(role);
        let cost = |session: &mut Session, operation: &str| -> i32 {
            session.query_one("SELECT public.get_credit_cost(p_operation => $1)", &[&operation]).unwrap().get(0)
        };
        assert_eq!(cost(&mut session, "dsd_simulation"), 2);
        assert_eq!(cost(&mut session, "unheard_of"), 1);
        assert_eq!(cost(&mut session, &"x".repeat(1_000_000)), 1);
    }
}

#[test]
fn a_signed_in_user_asks_about_himself_only() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.test"), db.sign_up("bia@clinica.test"));
    let mut session = db.authenticated(ana);
    assert!(can_use_credits(&mut session, ana, "case_analysis"));
    refused_with(session.query("SELECT public.can_use_credits($1, 'case_analysis')", &[&bia]), "42501");
    refused_with(session.query("SELECT public.can_create_case($1)", &[&bia]), "42501");
    refused_with(session.query("SELECT public.use_credits($1, 'case_analysis')", &[&ana]), "42501");
}

#[test]
fn claims_that_make_no_sense_are_refused_or_nobody() {
    let db = database();
    let ana = db.sign_up("ana@clinica.test");
    let mut session = db.authenticated(ana);
    let ask = "SELECT public.can_use_credits($1, 'case_analysis')";
    for (claims, sqlstate) in [
        ("", "42501"),
        ("{}", "42501"),
        ("{\"sub\": null}", "42501"),
        ("not json", "22P02"),
        ("{\"sub\": \"not a uuid\"}", "22P02"),
        ("{\"sub\": 7}", "22P02"),
    ] {
        session.execute("SELECT set_config('request.jwt.claims', $1, false)", &[&claims]).unwrap();
        refused_with(session.query(ask, &[&ana]), sqlstate);
    }
    assert_eq!(session.value::<i32>("SELECT public.get_credit_cost('case_analysis')"), 1);
}

#[test]
fn a_null_is_refused_and_never_a_silent_answer() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    for call in [
        "use_credits(NULL, 'case_analysis')",
        "use_credits('$user', NULL)",
        "use_credits('$user', 'case_analysis', NULL)",
        "refund_credits(NULL, 'case_analysis')",
        "refund_credits('$user', NULL)",
        "refund_credits('$user', 'case_analysis', NULL)",
        "can_use_credits(NULL, 'case_analysis')",
        "can_use_credits('$user', NULL)",
        "get_credit_cost(NULL)",
        "add_bonus_credits(NULL, 10)",
        "add_bonus_credits('$user', NULL)",
        "can_create_case(NULL)",
        "increment_case_usage(NULL)",
        "check_and_increment_rate_limit(NULL, 'f', now(), now(), now())",
        "check_and_increment_rate_limit('$user', NULL, now(), now(), now())",
        "check_and_increment_rate_limit('$user', 'f', NULL, now(), now())",
    ] {
        let call = call.replace("$user", &user.to_string());
        let refusal = refused_with(service.query(&format!("SELECT public.{call}"), &[]), "22004");
        assert!(refusal.message().contains("must not be null"), "{call}");
        assert!(refusal.hint().is_some(), "{call}");
    }
    assert!(entries(&db, user).is_empty());
}

#[test]
fn an_operation_that_the_ledger_could_not_keep_apart_is_refused() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    for function in ["use_credits", "refund_credits", "can_use_credits"] {
        for operation in ["case_analysis_refund".to_owned(), "plan_change".to_owned(), "x".repeat(1_000_000)] {
            refused_with(service.query(&format!("SELECT public.{function}($1, $2)"), &[&user, &operation]), "22023");
        }
    }
    assert!(entries(&db, user).is_empty());
    assert!(use_credits(&mut service, user, &"é".repeat(100)));
}

#[test]
fn an_unknown_user_is_answered_as_one_without_a_subscription_and_charged_nothing() {
    let db = database();
    let nobody = Uuid::new_v4();
    let mut service = db.service();
    let refusal = refused_with(service.query("SELECT public.use_credits($1, 'case_analysis')", &[&nobody]), "23503");
    assert_eq!(refusal.message(), "there is no user with this id");
    assert!(refusal.hint().is_some());
    assert!(can_use_credits(&mut service, nobody, "case_analysis"));
    assert!(!can_use_credits(&mut service, nobody, "letter"));
    assert!(!refund_credits(&mut service, nobody, "case_analysis"));
    assert!(entries(&db, nobody).is_empty());
}

#[test]
fn a_rolled_back_charge_never_happened() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    service.run("BEGIN");
    assert!(use_credits(&mut service, user, "case_analysis"));
    service.run("ROLLBACK");
    assert_eq!(counters(&db, user).used, 0);
    assert!(entries(&db, user).is_empty());
    assert!(use_credits(&mut service, user, "case_analysis"));
}

#[test]
fn a_read_only_transaction_is_refused_at_once() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    service.run("SET default_transaction_read_only = on");
    for call in [
        "use_credits($1, 'case_analysis')",
        "refund_credits($1, 'case_analysis')",
        "add_bonus_credits($1, 1)",
        "increment_case_usage($1)",
    ] {
        refused_with(service.query(&format!("SELECT public.{call}"), &[&user]), "25006");
    }
    assert!(can_use_credits(&mut service, user, "case_analysis"));
}

#[test]
fn a_purchase_that_makes_no_sense_is_refused_and_changes_nothing() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    refused_with(add_bonus(&mut service, user, 0), "22023");
    refused_with(add_bonus(&mut service, user, i32::MIN), "22023");
    refused_with(add_bonus(&mut service, Uuid::new_v4(), 10), "23503");
    add_bonus(&mut service, user, i32::MAX).unwrap();
    let refusal = refused_with(add_bonus(&mut service, user, 1), "22003");
    assert!(refusal.hint().is_some());
    assert_eq!(counters(&db, user).bonus, i32::MAX);
}

#[test]
fn a_counter_at_its_limit_refuses_and_nothing_changes() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "price_elite_monthly");
    db.superuser().run("UPDATE public.subscription_plans SET credits_per_month = -1 WHERE id = 'price_elite_monthly'");
    let mut service = db.service();
    set(&db, user, "credits_used_this_month = 2147483647");
    let statement = "SELECT public.use_credits($1, 'case_analysis')";
    refused_with(service.query(statement, &[&user]), "22003");
    set(&db, user, "credits_used_this_month = 0, cases_used_this_month = 2147483647");
    refused_with(service.query(statement, &[&user]), "22003");
    assert!(entries(&db, user).is_empty());
}
