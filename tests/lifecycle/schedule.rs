//! `auria.schedule()`: the regular jobs, with a real pg_cron and without one.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{Cluster, ClusterOptions, Database, Platform, RAW_STATES, Session, Stage, database, refused_with};

use crate::docs::runbook::{INSTALL, OPERATIONS};

const SCHEDULE: &str = "SELECT job, schedule, command, active FROM auria.schedule()";

/// All jobs of pg_cron, of any owner.
const REGISTERED: &str = "SELECT jobname::text, schedule, command, active FROM cron.job ORDER BY jobid";

/// The statement of the documentation that removes the jobs, with the extension or without it.
const UNSCHEDULE: &str =
    "SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname LIKE 'auria%' AND database = current_database()";

type Job = (String, String, String, bool);

fn jobs(session: &mut Session, query: &str) -> Vec<Job> {
    session
        .query(query, &[])
        .unwrap_or_else(|error| panic!("{query}: {error:?}"))
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect()
}

/// The jobs of a database as they are registered first.
fn managed_jobs(database: &str) -> Vec<Job> {
    [
        ("auria_reset_monthly", "7 * * * *", "CALL auria.reset_monthly()"),
        ("auria_create_missing_profiles", "13 * * * *", "SELECT auria.create_missing_profiles()"),
        ("auria_cleanup_rate_limits", "23 4 * * *", "SELECT auria.run_as_owner('public.cleanup_old_rate_limits()')"),
        (
            "auria_cleanup_stuck_evaluations",
            "*/10 * * * *",
            "SELECT auria.run_as_owner('public.cleanup_stuck_evaluations()')",
        ),
        ("auria_cleanup_drafts", "31 4 * * *", "SELECT auria.run_as_owner('public.cleanup_stale_drafts()')"),
        (
            "auria_cleanup_shared_links",
            "37 4 * * *",
            "SELECT auria.run_as_owner('public.cleanup_expired_shared_links()')",
        ),
        ("auria_cleanup_credit_transactions", "43 4 * * *", "SELECT auria.cleanup_credit_transactions()"),
    ]
    .map(|(name, schedule, command)| (format!("{name}@{database}"), schedule.into(), command.into(), true))
    .into()
}

/// A server that has pg_cron loaded. It works in no database yet.
fn server(background_workers: &str) -> Cluster {
    ClusterOptions::default()
        .platform(Platform::PostgreSql)
        .setting("shared_preload_libraries", "pg_cron")
        .setting("cron.use_background_workers", background_workers)
        .start()
}

/// Has pg_cron work in this database, and reach the server as a client would.
fn give_pg_cron(cluster: &Cluster, database: &str) {
    let mut admin = cluster.superuser("postgres");
    for (name, value) in [("cron.database_name", database), ("cron.host", cluster.socket_directory().to_str().unwrap())]
    {
        admin.run(&format!("ALTER SYSTEM SET {name} = '{value}'"));
    }
    drop(admin);
    cluster.restart();
}

/// A database where pg_cron works.
fn database_with_pg_cron(cluster: &Cluster) -> Database<'_> {
    let db = cluster.database();
    give_pg_cron(cluster, db.name());
    db.superuser().run("CREATE EXTENSION pg_cron");
    db
}

/// Work for both jobs: three batches of months that ended, and rate limits that nobody touched for a while.
const WORK: &str = "
    SET session_replication_role = replica;
    INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 2001);
    INSERT INTO public.subscriptions (user_id, plan_id, status, credits_used_this_month, usage_reset_at)
    SELECT id, 'price_essencial_monthly', 'active', 7, now() - INTERVAL '31 days' FROM auth.users;
    INSERT INTO public.rate_limits (user_id, function_name, updated_at)
    SELECT id, 'analyze', now() - INTERVAL '8 days' FROM auth.users LIMIT 5";

const LEFT: &str = "SELECT (SELECT count(*) FROM public.rate_limits)
    + (SELECT count(*) FROM public.subscriptions WHERE usage_reset_at < now() - INTERVAL '30 days')";

/// Has every job run soon: pg_cron counts in seconds since 1.5, in minutes before.
fn make_due(dba: &mut Session) {
    let often = |schedule| format!("SELECT cron.alter_job(jobid, schedule => '{schedule}') FROM cron.job");
    if dba.batch_execute(&often("2 seconds")).is_err() {
        dba.run(&often("* * * * *"));
    }
}

/// Waits for the jobs of all commands to have ended, and returns what became of each run.
#[track_caller]
fn runs(dba: &mut Session) -> Vec<(String, String)> {
    let deadline = Instant::now() + Duration::from_secs(100);
    loop {
        let runs: Vec<(String, String)> = dba
            .query(
                "SELECT command, status || COALESCE(' ' || return_message, '') FROM cron.job_run_details
                  WHERE end_time IS NOT NULL",
                &[],
            )
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let has_run = |job: &Job| runs.iter().any(|(command, _)| *command == job.2);
        if managed_jobs("").iter().all(has_run) {
            return runs;
        }
        assert!(Instant::now() < deadline, "not run in time: {runs:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn months_end_and_stale_rate_limits_go(background_workers: &str) {
    let cluster = server(background_workers);
    let db = database_with_pg_cron(&cluster);
    let mut dba = db.superuser();
    dba.run(WORK);
    assert_eq!(dba.value::<i64>(LEFT), 2006);
    dba.run(SCHEDULE);
    make_due(&mut dba);
    for (command, outcome) in runs(&mut dba) {
        assert!(outcome.starts_with("succeeded"), "{command}: {outcome}");
    }
    assert_eq!(dba.value::<i64>(LEFT), 0);
    // A job may commit: each batch was a transaction of its own.
    let transactions = "SELECT count(DISTINCT xmin::text) FROM public.subscriptions";
    assert_eq!(dba.value::<i64>(transactions), 3);
}

#[test]
fn by_connections_and_by_background_workers_months_are_settled_and_rate_limits_cleaned() {
    thread::scope(|scope| {
        let modes = ["off", "on"].map(|mode| scope.spawn(|| months_end_and_stale_rate_limits_go(mode)));
        for mode in modes {
            mode.join().unwrap();
        }
    });
}

#[test]
fn the_calls_in_the_hint_register_the_jobs_when_pg_cron_is_in_another_database() {
    let cluster = server("on");
    give_pg_cron(&cluster, "postgres");
    let db = cluster.database();
    let mut dba = db.superuser();
    dba.run(WORK);
    let refusal = refused_with(dba.query(SCHEDULE, &[]), "55000");
    assert_eq!(refusal.message(), "pg_cron is in another database");
    assert!(refusal.detail().unwrap().contains("\"postgres\""));
    let calls: Vec<&str> = refusal.hint().unwrap().lines().filter(|line| line.starts_with("SELECT cron.")).collect();
    assert_eq!(calls.len(), managed_jobs("").len(), "{refusal:?}");
    let mut there = cluster.superuser("postgres");
    there.run("CREATE EXTENSION pg_cron");
    there.run(&calls.concat());
    assert_eq!(jobs(&mut there, REGISTERED), managed_jobs(db.name()));
    make_due(&mut there);
    runs(&mut there);
    assert_eq!(dba.value::<i64>(LEFT), 0);
}

#[test]
fn asked_again_it_keeps_what_a_dba_changed_and_makes_no_second_job() {
    let cluster = server("off");
    let db = database_with_pg_cron(&cluster);
    let mut dba = db.superuser();
    let mut expected = managed_jobs(db.name());
    assert_eq!(jobs(&mut dba, SCHEDULE), expected);
    assert_eq!(jobs(&mut dba, REGISTERED), expected);
    assert_eq!(jobs(&mut dba, SCHEDULE), expected);

    // A DBA has it run at night, another not at all; a command is what this version says it is.
    dba.run(
        "SELECT cron.alter_job(jobid, schedule => '30 2 * * *', command => 'SELECT ''of an older version''')
           FROM cron.job WHERE jobname LIKE '%reset%';
         SELECT cron.alter_job(jobid, active => false) FROM cron.job WHERE jobname NOT LIKE '%reset%'",
    );
    expected[0].1 = "30 2 * * *".into();
    for job in &mut expected[1..] {
        job.3 = false;
    }
    assert_eq!(jobs(&mut dba, SCHEDULE), expected);
    dba.run("CREATE ROLE other_dba LOGIN SUPERUSER; SET ROLE other_dba");
    assert_eq!(jobs(&mut dba, SCHEDULE), expected);
    assert_eq!(jobs(&mut dba, REGISTERED), expected);
    dba.run("RESET ROLE");

    // A job of the same name is not the extension's unless a superuser's rights are behind it.
    dba.run("CREATE ROLE stranger LOGIN; UPDATE cron.job SET username = 'stranger'");
    assert_eq!(jobs(&mut dba, SCHEDULE), managed_jobs(db.name()));
    let own: i64 = dba.value("SELECT count(*) FROM cron.job WHERE username = 'postgres'");
    assert_eq!(own, managed_jobs("").len() as i64);
}

#[test]
fn a_job_whose_name_is_cut_short_is_found_again() {
    let cluster = server("off");
    let long = "a".repeat(60);
    let mut admin = cluster.superuser("postgres");
    admin.run(&format!("CREATE DATABASE {long}"));
    drop(admin);
    give_pg_cron(&cluster, &long);
    let mut dba = cluster.superuser(&long);
    dba.run("CREATE EXTENSION auria CASCADE; CREATE EXTENSION pg_cron");
    dba.run(SCHEDULE);
    dba.run("SELECT cron.alter_job(jobid, schedule => '30 2 * * *') FROM cron.job");
    let scheduled = jobs(&mut dba, SCHEDULE);
    assert!(scheduled.iter().all(|job| job.1 == "30 2 * * *"), "{scheduled:?}");
    assert_eq!(jobs(&mut dba, REGISTERED).len(), managed_jobs("").len());
}

#[test]
fn the_jobs_are_removed_by_one_statement_with_the_extension_or_without_it() {
    let cluster = server("off");
    let db = database_with_pg_cron(&cluster);
    let mut dba = db.superuser();
    dba.run("SELECT cron.schedule('somebody else''s', '0 0 * * *', 'SELECT 1')");
    for leave in ["", "DROP EXTENSION auria CASCADE"] {
        dba.run(SCHEDULE);
        assert_eq!(jobs(&mut dba, REGISTERED).len(), managed_jobs("").len() + 1);
        dba.run(leave);
        dba.run(UNSCHEDULE);
        let left = jobs(&mut dba, REGISTERED);
        assert_eq!(left.len(), 1, "{left:?}");
    }
    assert!(INSTALL.replace('\n', " ").contains(UNSCHEDULE), "{UNSCHEDULE}");
}

#[test]
fn the_runbook_lists_every_job() {
    let mut listed: Vec<_> = OPERATIONS
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0))
        .filter(|code| code.starts_with("CALL auria.") || code.starts_with("SELECT auria."))
        .collect();
    let jobs = managed_jobs("");
    let mut registered: Vec<_> = jobs.iter().map(|(_, _, command, _)| command.as_str()).collect();
    registered.sort();
    listed.sort();
    assert_eq!(listed, registered);
}

#[test]
fn the_doctor_fails_while_the_originals_reset_of_the_month_is_scheduled() {
    let cluster = server("off");
    let db = database_with_pg_cron(&cluster);
    let mut dba = db.superuser();
    let jobs = r#"SELECT COALESCE(string_agg(detail, ''), '') FROM auria.doctor() WHERE "check" = 'jobs' AND NOT ok"#;
    dba.run(ORIGINALS_RESET);
    // With the extension's own jobs and without them.
    for schedule in ["", SCHEDULE] {
        dba.run(schedule);
        let detail: String = dba.value(jobs);
        assert!(detail.contains("calls reset_monthly_credits()"), "{detail}");
    }
    let detail: String = dba.value(jobs);
    for statement in [
        detail.split_once("run ").unwrap().1,
        "SELECT cron.alter_job(jobid, active => false) FROM cron.job WHERE jobname = 'mensal'",
        "SELECT cron.schedule('mensal', '0 3 * * *', 'SELECT public.not_reset_monthly_credits()')",
    ] {
        dba.run(&format!("BEGIN; {statement}"));
        assert_eq!(dba.value::<String>(jobs), "", "{statement}");
        dba.run("ROLLBACK");
    }
}

/// As migration 042 of the original schedules it.
const ORIGINALS_RESET: &str = "SELECT cron.schedule('mensal', '0 3 * * *', $$SELECT public.reset_monthly_credits()$$)";

/// What that does, in our own words.
const RESET_MONTHLY_CREDITS: &str = "
    CREATE FUNCTION public.reset_monthly_credits() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
        UPDATE public.subscriptions SET credits_rollover = credits_bonus, credits_bonus = 0, credits_used_this_month = 0
         WHERE current_period_end < now() $$";

#[test]
fn an_adoption_unschedules_the_originals_reset_of_the_month_and_says_so() {
    for state in RAW_STATES.into_iter().filter(|state| *state >= 42) {
        let cluster = server("off");
        let db = cluster.raw_database(state);
        give_pg_cron(&cluster, db.name());
        let mut dba = db.superuser();
        dba.run(RESET_MONTHLY_CREDITS);
        dba.run("CREATE EXTENSION pg_cron");
        dba.run(ORIGINALS_RESET);
        // Of another role, of another database, and one of the team's.
        dba.run(
            "CREATE ROLE agency LOGIN;
             INSERT INTO cron.job (schedule, command, nodename, nodeport, username, database)
             VALUES ('0 4 * * *', 'select reset_monthly_credits();', 'localhost', 5432, 'agency', current_database()),
                    ('0 5 * * *', 'SELECT reset_monthly_credits()', 'localhost', 5432, 'postgres', 'template1');
             SELECT cron.schedule('digest', '0 6 * * 1', 'SELECT 1')",
        );
        dba.notices();
        dba.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
        let warnings: Vec<String> = dba
            .notices()
            .iter()
            .filter(|notice| notice.severity() == "WARNING" && notice.message().contains("of pg_cron"))
            .map(|notice| notice.message().to_owned())
            .collect();
        assert_eq!(warnings.len(), 2, "{state}: {warnings:?}");
        assert!(
            warnings[0].contains("\"mensal\" of pg_cron calls reset_monthly_credits()")
                && warnings[0].contains("\"0 3 * * *\", SELECT public.reset_monthly_credits()"),
            "{warnings:?}"
        );
        assert!(warnings[1].contains("\"0 4 * * *\", select reset_monthly_credits();"), "{warnings:?}");
        let left = "SELECT string_agg(schedule, ', ' ORDER BY jobid) FROM cron.job";
        assert_eq!(dba.value::<String>(left), "0 5 * * *, 0 6 * * 1");
        dba.run(SCHEDULE);
        assert!(dba.value::<bool>(r#"SELECT ok FROM auria.doctor() WHERE "check" = 'jobs'"#));
    }
}

/// A schema of pg_cron's name in which everything is a trap.
const TRAPS: &str = "
    CREATE SCHEMA cron;
    CREATE TABLE cron.job (jobid bigint, jobname text, schedule text, command text, database text, username text, active boolean);
    CREATE FUNCTION cron.schedule(text, text, text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'trap'; END $$;
    CREATE FUNCTION cron.alter_job(bigint, text, text, text, text, boolean) RETURNS void LANGUAGE plpgsql
        AS $$ BEGIN RAISE 'trap'; END $$";

#[test]
fn what_only_looks_like_pg_cron_is_not_called() {
    let cluster = server("off");
    let db = cluster.database();
    give_pg_cron(&cluster, db.name());
    let mut dba = db.superuser();
    dba.run(TRAPS);
    let refusal = refused_with(dba.query(SCHEDULE, &[]), "55000");
    assert!(refusal.hint().unwrap().contains("CREATE EXTENSION pg_cron"), "{refusal:?}");

    // Nor what lies in its place when it is there.
    dba.run("DROP SCHEMA cron CASCADE; CREATE EXTENSION pg_cron");
    dba.run(
        "ALTER EXTENSION pg_cron DROP FUNCTION cron.schedule(text, text, text);
         CREATE OR REPLACE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS bigint
             LANGUAGE plpgsql AS $$ BEGIN RAISE 'trap'; END $$",
    );
    let refusal = refused_with(dba.query(SCHEDULE, &[]), "55000");
    assert!(refusal.hint().unwrap().contains("ALTER EXTENSION pg_cron UPDATE"), "{refusal:?}");
}

#[test]
fn without_pg_cron_it_says_what_to_do_step_by_step_and_names_the_other_way() {
    let db = database();
    let refusal = refused_with(db.superuser().query(SCHEDULE, &[]), "55000");
    assert_eq!(refusal.message(), "pg_cron does not run on this server");
    assert_eq!(refusal.detail(), Some("Its library is not preloaded."));
    let hint = refusal.hint().unwrap();
    for part in [
        "shared_preload_libraries",
        &format!("cron.database_name to '{}'", db.name()),
        // By Debian's pg_hba.conf pg_cron cannot log in.
        "cron.use_background_workers to on",
        "restart",
        "CREATE EXTENSION pg_cron",
        "psql",
        "CALL auria.reset_monthly()",
        "SELECT auria.run_as_owner('public.cleanup_old_rate_limits()')",
    ] {
        assert!(hint.contains(part), "{part}: {hint}");
    }
}

#[test]
fn where_the_server_has_no_pg_cron_the_package_comes_first() {
    let stage = Stage::without_extension();
    stage.install(&Stage::shared().library(), &Stage::shared().scripts());
    fs::remove_file(stage.scripts().join("pg_cron.control")).unwrap();
    let cluster = ClusterOptions::default().platform(Platform::PostgreSql).on(&stage).start();
    let db = cluster.database();
    let mut dba = db.superuser();
    let refusal = refused_with(dba.query(SCHEDULE, &[]), "55000");
    assert_eq!(refusal.detail(), Some("It is not installed."));
    let major: i32 = dba.value("SELECT current_setting('server_version_num')::integer / 10000");
    let package = format!("install the package postgresql-{major}-cron");
    assert!(refusal.hint().unwrap().contains(&package), "{refusal:?}");
}

#[test]
fn only_a_superuser_may_schedule_even_if_somebody_granted_it() {
    let db = database();
    let mut dba = db.superuser();
    refused_with(db.service().query(SCHEDULE, &[]), "42501");
    dba.run("GRANT EXECUTE ON FUNCTION auria.schedule() TO service_role");
    let refusal = refused_with(db.service().query(SCHEDULE, &[]), "42501");
    assert!(refusal.hint().unwrap().contains("superuser"), "{refusal:?}");
    dba.run("BEGIN READ ONLY");
    refused_with(dba.query(SCHEDULE, &[]), "25006");
}
