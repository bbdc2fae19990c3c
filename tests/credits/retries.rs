//! Charges that are sent again, and refunds that come late.

use auria_tests::{Database, Session};
use uuid::Uuid;

fn ask(session: &mut Session, function: &str, user: Uuid, reference: Uuid) -> bool {
    session.value(&format!("SELECT public.{function}('{user}', 'case_analysis', '{reference}')"))
}

fn used_and_bonus(session: &mut Session, user: Uuid) -> (i32, i32) {
    let row = session
        .query_one(
            "SELECT credits_used_this_month, credits_bonus FROM public.subscriptions WHERE user_id = $1",
            &[&user],
        )
        .unwrap();
    (row.get(0), row.get(1))
}

fn a_charged_reference_is_answered_true_when_nothing_is_left_to_spend(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    let references: Vec<Uuid> = (0..5).map(|_| Uuid::new_v4()).collect();
    for reference in &references {
        assert!(ask(&mut service, "use_credits", user, *reference));
    }
    assert!(!ask(&mut service, "use_credits", user, Uuid::new_v4()));
    for reference in &references {
        assert!(ask(&mut service, "use_credits", user, *reference));
    }
    assert_eq!(used_and_bonus(&mut service, user), (5, 0));
}

fn a_refund_of_an_earlier_month_stays_bonus_whatever_the_new_month_has_used(db: &Database<'_>) {
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut service = db.service();
    let (old, new) = (Uuid::new_v4(), Uuid::new_v4());
    assert!(ask(&mut service, "use_credits", user, old));
    db.superuser().run("UPDATE public.subscriptions SET usage_reset_at = now() - INTERVAL '31 days'");
    let reset: i32 = service.value("SELECT public.reset_monthly_usage_with_rollover()");
    assert_eq!(reset, 1);
    assert!(ask(&mut service, "use_credits", user, new));
    assert!(ask(&mut service, "refund_credits", user, old));
    assert_eq!(used_and_bonus(&mut service, user), (1, 1));
    assert!(ask(&mut service, "refund_credits", user, new));
    assert_eq!(used_and_bonus(&mut service, user), (0, 1));
}

all_ways! {
    a_charged_reference_is_answered_true_when_nothing_is_left_to_spend,
    a_refund_of_an_earlier_month_stays_bonus_whatever_the_new_month_has_used,
}
