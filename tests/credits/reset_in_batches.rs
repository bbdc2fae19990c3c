//! `CALL auria.reset_monthly(batch_size)`: the month's end while clients spend.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{As, Database, Session, database, refused_with};
use uuid::Uuid;

/// This many users with a subscription whose month has ended. Their ids count up from 1.
fn months_that_ended(db: &Database, users: i32) {
    db.superuser().run(&format!(
        "SET session_replication_role = replica;
         INSERT INTO public.subscription_plans (id, name, price_monthly, credits_per_month, allows_rollover)
         VALUES ('ample', 'Ample', 0, 100000, true);
         INSERT INTO auth.users (id)
         SELECT pg_catalog.lpad(n::text, 32, '0')::uuid FROM generate_series(1, {users}) AS n;
         INSERT INTO public.subscriptions (user_id, plan_id, status, credits_used_this_month, usage_reset_at)
         SELECT id, 'ample', 'active', 7, now() - INTERVAL '31 days' FROM auth.users;
         ANALYZE public.subscriptions"
    ));
}

fn user(number: usize) -> Uuid {
    format!("{number:032}").parse().unwrap()
}

fn due(session: &mut Session) -> i64 {
    session.value("SELECT count(*) FROM public.subscriptions WHERE usage_reset_at < now() - INTERVAL '30 days'")
}

#[test]
fn clients_spend_on_while_two_hundred_thousand_months_are_settled() {
    const USERS: usize = 200_000;
    let db = database();
    months_that_ended(&db, USERS as i32);
    let over = AtomicBool::new(false);
    let mut admin = db.superuser();
    let (took, clients) = thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|client| {
                let (db, over) = (&db, &over);
                scope.spawn(move || {
                    let mut service = db.session(As::Service);
                    let (mut spent, mut longest, mut next) = (0, Duration::ZERO, client * 7_919);
                    while !over.load(Ordering::Relaxed) {
                        next = (next + 104_729) % USERS;
                        let started = Instant::now();
                        let charged: bool = service
                            .query_one("SELECT public.use_credits($1, 'dsd_simulation')", &[&user(next + 1)])
                            .unwrap()
                            .get(0);
                        longest = longest.max(started.elapsed());
                        assert!(charged);
                        spent += 1;
                    }
                    (spent, longest)
                })
            })
            .collect();
        let mut service = db.service();
        let started = Instant::now();
        let outcome = service.batch_execute("CALL auria.reset_monthly(1000)");
        let took = started.elapsed();
        over.store(true, Ordering::Relaxed);
        outcome.unwrap();
        let notices = service.notices();
        // The result, and before it a report every two seconds at most.
        let (result, reports) = notices.split_last().unwrap();
        // Whoever spends first settles his own month.
        let reset: i64 = result.message()["auria: ".len()..].split(' ').next().unwrap().parse().unwrap();
        assert!(reset > 100_000 && reset <= 200_000, "{}", result.message());
        assert!(reports.len() as u64 <= took.as_secs() / 2, "{} reports in {took:?}", reports.len());
        for report in reports {
            let report = report.message();
            assert!(
                report.starts_with("auria: subscriptions reset: ")
                    && report.contains(" of 200000 (")
                    && report.contains(" %), ")
                    && report.contains(" rows/s, ")
                    && report.ends_with(" left"),
                "{report}"
            );
        }
        let clients: Vec<(i64, Duration)> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        (took, clients)
    });
    assert_eq!(due(&mut admin), 0);
    let spent: i64 = clients.iter().map(|(spent, _)| spent).sum();
    assert!(spent > 0);
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.credit_usage"), spent);
    // No credit was lost, none counted twice.
    assert_eq!(
        admin.value::<i64>("SELECT sum(credits_used_this_month - credits_rollover)::bigint FROM public.subscriptions"),
        2 * spent + (7 - 100_000) * USERS as i64
    );
    assert_eq!(
        admin.value::<String>(
            r#"SELECT COALESCE(string_agg(detail, ''), '') FROM auria.doctor() WHERE "check" = 'ledger'"#
        ),
        ""
    );
    let longest = clients.iter().map(|(_, longest)| *longest).max().unwrap();
    assert!(longest * 5 < took, "a client waited {longest:?} of {took:?}");
}

#[test]
fn a_locked_subscription_keeps_nobody_elses_month_waiting_and_is_settled_at_last() {
    let db = database();
    months_that_ended(&db, 50);
    let mut holder = db.superuser();
    holder.run("BEGIN");
    holder
        .execute("UPDATE public.subscriptions SET credits_used_this_month = 9 WHERE user_id = $1", &[&user(3)])
        .unwrap();
    let mut watcher = db.superuser();
    thread::scope(|scope| {
        let reset = scope.spawn(|| db.service().run("CALL auria.reset_monthly(10)"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while due(&mut watcher) > 1 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        let (waiting, still_due) = (!reset.is_finished(), due(&mut watcher));
        // Before anything can fail: the reset waits for this.
        holder.run("COMMIT");
        assert_eq!(still_due, 1);
        assert!(waiting, "it ended without the locked one");
        reset.join().unwrap();
    });
    assert_eq!(due(&mut watcher), 0);
    let carried: i32 = watcher
        .query_one("SELECT credits_rollover FROM public.subscriptions WHERE user_id = $1", &[&user(3)])
        .unwrap()
        .get(0);
    // Of the month before; what the holder set was a difference of 2 to the month that began.
    assert_eq!(carried, 100_000 - 7);
}

#[test]
fn a_reset_that_takes_long_reports_every_two_seconds_how_far_it_is_and_when_it_will_end() {
    let db = database();
    months_that_ended(&db, 60);
    db.superuser().run(
        "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END'; \
         CREATE TRIGGER slow BEFORE UPDATE ON public.subscriptions \
             FOR EACH ROW EXECUTE FUNCTION public.slow()",
    );
    let mut service = db.service();
    service.run("CALL auria.reset_monthly(5)");
    let reports: Vec<String> = service.notices().iter().map(|notice| notice.message().to_owned()).collect();
    // Six seconds: two or three reports and the result.
    assert!((3..=4).contains(&reports.len()), "{reports:?}");
    let (result, reports) = reports.split_last().unwrap();
    assert_eq!(result, "auria: 60 subscriptions reset");
    for report in reports {
        assert!(report.contains(" of 60 (") && report.contains(" rows/s, ") && report.ends_with(" left"), "{report}");
    }
}

#[test]
fn whoever_wants_to_hear_only_warnings_hears_no_progress() {
    let db = database();
    months_that_ended(&db, 10);
    let mut service = db.service();
    service.run("SET client_min_messages = warning");
    service.run("CALL auria.reset_monthly(2)");
    assert!(service.notices().is_empty(), "{:?}", service.notices());
}

#[test]
fn it_ends_although_a_trigger_keeps_a_subscription_as_it_is() {
    let db = database();
    months_that_ended(&db, 20);
    db.superuser().run(
        "CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER keep BEFORE UPDATE ON public.subscriptions FOR EACH ROW \
             WHEN (OLD.user_id::text LIKE '%7') EXECUTE FUNCTION public.keep()",
    );
    let mut service = db.service();
    service.run("SET statement_timeout = '20s'");
    service.run("CALL auria.reset_monthly(3)");
    assert_eq!(due(&mut db.superuser()), 2);
    let reported = service.notices().last().unwrap().message().to_owned();
    assert!(reported.contains("18 subscriptions reset; 2 are still due"), "{reported}");
}

#[test]
fn it_settles_as_the_single_statement_does_and_nothing_twice() {
    let (one, other) = (database(), database());
    for db in [&one, &other] {
        months_that_ended(db, 25);
        db.superuser().run(
            "UPDATE public.subscriptions SET credits_bonus = 3, credits_used_this_month = 100002 \
              WHERE user_id::text LIKE '%5'; \
             UPDATE public.subscriptions SET usage_reset_at = now() WHERE user_id::text LIKE '%7'",
        );
    }
    one.service().run("SELECT public.reset_monthly_usage_with_rollover()");
    other.service().run("CALL auria.reset_monthly(4)");
    other.service().run("CALL auria.reset_monthly(4)");
    let pools = "SELECT string_agg(concat_ws(' ', user_id, credits_used_this_month, credits_rollover, credits_bonus), \
                                   ',' ORDER BY user_id) FROM public.subscriptions";
    assert_eq!(one.superuser().value::<String>(pools), other.superuser().value::<String>(pools));
}

#[test]
fn it_refuses_where_it_cannot_commit_and_what_is_no_batch() {
    let db = database();
    let mut service = db.service();
    service.run("BEGIN");
    refused_with(service.batch_execute("CALL auria.reset_monthly()"), "2D000");
    service.run("ROLLBACK");
    refused_with(service.batch_execute("CALL auria.reset_monthly(0)"), "22023");
    refused_with(service.batch_execute("CALL auria.reset_monthly(NULL)"), "22004");
}
