//! The account: billing months, purchases once only, and the statement that explains every balance.

use auria_tests::{As, Database, Session, database, refused_with};
use uuid::Uuid;

use crate::credits::functions::{add_bonus, can_use_credits, ledger_disagreements, refund_credits, set, use_credits};

/// used, hidden, rollover, bonus
fn pool(db: &Database, user: Uuid) -> [i32; 4] {
    let row = db
        .superuser()
        .query_one(
            "SELECT credits_used_this_month, credits_used_hidden, credits_rollover, credits_bonus
               FROM public.subscriptions WHERE user_id = $1",
            &[&user],
        )
        .unwrap();
    [0, 1, 2, 3].map(|column| row.get(column))
}

/// The kinds of a user's events, in order.
fn events(db: &Database, user: Uuid) -> Vec<String> {
    db.superuser()
        .query("SELECT kind FROM public.credit_events WHERE user_id = $1 ORDER BY entry", &[&user])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

fn reset_at_is(db: &Database, user: Uuid, when: &str) -> bool {
    db.superuser().value(&format!(
        "SELECT usage_reset_at BETWEEN {when} - interval '20 seconds' AND {when}
           FROM public.subscriptions WHERE user_id = '{user}'"
    ))
}

/// Somebody on this plan whose month began so long ago.
fn since(db: &Database, plan: &str, ago: &str) -> Uuid {
    let user = db.sign_up_on_plan(&format!("{}@clinica.test", Uuid::new_v4()), plan);
    set(db, user, &format!("usage_reset_at = now() - interval '{ago}'"));
    user
}

fn spend(db: &Database, user: Uuid, credits: usize) {
    let mut service = db.service();
    for _ in 0..credits {
        assert!(use_credits(&mut service, user, "case_analysis"));
    }
}

fn a_charge_after_the_months_end_is_the_first_of_the_next(db: &Database<'_>) {
    let user = since(db, "price_pro_monthly_v2", "29 days");
    spend(db, user, 60);
    assert!(!can_use_credits(&mut db.service(), user, "case_analysis"));
    set(db, user, "usage_reset_at = now() - interval '31 days'");
    assert!(can_use_credits(&mut db.service(), user, "case_analysis"));
    assert_eq!(pool(db, user), [60, 0, 0, 0], "a question settles nothing");
    spend(db, user, 1);
    assert_eq!(pool(db, user), [1, 0, 0, 0]);
    assert!(reset_at_is(db, user, "now() - interval '1 day'"), "the beginning, not the clock");
    assert_eq!(events(db, user), ["start", "month"]);
    assert_eq!(ledger_disagreements(db), "");
}

fn months_that_passed_unseen_are_settled_one_after_another(db: &Database<'_>) {
    let user = since(db, "price_pro_monthly_v2", "100 days");
    spend(db, user, 1);
    // 60 left of each, and 30 are carried over at most.
    assert_eq!(pool(db, user), [1, 0, 30, 0]);
    assert_eq!(events(db, user), ["start", "month", "month", "month"]);
    assert!(reset_at_is(db, user, "now() - interval '10 days'"));
}

/// The month ends at day 7, when the trial is paid for, and not at day 30.
fn a_trial_that_was_used_up_and_is_paid_for_has_its_credits_at_once(db: &Database<'_>) {
    let user = since(db, "price_essencial_monthly", "7 days");
    set(
        db,
        user,
        "status = 'trialing', stripe_subscription_id = 'sub_1', current_period_start = now() - interval '7 days', \
         current_period_end = now()",
    );
    spend(db, user, 20);
    assert!(!use_credits(&mut db.service(), user, "case_analysis"));
    let renewal = "status = 'active', current_period_start = now() - interval '5 seconds', \
                   current_period_end = now() + interval '1 month'";
    set(db, user, renewal);
    assert_eq!(pool(db, user), [0, 0, 0, 0]);
    spend(db, user, 1);
    // The webhook comes twice, and an old one late.
    set(db, user, renewal);
    set(db, user, "current_period_start = now() - interval '7 days', current_period_end = now()");
    assert_eq!(pool(db, user), [1, 0, 0, 0]);
    assert_eq!(events(db, user), ["start", "month"]);
}

fn a_checkout_that_is_never_paid_earns_no_rollover(db: &Database<'_>) {
    let user = since(db, "price_elite_monthly", "1 day");
    set(db, user, "status = 'incomplete'");
    set(db, user, "usage_reset_at = now() - interval '31 days'");
    db.service().run("SELECT public.reset_monthly_usage_with_rollover()");
    assert_eq!(pool(db, user), [0, 0, 0, 0]);
}

fn a_new_cycle_of_the_same_subscription_is_a_plan_change_and_no_month(db: &Database<'_>) {
    let user = since(db, "price_essencial_monthly", "10 days");
    set(db, user, "stripe_subscription_id = 'sub_1', current_period_start = now() - interval '10 days'");
    spend(db, user, 5);
    for plan in ["price_elite_monthly", "price_essencial_monthly", "price_elite_monthly"] {
        set(db, user, &format!("plan_id = '{plan}', current_period_start = now()"));
    }
    assert_eq!(pool(db, user), [5, 0, 0, 0]);
    // Bought anew, it is a month; and only once.
    for _ in 0..2 {
        set(db, user, "stripe_subscription_id = 'sub_2', current_period_start = now()");
        assert_eq!(pool(db, user), [0, 0, 100, 0]);
    }
}

fn a_month_is_settled_by_the_old_plan_and_status_before_a_webhook_changes_them(db: &Database<'_>) {
    let user = since(db, "price_elite_monthly", "29 days");
    spend(db, user, 10);
    set(db, user, "usage_reset_at = now() - interval '31 days'");
    set(db, user, "plan_id = 'starter', status = 'past_due', credits_bonus = credits_bonus + 7");
    assert_eq!(pool(db, user), [0, 0, 100, 7]);
    assert_eq!(events(db, user), ["start", "month", "plan_change", "adjustment"]);
    assert_eq!(ledger_disagreements(db), "");
}

fn what_is_canceled_ends_with_its_period(db: &Database<'_>) {
    let user = since(db, "price_pro_monthly_v2", "20 days");
    set(
        db,
        user,
        "current_period_start = now() - interval '40 days', current_period_end = now() - interval '1 hour', \
         cancel_at_period_end = true",
    );
    let ends: String = db.superuser().value("SELECT month_ends_at::text FROM public.subscriptions");
    assert_eq!(ends, "infinity");
    assert_eq!(db.superuser().value::<i32>("SELECT public.reset_monthly_usage_with_rollover()"), 0);
}

fn a_month_that_somebody_begins_by_hand_grants_no_more_than_the_rules(db: &Database<'_>) {
    let user = since(db, "price_pro_monthly_v2", "3 days");
    add_bonus(&mut db.service(), user, 10).unwrap();
    spend(db, user, 65);
    set(
        db,
        user,
        "credits_used_this_month = 0, usage_reset_at = now(), credits_rollover = 99, credits_bonus = credits_bonus + 3",
    );
    // 60 of the plan and 5 of bonus are spent: nothing is left to carry over; 3 were added.
    assert_eq!(pool(db, user), [0, 0, 0, 8]);
    assert_eq!(events(db, user).last().unwrap(), "adjustment");
    assert_eq!(ledger_disagreements(db), "");
}

/// Four uses, two refunds, an upgrade and two refunds turned three monthly credits into bonus.
fn refunds_around_a_plan_change_leave_what_was_bought(db: &Database<'_>) {
    let user = since(db, "starter", "1 day");
    db.superuser().run("UPDATE public.subscription_plans SET credits_per_month = 3 WHERE id = 'starter'");
    add_bonus(&mut db.service(), user, 3).unwrap();
    spend(db, user, 4);
    let mut service = db.service();
    for _ in 0..2 {
        assert!(refund_credits(&mut service, user, "case_analysis"));
    }
    set(db, user, "plan_id = 'price_pro_monthly_v2'");
    for _ in 0..2 {
        assert!(refund_credits(&mut service, user, "case_analysis"));
    }
    assert_eq!(pool(db, user), [0, 0, 0, 3]);
    assert_eq!(ledger_disagreements(db), "");
}

fn buy(session: &mut Session, user: Uuid, credits: i32, reference: &str) {
    session.execute("SELECT public.add_bonus_credits($1, $2, $3)", &[&user, &credits, &reference]).unwrap();
}

fn revoke(session: &mut Session, user: Uuid, credits: i32, reference: &str) -> i32 {
    session.query_one("SELECT public.revoke_bonus_credits($1, $2, $3)", &[&user, &credits, &reference]).unwrap().get(0)
}

fn a_purchase_counts_once_however_often_it_is_sent(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| buy(&mut db.session(As::Service), user, 50, "cs_1"));
        }
    });
    assert_eq!(pool(db, user)[3], 50);
    let mut service = db.service();
    buy(&mut service, user, 9, "cs_1");
    buy(&mut service, user, 10, "cs_2");
    assert_eq!(pool(db, user)[3], 60);
    assert_eq!(events(db, user), ["start", "purchase", "purchase"]);
    assert_eq!(ledger_disagreements(db), "");
}

fn a_revocation_takes_what_is_not_spent_once_and_forgives_the_rest(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    buy(&mut service, user, 50, "pi_1");
    // 5 of the plan, 10 of the pack.
    spend(db, user, 15);
    assert_eq!(revoke(&mut service, user, 50, "pi_1"), 40);
    assert_eq!(revoke(&mut service, user, 50, "pi_1"), 40, "answers as it did");
    assert_eq!(pool(db, user), [15, 0, 0, 10]);
    assert!(!can_use_credits(&mut service, user, "case_analysis"));
    assert_eq!(revoke(&mut service, user, 5, "pi_2"), 0);
    let forgiven: i64 =
        service.value("SELECT sum(credits + changed_bonus) FROM public.credit_events WHERE kind = 'revocation'");
    assert_eq!(forgiven, 15);
    assert_eq!(ledger_disagreements(db), "");
}

fn a_revocation_that_comes_before_its_purchase_is_kept(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    assert_eq!(revoke(&mut service, user, 30, "pi_1"), 0);
    assert!(db.superuser().value::<bool>("SELECT NOT EXISTS (SELECT FROM public.subscriptions)"));
    buy(&mut service, user, 50, "pi_1");
    assert_eq!(pool(db, user)[3], 20);
    // Of other bonus it takes what it can; what the purchase would have brought comes back with it.
    assert_eq!(revoke(&mut service, user, 50, "pi_2"), 20);
    buy(&mut service, user, 50, "pi_2");
    assert_eq!(pool(db, user)[3], 20);
    assert_eq!(ledger_disagreements(db), "");
}

fn a_purchase_that_makes_no_sense_is_refused(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    let (long, empty) = ("x".repeat(201), String::new());
    for reference in [&long, &empty] {
        for function in ["add_bonus_credits", "revoke_bonus_credits"] {
            let call = format!("SELECT public.{function}('{user}', 1, '{reference}')");
            refused_with(service.batch_execute(&call), "22023");
        }
    }
    for function in ["add_bonus_credits", "revoke_bonus_credits"] {
        refused_with(service.batch_execute(&format!("SELECT public.{function}('{user}', 0, 'a')")), "22023");
        refused_with(service.batch_execute(&format!("SELECT public.{function}('{user}', 1, NULL)")), "22004");
        let unknown = Uuid::new_v4();
        refused_with(service.batch_execute(&format!("SELECT public.{function}('{unknown}', 1, 'a')")), "23503");
    }
    assert_eq!(events(db, user), [""; 0]);
    let mut dentist = db.authenticated(user);
    for call in ["public.revoke_bonus_credits('{}', 1, 'a')", "auria.credit_statement('{}', now(), now())"] {
        refused_with(dentist.batch_execute(&format!("SELECT {}", call.replace("{}", &user.to_string()))), "42501");
    }
}

fn nobody_changes_an_event_and_everybody_reads_his_own(db: &Database<'_>) {
    let user = since(db, "starter", "1 day");
    since(db, "starter", "1 day");
    let mut dentist = db.authenticated(user);
    assert_eq!(dentist.value::<i64>("SELECT count(*) FROM public.credit_events"), 1);
    for role in [&mut dentist, &mut db.service()] {
        refused_with(role.batch_execute("UPDATE public.credit_events SET bonus = 9"), "42501");
        refused_with(role.batch_execute("DELETE FROM public.credit_events"), "42501");
        refused_with(role.batch_execute("INSERT INTO public.credit_events (user_id) VALUES (NULL)"), "42501");
    }
    refused_with(db.anon().batch_execute("SELECT FROM public.credit_events"), "42501");
}

fn a_subscription_that_is_deleted_ends_and_a_user_leaves_nothing(db: &Database<'_>) {
    let user = since(db, "starter", "1 day");
    add_bonus(&mut db.service(), user, 4).unwrap();
    db.service().run("DELETE FROM public.subscriptions");
    let bonus: i32 =
        db.superuser().value("SELECT -changed_bonus FROM public.credit_events WHERE kind = 'end' AND bonus = 0");
    assert_eq!(bonus, 4);
    db.service().run(&format!(
        "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{user}', 'starter', 'active')"
    ));
    assert_eq!(events(db, user), ["start", "purchase", "end", "start"]);
    db.superuser().run("DELETE FROM auth.users");
    assert_eq!(db.superuser().value::<i64>("SELECT count(*) FROM public.credit_events"), 0);
}

/// An update that a team's trigger suppresses leaves no event, and one that it changes has what it changed.
fn a_teams_trigger_is_recorded_as_what_it_does(db: &Database<'_>) {
    let user = since(db, "price_pro_monthly_v2", "1 day");
    db.superuser().run(
        "CREATE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF new.plan_id = 'starter' THEN RETURN NULL; END IF;
             new.credits_bonus := new.credits_bonus + 1;
             RETURN new;
         END $$;
         CREATE TRIGGER zzz_meddle BEFORE UPDATE ON public.subscriptions
             FOR EACH ROW EXECUTE FUNCTION public.meddle()",
    );
    set(db, user, "plan_id = 'starter'");
    assert_eq!(events(db, user), ["start"]);
    spend(db, user, 2);
    add_bonus(&mut db.service(), user, 10).unwrap();
    assert_eq!(pool(db, user), [2, 0, 0, 13]);
    assert_eq!(events(db, user), ["start", "adjustment", "adjustment", "purchase", "adjustment"]);
    assert_eq!(ledger_disagreements(db), "");
}

/// used, rollover, bonus
type Balance = (Option<i32>, Option<i32>, Option<i32>);

#[derive(Debug)]
struct Line {
    entry: i64,
    what: String,
    balance: Balance,
    credits: Option<i64>,
    available: Option<i64>,
}

fn balances(session: &mut Session, user: Uuid) -> Vec<Line> {
    session
        .query("SELECT * FROM auria.credit_statement($1, '-infinity', 'infinity')", &[&user])
        .unwrap()
        .iter()
        .map(|row| Line {
            entry: row.get("entry"),
            what: row.get("what"),
            balance: (row.get("used"), row.get("rollover"), row.get("bonus")),
            credits: row.get("credits"),
            available: row.get("available"),
        })
        .collect()
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// After every step the last balance is the row; in the end every line is the row as it was then.
fn a_statement_says_the_balance_after_every_step_of_a_random_history(db: &Database<'_>) {
    let mut session = db.superuser();
    let mut draw = Draw(417);
    for life in 0..4 {
        let user = db.sign_up(&format!("{life}@clinica.test"));
        let mut seen: Vec<(i64, Balance)> = Vec::new();
        for step in 0..120 {
            let operation = ["case_analysis", "dsd_simulation", "letter"][draw.below(3) as usize];
            let plan = ["starter", "price_pro_monthly_v2", "price_elite_monthly"][draw.below(3) as usize];
            let number = draw.below(9);
            let reference = Uuid::from_u128(u128::from(draw.below(12)));
            let of = format!("WHERE user_id = '{user}'");
            let statement = match draw.below(20) {
                0..6 => format!("SELECT public.use_credits('{user}', '{operation}')"),
                6 => format!("SELECT public.use_credits('{user}', '{operation}', '{reference}')"),
                7..10 => format!("SELECT public.refund_credits('{user}', '{operation}')"),
                10 => format!("SELECT public.refund_credits('{user}', '{operation}', '{reference}')"),
                11 => format!("SELECT public.add_bonus_credits('{user}', {number}, 'cs_{}')", draw.below(9)),
                12 => format!("SELECT public.revoke_bonus_credits('{user}', {number}, 'cs_{}')", draw.below(9)),
                13 => format!("UPDATE public.subscriptions SET plan_id = '{plan}' {of}"),
                14 => format!(
                    "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{user}', '{plan}', 'active')
                         ON CONFLICT (user_id) DO UPDATE SET plan_id = excluded.plan_id, status = excluded.status"
                ),
                15 => format!(
                    "UPDATE public.subscriptions SET usage_reset_at = now() - interval '{} days' {of}",
                    25 + number
                ),
                16 => format!(
                    "UPDATE public.subscriptions SET credits_bonus = {number}, credits_rollover = {number} {of}"
                ),
                17 => format!(
                    "UPDATE public.subscriptions SET plan_id = '{plan}', credits_used_this_month = {number},
                            usage_reset_at = now() {of}"
                ),
                18 => "SELECT public.reset_monthly_usage_with_rollover()".to_owned(),
                _ if number == 0 => format!("DELETE FROM public.subscriptions {of}"),
                _ => format!(
                    "UPDATE public.subscriptions SET status = '{}' {of}",
                    ["active", "past_due"][(number % 2) as usize]
                ),
            };
            let context = || format!("life {life}, step {step}: {statement}");
            match session.batch_execute(&statement) {
                Ok(()) => {}
                // No purchase of nothing.
                Err(error) => assert_eq!(error.code().map(|code| code.code()), Some("22023"), "{}", context()),
            }
            let lines = balances(&mut session, user);
            let last = lines.last().map(|line| line.balance);
            let row = session
                .query_opt(
                    "SELECT credits_used_this_month, credits_rollover, credits_bonus, credits_per_month
                       FROM public.subscriptions s LEFT JOIN public.subscription_plans p ON p.id = s.plan_id
                      WHERE user_id = $1",
                    &[&user],
                )
                .unwrap();
            let is_there: Balance = match &row {
                Some(row) => (row.get(0), row.get(1), row.get(2)),
                None => (Some(0), Some(0), Some(0)),
            };
            assert_eq!(last.unwrap_or((Some(0), Some(0), Some(0))), is_there, "{}", context());
            if let Some(row) = &row {
                let granted: Option<i32> = row.get(3);
                let available = granted.unwrap_or(0) + is_there.1.unwrap() + is_there.2.unwrap() - is_there.0.unwrap();
                assert_eq!(lines.last().unwrap().available, Some(available.into()), "{}", context());
            }
            if let Some(line) = lines.last() {
                seen.push((line.entry, is_there));
            }
            if step % 20 == 19 {
                assert_eq!(ledger_disagreements(db), "", "{}", context());
            }
        }
        let lines = balances(&mut session, user);
        for (entry, was) in seen {
            let line = lines.iter().find(|line| line.entry == entry).unwrap();
            assert_eq!(line.balance, was, "life {life}: as it was at entry {entry}");
        }
        for pair in lines.windows(2) {
            assert!(pair[0].entry < pair[1].entry);
            // What a line changes is the difference of what can be spent, where the subscription stays.
            if let [Some(before), Some(after), Some(credits)] = [pair[0].available, pair[1].available, pair[1].credits]
                // A refund of what the present plan does not cover changes nothing that can be spent.
                && !["start", "end", "refund"].contains(&pair[1].what.as_str())
            {
                assert_eq!(after - before, credits, "life {life}: {pair:?}");
            }
        }
    }
}

all_ways! {
    a_charge_after_the_months_end_is_the_first_of_the_next,
    months_that_passed_unseen_are_settled_one_after_another,
    a_trial_that_was_used_up_and_is_paid_for_has_its_credits_at_once,
    a_checkout_that_is_never_paid_earns_no_rollover,
    a_new_cycle_of_the_same_subscription_is_a_plan_change_and_no_month,
    a_month_is_settled_by_the_old_plan_and_status_before_a_webhook_changes_them,
    what_is_canceled_ends_with_its_period,
    a_month_that_somebody_begins_by_hand_grants_no_more_than_the_rules,
    refunds_around_a_plan_change_leave_what_was_bought,
    a_purchase_counts_once_however_often_it_is_sent,
    a_revocation_takes_what_is_not_spent_once_and_forgives_the_rest,
    a_revocation_that_comes_before_its_purchase_is_kept,
    a_purchase_that_makes_no_sense_is_refused,
    nobody_changes_an_event_and_everybody_reads_his_own,
    a_subscription_that_is_deleted_ends_and_a_user_leaves_nothing,
    a_teams_trigger_is_recorded_as_what_it_does,
    a_statement_says_the_balance_after_every_step_of_a_random_history,
}

#[test]
fn an_account_that_is_deleted_while_the_extension_is_dropped_ends_when_it_comes_back() {
    let db = database();
    let user = since(&db, "starter", "1 day");
    db.superuser().run("DROP EXTENSION auria CASCADE; DELETE FROM public.subscriptions; CREATE EXTENSION auria");
    assert_eq!(ledger_disagreements(&db), "");
    assert_eq!(events(&db, user), ["start", "end"]);
    assert_eq!(balances(&mut db.superuser(), user).last().unwrap().available, Some(0));
}

#[test]
fn a_subscription_that_is_given_away_ends_in_one_statement_and_starts_in_the_other() {
    let db = database();
    let (giver, receiver) = (since(&db, "starter", "1 day"), db.sign_up("bia@clinica.test"));
    add_bonus(&mut db.service(), giver, 4).unwrap();
    spend(&db, giver, 2);
    let mut dba = db.superuser();
    dba.run(&format!("UPDATE public.subscriptions SET user_id = '{receiver}'"));
    assert_eq!(events(&db, giver), ["start", "purchase", "end"]);
    assert_eq!(balances(&mut dba, giver).last().unwrap().available, Some(0));
    assert_eq!(balances(&mut dba, receiver).last().unwrap().balance, (Some(2), Some(0), Some(4)));
    spend(&db, receiver, 1);
    assert_eq!(balances(&mut dba, receiver).last().unwrap().available, Some(6));
    assert_eq!(ledger_disagreements(&db), "");
}

#[test]
fn a_purchase_whose_event_a_trigger_keeps_is_an_error_and_a_balance_may_be_as_large_as_its_columns() {
    let db = database();
    let user = since(&db, "price_pro_monthly_v2", "1 day");
    let mut dba = db.superuser();
    set(&db, user, "credits_bonus = 2147483647");
    let available = balances(&mut dba, user).last().unwrap().available;
    assert_eq!(available, Some(60 + 2_147_483_647));
    set(&db, user, "credits_bonus = 0");
    dba.run(
        "CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER keep BEFORE INSERT ON public.credit_events FOR EACH ROW EXECUTE FUNCTION public.keep()",
    );
    refused_with(db.service().batch_execute(&format!("SELECT public.add_bonus_credits('{user}', 5, 'cs_1')")), "09000");
    assert_eq!(pool(&db, user), [0, 0, 0, 0]);
}

/// The first INSERT of a user's row settles nothing; it says when its month ends.
#[test]
fn a_new_subscription_knows_when_its_month_ends() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    db.service().run(&format!(
        "INSERT INTO public.subscriptions (user_id, plan_id, status, current_period_start, current_period_end)
         VALUES ('{user}', 'starter', 'active', now() - interval '2 days', now() + interval '28 days')"
    ));
    assert!(db.superuser().value::<bool>(
        "SELECT billing_start = current_period_start
                AND month_ends_at AT TIME ZONE 'UTC' = current_period_start AT TIME ZONE 'UTC' + interval '1 month'
                OR month_ends_at = current_period_end
           FROM public.subscriptions"
    ));
}
