//! `ALTER EXTENSION auria UPDATE`: from every released version to what a new installation is, while clients work on.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{Database, Session, database, empty_database, refused_with, repository};
use uuid::Uuid;

use crate::catalogue::{access, assert_same, column, tables};
use crate::doctor::complaints;
use crate::dump_restore::{self, fill, rows, works};
use crate::legacy;

const UPDATE: &str = "ALTER EXTENSION auria UPDATE";

/// All that PostgreSQL keeps about the functions, what pg_dump takes for the extension's own grants included.
const FUNCTIONS: &str = "
    SELECT format('%s owner=%s acl=%s initial=%s cost=%s rows=%s comment=%s', pg_get_functiondef(p.oid), p.proowner::regrole,
                  (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(p.proacl) a),
                  (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM pg_init_privs i, unnest(i.initprivs) a
                    WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid),
                  p.procost, p.prorows, obj_description(p.oid, 'pg_proc'))
      FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
      JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'auria'";

const MIGRATIONS: &str =
    "SELECT format('migration %s %s %s', number, name, sha256) FROM auria.migrations";

/// The version that CREATE EXTENSION installs.
pub fn current_version() -> String {
    let control = fs::read_to_string(repository().join("auria_pg.control")).unwrap();
    let line = control
        .lines()
        .find_map(|line| line.strip_prefix("default_version = '"));
    line.unwrap().trim_end_matches('\'').to_owned()
}

/// Every version before it that has an install script.
fn released_versions() -> Vec<String> {
    let mut versions: Vec<String> = fs::read_dir(repository().join("sql"))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let version = name.strip_prefix("auria--")?.strip_suffix(".sql")?;
            (!version.contains("--") && version != current_version()).then(|| version.to_owned())
        })
        .collect();
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

fn create(version: &str) -> String {
    format!("CREATE EXTENSION auria VERSION '{version}' CASCADE")
}

fn released_database(version: &str) -> Database<'static> {
    // The roles belong to the server, authenticator too; the template makes them.
    drop(database());
    let db = empty_database();
    db.superuser().run(&create(version));
    db
}

/// Everything a catalogue says about a database of AURIA.
pub fn everything(session: &mut Session) -> Vec<String> {
    let mut lines = tables(session);
    lines.extend(access(session));
    session.run("SET search_path = pg_catalog");
    for query in [FUNCTIONS, MIGRATIONS, dump_restore::CATALOGUE] {
        lines.extend(column(session, query));
    }
    lines
}

#[test]
fn released_scripts_and_migrations_are_byte_for_byte_as_they_were_released() {
    let checksums = "tests/released/checksums.txt";
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", checksums])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "a released file never changes: {}{}",
        String::from_utf8_lossy(&check.stdout),
        String::from_utf8_lossy(&check.stderr)
    );
    let listed = fs::read_to_string(repository().join(checksums)).unwrap();
    let commits = fs::read_to_string(repository().join("tests/released/versions.txt")).unwrap();
    for version in released_versions() {
        assert!(
            listed.contains(&format!("  sql/auria--{version}.sql\n")),
            "the install script of {version} is not in {checksums}"
        );
        assert!(
            commits.contains(&format!("\n{version} ")),
            "the commit of {version} is not in tests/released/versions.txt"
        );
    }
}

#[test]
fn an_empty_database_of_any_version_becomes_what_a_new_one_is() {
    let wanted = everything(&mut database().superuser());
    for version in released_versions() {
        let db = released_database(&version);
        let mut dba = db.superuser();
        dba.run(UPDATE);
        assert_same(&version, &everything(&mut dba), &wanted);
        assert_eq!(complaints(&mut dba), []);
    }
}

#[test]
fn a_practice_keeps_every_row_and_ciphertext_and_what_its_dba_added() {
    let new = database();
    fill(&new);
    let wanted = everything(&mut new.superuser());
    for version in released_versions() {
        let db = released_database(&version);
        let ana = fill(&db);
        let mut dba = db.superuser();
        let before = rows(&mut dba);
        dba.run(UPDATE);
        assert_same(&version, &rows(&mut dba), &before);
        assert_same(&version, &everything(&mut dba), &wanted);
        works(&db, ana);
    }
}

#[test]
fn a_database_that_was_adopted_under_an_earlier_version_becomes_what_one_adopted_today_is() {
    let today = legacy::database_at(legacy::LAST);
    let mut dba = today.superuser();
    dba.run("CREATE EXTENSION auria CASCADE");
    let wanted = everything(&mut dba);
    for version in released_versions() {
        let db = legacy::database_at(legacy::LAST);
        let mut dba = db.superuser();
        dba.run(&create(&version));
        let before = rows(&mut dba);
        dba.run(UPDATE);
        assert_same(&version, &rows(&mut dba), &before);
        assert_same(&version, &everything(&mut dba), &wanted);
    }
}

/// What became of a client that charged all the time.
pub struct Charges {
    /// Charges that were answered with true.
    pub acknowledged: i64,
    /// The longest that one took.
    pub longest: Duration,
}

/// Has sessions charge without a pause before, while and after something happens, and expects every one of their
/// charges to be counted and recorded once. They are given back, to be asked for more.
pub fn charging_while(db: &Database, happens: impl FnOnce()) -> (Charges, Vec<Session>) {
    const PAUSE: Duration = Duration::from_millis(400);
    db.superuser().run(
        "INSERT INTO public.subscription_plans (id, name, price_monthly, credits_per_month) \
         VALUES ('ample', 'Ample', 0, 10000000)",
    );
    // Two of each user, who wait for each other's locks. All have library and plans from a first charge.
    let users: [Uuid; 2] =
        ["a@charges.test", "b@charges.test"].map(|email| db.sign_up_on_plan(email, "ample"));
    let mut sessions: Vec<(Uuid, Session)> = [users, users]
        .concat()
        .into_iter()
        .map(|user| (user, db.service()))
        .collect();
    for (user, session) in &mut sessions {
        charge(session, *user);
    }
    let mut charges = Charges {
        acknowledged: sessions.len() as i64,
        longest: Duration::ZERO,
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = sessions
            .iter_mut()
            .map(|(user, session)| {
                let over = &over;
                scope.spawn(move || {
                    let (mut acknowledged, mut longest) = (0, Duration::ZERO);
                    while !over.load(Ordering::Relaxed) {
                        longest = longest.max(charge(session, *user));
                        acknowledged += 1;
                    }
                    (acknowledged, longest)
                })
            })
            .collect();
        thread::sleep(PAUSE);
        let outcome = catch_unwind(AssertUnwindSafe(happens));
        thread::sleep(PAUSE);
        // Whatever happened: the clients must not go on for ever.
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        for client in clients {
            let (acknowledged, longest) = client.join().unwrap();
            charges.acknowledged += acknowledged;
            charges.longest = charges.longest.max(longest);
        }
    });
    let mut dba = db.superuser();
    let cost = i64::from(dba.value::<i32>("SELECT public.get_credit_cost('dsd_simulation')"));
    for recorded in [
        "SELECT sum(credits_used_this_month)::bigint FROM public.subscriptions WHERE plan_id = 'ample'",
        "SELECT sum(credits_used)::bigint FROM public.credit_usage WHERE operation = 'dsd_simulation'",
    ] {
        assert_eq!(dba.value::<i64>(recorded), charges.acknowledged * cost);
    }
    let sessions = sessions.into_iter().map(|(_, session)| session).collect();
    (charges, sessions)
}

/// Charges once; returns how long it took.
fn charge(session: &mut Session, user: Uuid) -> Duration {
    let started = Instant::now();
    let charged: bool = session
        .query_one("SELECT public.use_credits($1, 'dsd_simulation')", &[&user])
        .unwrap()
        .get(0);
    assert!(charged);
    started.elapsed()
}

#[test]
fn clients_charge_on_while_the_extension_is_updated_and_no_charge_is_lost_or_doubled() {
    for version in released_versions() {
        let db = released_database(&version);
        let mut took = Duration::ZERO;
        let (charges, sessions) = charging_while(&db, || {
            let started = Instant::now();
            db.superuser().run(UPDATE);
            took = started.elapsed();
        });
        assert!(
            charges.longest < Duration::from_secs(3),
            "a client waited {:?}; the update took {took:?}",
            charges.longest
        );
        for mut session in sessions {
            assert_eq!(complaints(&mut session), []);
            refused_with(session.query("SELECT auria.schedule()", &[]), "42501");
        }
    }
}

#[test]
fn the_doctor_tells_an_extension_older_than_the_library_what_to_run() {
    let db = released_database(&released_versions()[0]);
    let mut dba = db.superuser();
    let told = complaints(&mut dba);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "versions");
    for part in ["older than the library", "run ALTER EXTENSION auria UPDATE"] {
        assert!(told[0].1.contains(part), "{told:?}");
    }
    dba.run(UPDATE);
    assert_eq!(complaints(&mut dba), []);
}

#[test]
fn a_version_that_cannot_be_reached_is_refused_and_nothing_changes() {
    let db = database();
    let mut dba = db.superuser();
    let before = everything(&mut dba);
    for version in [released_versions()[0].as_str(), "0.0.1", "99.0.0"] {
        let refusal = refused_with(
            dba.batch_execute(&format!("{UPDATE} TO '{version}'")),
            "22023",
        );
        assert!(refusal.message().contains("no update path"), "{refusal:?}");
        assert!(refusal.message().contains(version), "{refusal:?}");
    }
    assert_same("refused", &everything(&mut dba), &before);
    dba.run(UPDATE);
    let notices = dba.notices();
    assert!(
        notices[0].message().contains("already installed"),
        "{notices:?}"
    );
    let other = empty_database();
    let refusal = refused_with(other.superuser().batch_execute(&create("99.0.0")), "22023");
    assert!(refusal.message().contains("99.0.0"), "{refusal:?}");
}
