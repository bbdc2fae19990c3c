//! The effect of a change of `subscriptions.plan_id` on the credits, for every role that makes it.

use auria_tests::{Database, database};
use uuid::Uuid;

use crate::credits::functions::{
    Counters, add_bonus, counters, entries, ledger_disagreements, once, refund_credits, set, use_credits,
};

fn end_of_month(db: &Database, user: Uuid) {
    set(db, user, "usage_reset_at = now() - INTERVAL '31 days'");
    db.service().run("SELECT public.reset_monthly_usage_with_rollover()");
}

/// A subscription to this plan with these bonus credits, and this number of credits used.
fn subscriber(db: &Database, plan: &str, bonus: i32, uses: i32) -> Uuid {
    let user = db.sign_up_on_plan("ana@clinica.test", plan);
    let mut service = db.service();
    if bonus > 0 {
        add_bonus(&mut service, user, bonus).unwrap();
    }
    for _ in 0..uses {
        assert!(use_credits(&mut service, user, "case_analysis"));
    }
    user
}

fn hidden(db: &Database, user: Uuid) -> i32 {
    db.superuser()
        .query_one("SELECT credits_used_hidden FROM public.subscriptions WHERE user_id = $1", &[&user])
        .unwrap()
        .get(0)
}

fn pool(db: &Database, user: Uuid) -> [i32; 4] {
    let Counters { used, rollover, bonus, .. } = counters(db, user);
    [used, hidden(db, user), rollover, bonus]
}

#[test]
fn a_downgrade_does_not_eat_bought_credits() {
    let db = database();
    let user = subscriber(&db, "price_elite_monthly", 50, 70);
    set(&db, user, "plan_id = 'starter'");
    assert_eq!(pool(&db, user), [5, 65, 0, 50]);
    assert_eq!(entries(&db, user).last().unwrap(), &("plan_change".to_owned(), -65));
    assert_eq!(ledger_disagreements(&db), "");
    end_of_month(&db, user);
    assert_eq!(pool(&db, user), [0, 0, 0, 50]);
}

#[test]
fn an_upgrade_does_not_return_bought_credits_that_were_spent() {
    let db = database();
    let user = subscriber(&db, "price_essencial_monthly", 50, 70);
    set(&db, user, "plan_id = 'price_elite_monthly'");
    assert_eq!(pool(&db, user), [20, 0, 0, 0]);
    assert_eq!(ledger_disagreements(&db), "");
    end_of_month(&db, user);
    assert_eq!(pool(&db, user), [0, 0, 100, 0]);
}

#[test]
fn down_and_up_again_gains_nothing_and_writes_what_it_did_to_the_counter() {
    let db = database();
    let user = subscriber(&db, "price_elite_monthly", 0, 60);
    for plan in ["'starter'", "NULL", "'price_pro_monthly_v2'", "'price_elite_monthly'"] {
        set(&db, user, &format!("plan_id = {plan}"));
        assert_eq!(ledger_disagreements(&db), "", "{plan}");
    }
    assert_eq!(pool(&db, user), [60, 0, 0, 0]);
    let changes: Vec<i32> = entries(&db, user)
        .into_iter()
        .filter(|(operation, _)| operation == "plan_change")
        .map(|(_, difference)| difference)
        .collect();
    // The last change makes no difference, so nothing is written about it.
    assert_eq!(changes, [-55, -5, 60]);
}

#[test]
fn a_webhook_that_upserts_as_service_role_is_settled_like_any_other_change() {
    let db = database();
    let user = subscriber(&db, "price_elite_monthly", 50, 70);
    let upsert = "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ($1, $2, 'active') \
                  ON CONFLICT (user_id) DO UPDATE SET plan_id = excluded.plan_id, status = excluded.status";
    let mut webhook = db.service();
    webhook.run("SET search_path = pg_temp");
    for _ in 0..2 {
        webhook.execute(upsert, &[&user, &"starter"]).unwrap();
        assert_eq!(pool(&db, user), [5, 65, 0, 50]);
    }
    assert_eq!(ledger_disagreements(&db), "");
}

#[test]
fn what_a_statement_sets_beside_the_plan_applies_after_the_settlement() {
    let db = database();
    let user = subscriber(&db, "price_essencial_monthly", 50, 40);
    set(&db, user, "plan_id = 'price_elite_monthly', credits_used_this_month = 0");
    assert_eq!(pool(&db, user), [0, 0, 0, 30]);
    assert_eq!(ledger_disagreements(&db), "");
}

#[test]
fn an_update_that_a_later_trigger_suppresses_leaves_no_entry() {
    let db = database();
    let user = subscriber(&db, "price_elite_monthly", 0, 7);
    db.superuser().run(
        "CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER zzz_keep BEFORE UPDATE OF plan_id ON public.subscriptions \
             FOR EACH ROW EXECUTE FUNCTION public.keep()",
    );
    set(&db, user, "plan_id = 'starter'");
    assert_eq!(pool(&db, user), [7, 0, 0, 0]);
    assert_eq!(entries(&db, user).len(), 7);
}

#[test]
fn a_plan_that_a_teams_trigger_changes_is_settled_although_the_statement_does_not_name_it() {
    let db = database();
    let user = subscriber(&db, "price_elite_monthly", 50, 70);
    db.superuser().run(
        "CREATE FUNCTION public.demote() RETURNS trigger LANGUAGE plpgsql AS \
             $$BEGIN NEW.plan_id := 'starter'; RETURN NEW; END$$; \
         CREATE TRIGGER demote BEFORE UPDATE OF status ON public.subscriptions \
             FOR EACH ROW WHEN (NEW.status = 'canceled') EXECUTE FUNCTION public.demote()",
    );
    set(&db, user, "status = 'canceled'");
    assert_eq!(pool(&db, user), [5, 65, 0, 50]);
    assert_eq!(entries(&db, user).len(), 71);
    assert_eq!(ledger_disagreements(&db), "");
}

#[test]
fn uses_refunds_purchases_and_resets_are_no_change_of_plan() {
    let db = database();
    let user = subscriber(&db, "price_pro_monthly_v2", 3, 5);
    assert!(refund_credits(&mut db.service(), user, "case_analysis"));
    end_of_month(&db, user);
    set(&db, user, "plan_id = plan_id, status = 'trialing'");
    assert!(entries(&db, user).iter().all(|(operation, _)| operation != "plan_change"));
    assert_eq!(pool(&db, user), [0, 0, 30, 3]);
}

#[test]
fn a_refund_across_a_plan_change_goes_back_to_where_it_came_from() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "price_essencial_monthly");
    set(&db, user, "credits_rollover = 3, credits_bonus = 9");
    let mut service = db.service();
    db.superuser().run("INSERT INTO public.credit_costs VALUES ('atlas', 26)");
    let reference = Uuid::new_v4();
    // 20 of the plan, 3 of the rollover, 3 of the bonus.
    assert!(once(&mut service, "use_credits", user, "atlas", reference));
    set(&db, user, "plan_id = 'starter'");
    assert_eq!(pool(&db, user), [5, 15, 0, 6]);
    assert!(use_credits(&mut service, user, "case_analysis"));
    assert_eq!(pool(&db, user), [6, 15, 0, 6]);
    assert!(once(&mut service, "refund_credits", user, "atlas", reference));
    assert_eq!(pool(&db, user), [1, 0, 3, 9]);
    assert_eq!(ledger_disagreements(&db), "");
    // The use after the change comes off the counter.
    assert!(refund_credits(&mut service, user, "case_analysis"));
    assert_eq!(pool(&db, user), [0, 0, 3, 9]);
    assert_eq!(ledger_disagreements(&db), "");
}

#[test]
fn a_month_that_is_started_by_hand_starts_a_new_month_of_the_ledger() {
    let db = database();
    let user = subscriber(&db, "price_elite_monthly", 0, 7);
    set(&db, user, "plan_id = 'price_pro_monthly_v2', credits_used_this_month = 0, usage_reset_at = clock_timestamp()");
    // The month is settled by the old plan, and then the plan changes.
    assert_eq!(pool(&db, user), [0, 0, 100, 0]);
    assert_eq!(ledger_disagreements(&db), "");
    assert!(refund_credits(&mut db.service(), user, "case_analysis"));
    assert_eq!(pool(&db, user), [0, 0, 100, 1]);
    assert_eq!(ledger_disagreements(&db), "");
}

#[test]
fn a_refund_whose_subscription_is_gone_becomes_bonus_of_the_one_there_is() {
    let db = database();
    let user = subscriber(&db, "price_elite_monthly", 0, 2);
    let mut service = db.service();
    let mut admin = db.superuser();
    admin.run("DELETE FROM public.subscriptions");
    // None: one is made, as for a purchase.
    assert!(refund_credits(&mut service, user, "case_analysis"));
    let made = admin.query_one("SELECT plan_id, status FROM public.subscriptions", &[]).unwrap();
    assert_eq!((made.get(0), made.get(1)), ("starter", "active"));
    assert_eq!(pool(&db, user), [0, 0, 0, 1]);
    // Another one.
    assert!(refund_credits(&mut service, user, "case_analysis"));
    assert_eq!(pool(&db, user), [0, 0, 0, 2]);
    assert!(!refund_credits(&mut service, user, "case_analysis"));
    assert_eq!(ledger_disagreements(&db), "");
}

#[test]
fn a_status_that_nobody_knows_is_refused_when_it_is_written() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut webhook = db.service();
    for statement in [
        "UPDATE public.subscriptions SET status = 'Active' WHERE user_id = $1",
        "INSERT INTO public.subscriptions (user_id, status) VALUES ($1, '') \
             ON CONFLICT (user_id) DO UPDATE SET status = excluded.status",
    ] {
        auria_tests::refused_with(webhook.query(statement, &[&user]), "23514");
    }
    // A row from before the rule is charged and reset like any other.
    let mut admin = db.superuser();
    admin.run(
        "SET session_replication_role = replica; \
         UPDATE public.subscriptions SET status = 'lapsed', usage_reset_at = now() - INTERVAL '31 days', \
                month_ends_at = '-infinity'",
    );
    assert_eq!(webhook.value::<i32>("SELECT public.reset_monthly_usage_with_rollover()"), 1);
}

/// The fourth use took a bought credit. Two earlier ones are given back, so that the plan pays for what is left, and the plan
/// change takes nothing of what was bought: neither does the fourth use's refund give it back once more.
#[test]
fn a_refund_gives_back_no_more_of_what_was_bought_than_the_plan_changes_took() {
    let db = database();
    let user = subscriber(&db, "starter", 3, 0);
    db.superuser().run("UPDATE public.subscription_plans SET credits_per_month = 3 WHERE id = 'starter'");
    let mut service = db.service();
    let mut call = |function: &str, number: u32| {
        let query = format!(
            "SELECT public.{function}('{user}', 'case_analysis', '00000000-0000-4000-8000-00000000000{number}')"
        );
        assert!(service.value::<bool>(&query), "{query}");
    };
    for number in 1..=4 {
        call("use_credits", number);
    }
    for number in 1..=2 {
        call("refund_credits", number);
    }
    set(&db, user, "plan_id = 'price_pro_monthly_v2'");
    for number in [4, 3] {
        call("refund_credits", number);
    }
    assert_eq!(pool(&db, user), [0, 0, 0, 3]);
    assert_eq!(ledger_disagreements(&db), "");
}
