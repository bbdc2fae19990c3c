//! `make sqlsmith MINUTES=n`: random queries over a filled database, made by sqlsmith from the catalogue, as the backend
//! and as a signed-in user. Exit status 1 when a backend died or an error was internal.

// What cannot do its work stops there.
#![allow(clippy::unwrap_used)]

use std::env;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{Cluster, ClusterOptions, insert_evaluation};

/// Internal errors of PostgreSQL itself that random queries find: of the parser, and of functions of `pg_catalog` that
/// are not meant to be called by hand (intervaltypmodout, pg_describe_object, functions behind aggregates).
const POSTGRESQLS_OWN: [&str; 5] = [
    "failed to find conversion function from unknown to text",
    "invalid INTERVAL typmod",
    "unrecognized interval typmod",
    "unrecognized object class",
    "called in non-aggregate context",
];

fn main() -> ExitCode {
    let number = |name: &str, otherwise: u64| {
        let given = env::var(name).ok().filter(|text| !text.is_empty());
        given.map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let minutes = number("MINUTES", 30);
    let seed = number("SEED", 1);
    let cluster = ClusterOptions::default()
        .setting("log_line_prefix", "%m [%p] %e %u ")
        .setting("statement_timeout", "5s")
        .setting("max_parallel_workers_per_gather", "0")
        .start();
    let db = cluster.database();
    fill(&db);
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let roles = ["service_role", "authenticated"];
    thread::scope(|scope| {
        let threads: Vec<_> = roles
            .iter()
            .zip(0..)
            .map(|(role, number)| {
                let (cluster, name) = (&cluster, db.name());
                scope.spawn(move || smith(cluster, name, role, seed * 1000 + number, end))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let queries: i64 = db
        .superuser()
        .value("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()");
    let functions: Vec<String> = db.superuser().value(
        "SELECT array_agg(pronamespace::regnamespace::text || '.' || proname) FROM pg_proc
         WHERE pronamespace IN ('public'::regnamespace, 'auria'::regnamespace)",
    );
    let log = cluster.log();
    let lines: Vec<&str> = log.lines().collect();
    let bad: Vec<&str> = (lines.iter().enumerate())
        .filter(|(number, line)| {
            line.contains("terminated by signal")
                || line.contains("panicked")
                || line.contains("] XX0")
                    && line.contains("ERROR:")
                    && !POSTGRESQLS_OWN.iter().any(|text| line.contains(text))
                    && may_be_ours(&lines[number + 1..], &functions)
        })
        .map(|(_, line)| *line)
        .collect();
    println!("sqlsmith: {queries} queries in {minutes} minutes, {} complaints", bad.len());
    for line in &bad {
        println!("{line}");
    }
    if bad.is_empty() && queries > 1000 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the query after an error in the log calls a function of the extension, or writes, which calls its triggers.
fn may_be_ours(after: &[&str], functions: &[String]) -> bool {
    let query: Vec<&str> =
        after.iter().take_while(|line| line.starts_with('\t') || !line.contains("ERROR:")).copied().collect();
    let query = query.join("\n").to_lowercase();
    query.is_empty()
        || ["insert into", "update ", "delete from", "merge into"].iter().any(|writes| query.contains(writes))
        || functions.iter().any(|function| query.contains(function))
}

fn fill(db: &auria_tests::Database<'_>) {
    for number in 0..5 {
        let user = db.sign_up_on_plan(&format!("user{number}@clinica.test"), "starter");
        let mut session = db.superuser();
        session.run(&format!(
            "INSERT INTO public.patients (user_id, name, notes)
             SELECT '{user}', 'Maria ' || i, 'nota' FROM generate_series(1, 20) AS i;
             SELECT public.use_credits('{user}', 'case_analysis')"
        ));
        session.run(&insert_evaluation(&format!("'{user}'"), &[("patient_name", "'Maria'")]));
    }
    // They log in by themselves here: what they may do is the same.
    db.superuser().run("ALTER ROLE service_role LOGIN; ALTER ROLE authenticated LOGIN");
}

/// sqlsmith, with a new seed whenever it ends.
fn smith(cluster: &Cluster, database: &str, role: &str, seed: u64, end: Instant) {
    let mut rounds = 0;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| left.as_secs() > 0) {
        let target = format!(
            "host={} port={} dbname={database} user={role}",
            cluster.socket_directory().display(),
            cluster.port()
        );
        let status = Command::new("timeout")
            .arg(left.as_secs().to_string())
            .args(["sqlsmith", "--max-queries=100000"])
            .arg(format!("--seed={}", seed + rounds))
            .arg(format!("--target={target}"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        // 124: the time was over.
        assert!(status.success() || status.code() == Some(124), "sqlsmith: {status}");
        rounds += 1;
    }
}
