//! What `auria.doctor()` reports of accounts that no rule forbids and that cannot be right: months that begin too often,
//! numbers that go back, times that passed, events of Stripe's that nobody finished.

use auria_tests::{Database, database};

use crate::lifecycle::doctor::{breaks, complaints, detail};

/// Runs it so often on a healthy database and expects a check to fail after the last time, and after no earlier one.
#[track_caller]
fn fails_after(times: usize, db: &Database, statement: impl Fn(usize) -> String, check: &str, named: &str) {
    let mut admin = db.superuser();
    for time in 1..=times {
        assert_eq!(complaints(&mut admin), [], "before time {time}");
        admin.run(&statement(time));
    }
    let complaints = complaints(&mut admin);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].0 == check && complaints[0].1.contains(named), "{complaints:?}");
}

#[test]
fn a_third_month_in_thirty_days_is_reported_with_the_statement_that_explains_it() {
    let db = database();
    let user = db.sign_up_on_plan("often@clinica.example", "price_pro_monthly_v2");
    let begin = |_| "UPDATE public.subscriptions SET usage_reset_at = clock_timestamp()".to_owned();
    fails_after(3, &db, begin, "months", &format!("more than 2 months began for 1 users, such as {user}"));
    let detail = detail(&mut db.superuser(), "months");
    let statement = detail.split_once("see why with ").unwrap().1;
    let lines = db.service().query(statement, &[]).unwrap();
    assert_eq!(lines.iter().filter(|line| line.get::<_, &str>("what") == "month").count(), 3);
}

#[test]
fn months_that_passed_unseen_and_are_settled_at_once_are_not_too_many() {
    let db = database();
    db.sign_up_on_plan("unseen@clinica.example", "price_pro_monthly_v2");
    let mut admin = db.superuser();
    admin.run("UPDATE public.subscriptions SET usage_reset_at = now() - interval '200 days'");
    admin.run("SELECT public.reset_monthly_usage_with_rollover()");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.credit_events WHERE kind = 'month'"), 6);
    assert_eq!(complaints(&mut admin), []);
}

#[test]
fn a_fifth_change_of_plan_in_thirty_days_is_reported() {
    let db = database();
    let user = db.sign_up_on_plan("fickle@clinica.example", "starter");
    let plans = ["starter", "price_pro_monthly_v2"];
    let change = |time: usize| format!("UPDATE public.subscriptions SET plan_id = '{}'", plans[time % 2]);
    fails_after(5, &db, change, "months", &format!("the plan changed more than 4 times for 1 users, such as {user}"));
}

#[test]
fn a_sequence_that_is_behind_entries_or_events_or_has_a_cache_is_reported_with_what_mends_it() {
    let db = database();
    let user = db.sign_up_on_plan("numbers@clinica.example", "starter");
    let mut admin = db.superuser();
    // An event is the last, then an entry.
    for spend in ["", "SELECT public.use_credits($user, 'case_analysis')"] {
        admin.run(&spend.replace("$user", &format!("'{user}'")));
        assert_eq!(complaints(&mut admin), []);
        let last: i64 = admin.value("SELECT last_value FROM public.credit_usage_entry_seq");
        admin.run("SELECT pg_catalog.setval('public.credit_usage_entry_seq', 1, false)");
        let said = complaints(&mut admin);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].0, "sequence");
        let named = format!("is at 0, and the last entry is {last}: run ");
        let statement = said[0].1.split_once(&named).unwrap_or_else(|| panic!("{said:?}")).1;
        admin.run(statement);
        assert_eq!(complaints(&mut admin), []);
    }
    let cache = "ALTER SEQUENCE public.credit_usage_entry_seq CACHE";
    breaks(&db, &format!("{cache} 32"), "sequence", &format!("run {cache} 1"));
}

#[test]
fn a_month_that_begins_in_the_future_and_a_period_that_ended_are_reported() {
    let db = database();
    db.sign_up_on_plan("late@clinica.example", "starter");
    let set = |values| format!("UPDATE public.subscriptions SET {values}");
    let future = "usage_reset_at = now() + interval '1 day', credits_used_this_month = 1";
    breaks(&db, &set(future), "subscriptions", "1 subscriptions have a usage_reset_at in the future");
    let ended = "current_period_end = now() - interval '73 hours'";
    breaks(&db, &set(ended), "subscriptions", "1 subscriptions are active although their period ended");
    let mut admin = db.superuser();
    for fine in
        ["current_period_end = now() - interval '71 hours'", "status = 'canceled', current_period_end = '2020-01-01'"]
    {
        admin.run(&set(fine));
        assert_eq!(complaints(&mut admin), [], "{fine}");
    }
}

#[test]
fn webhook_events_that_nobody_finished_for_a_day_are_reported() {
    let db = database();
    for status in ["failed", "processing"] {
        breaks(
            &db,
            &format!(
                "INSERT INTO public.webhook_events (stripe_event_id, event_type, status, processed_at)
                 VALUES ('evt_new', 'invoice.paid', '{status}', now() - interval '23 hours'),
                        ('evt_second', 'invoice.paid', '{status}', now() - interval '2 days'),
                        ('evt_first', 'invoice.paid', '{status}', now() - interval '3 days'),
                        ('evt_done', 'invoice.paid', 'completed', now() - interval '4 days')"
            ),
            "webhooks",
            &format!("2 events of public.webhook_events are {status} for more than a day, the first is evt_first"),
        );
    }
}

#[test]
fn bought_credits_that_rest_are_a_note_and_a_metric() {
    let db = database();
    let user = db.sign_up_on_plan("rests@clinica.example", "starter");
    let mut service = db.service();
    service.run(&format!("SELECT public.add_bonus_credits('{user}', 10)"));
    // Five are the plan's, and one was bought.
    for _ in 0..6 {
        service.run(&format!("SELECT public.use_credits('{user}', 'case_analysis')"));
    }
    let resting = "SELECT value FROM auria.metrics('subscriptions') WHERE metric = 'bonus_credits_resting'";
    let mut admin = db.superuser();
    assert_eq!(detail(&mut admin, "subscriptions"), "");
    assert_eq!(service.value::<f64>(resting), 0.0);
    admin.run("UPDATE public.subscriptions SET status = 'canceled'");
    assert_eq!(complaints(&mut admin), []);
    let note = "note: 9 bought credits of 1 subscriptions rest until their status counts again";
    assert_eq!(detail(&mut admin, "subscriptions"), note);
    assert_eq!(service.value::<f64>(resting), 9.0);
}
