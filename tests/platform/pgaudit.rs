//! pgAudit is preloaded on every Supabase. What it would record of a charge, it records; where it would record nothing,
//! a charge is as quick as without it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use auria_tests::{As, Cluster, ClusterOptions, Session, Stage, compile, repository};

use crate::credits::direct::{is_direct, use_of};

fn cluster_with(preloaded: &str) -> Cluster {
    let control = Stage::shared().scripts().join("pgaudit.control");
    assert!(control.exists(), "pgAudit is missing: scripts/setup test installs it");
    ClusterOptions::default()
        .setting("shared_preload_libraries", preloaded)
        .setting("pgaudit.log_relation", "on")
        .start()
}

/// What pgAudit records of the tables of a charge while `work` runs: class, command and table of each line.
fn recorded(cluster: &Cluster, work: impl FnOnce()) -> BTreeSet<String> {
    let from = cluster.log().len();
    work();
    let log = cluster.log();
    let lines = log[from..].lines().filter(|line| line.contains("AUDIT: "));
    lines
        .filter_map(|line| {
            let fields: Vec<&str> = line.split("AUDIT: ").nth(1)?.split(',').collect();
            let table = fields.get(6).filter(|table| table.starts_with("public."))?;
            if !["READ", "WRITE"].contains(&fields[3]) {
                return None;
            }
            Some(format!("{} {} {} {table}", fields[0], fields[3], fields[4]))
        })
        .collect()
}

/// pgAudit's settings, and whether it records rows that a superuser reads and writes with them.
const SETTINGS: [(&str, &str, bool); 9] = [
    ("none", "", false),
    ("ddl, role", "", false),
    ("function", "", false),
    ("all, -read, -write", "", false),
    ("-all", "", false),
    ("write", "", true),
    ("READ", "", true),
    ("all,-read", "", true),
    ("none", "auditor", true),
];

#[test]
fn a_charge_is_recorded_as_a_statement_would_be_and_goes_by_rows_where_none_would() {
    let cluster = cluster_with("pgaudit");
    let db = cluster.database();
    let mut dba = db.superuser();
    dba.run(
        "CREATE EXTENSION pgaudit; CREATE ROLE auditor NOLOGIN;
         GRANT SELECT, INSERT, UPDATE ON public.subscriptions, public.credit_usage TO auditor",
    );
    dba.run("CREATE ROLE of_the_owner LOGIN; GRANT auria_owner, service_role TO of_the_owner");
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let charge = use_of(user);
    for (classes, role, records) in SETTINGS {
        dba.run(&format!("ALTER DATABASE {} SET pgaudit.log = '{classes}'", db.name()));
        dba.run(&format!("ALTER DATABASE {} SET pgaudit.role = '{role}'", db.name()));
        // pgAudit skips a statement whose role the session's own is no member of, such as the owner's in a charge of
        // PostgREST's.
        for (who, is_member) in [(As::Service, false), (As::Superuser, true), (As::Role("of_the_owner"), true)] {
            let what = format!("pgaudit.log = '{classes}', pgaudit.role = '{role}', {who:?}");
            let mut session = db.session(who);
            let mut was_direct = false;
            let by_itself = recorded(&cluster, || was_direct = is_direct(&mut session, &charge));
            session.run("SET default_transaction_isolation = 'repeatable read'");
            let by_sql = recorded(&cluster, || assert!(!is_direct(&mut session, &charge), "{what}"));
            assert_eq!(by_itself, by_sql, "{what}");
            assert_eq!(!by_sql.is_empty(), records && is_member, "{what}: {by_sql:?}");
            assert_eq!(was_direct, by_sql.is_empty(), "{what}");
            let noted = "SELECT substr(detail, length('note: ') + 1) FROM auria.doctor() WHERE \"check\" = 'charges'";
            let expected = if was_direct {
                "charges go by rows"
            } else {
                "charges go by SQL: pgAudit would record the statements"
            };
            if who != As::Role("of_the_owner") {
                let mut session = db.session(who);
                assert_eq!(session.value::<String>(noted), expected, "{what}");
            }
        }
    }
}

#[test]
fn a_session_that_begins_to_be_audited_is_audited_from_its_next_charge_on() {
    let cluster = cluster_with("pgaudit");
    let db = cluster.database();
    let charge = use_of(db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2"));
    let mut session: Session = db.superuser();
    assert!(is_direct(&mut session, &charge));
    session.run("SET pgaudit.log = 'write'");
    let lines = recorded(&cluster, || assert!(!is_direct(&mut session, &charge)));
    assert!(lines.contains("SESSION WRITE INSERT public.credit_usage"), "{lines:?}");
    session.run("RESET pgaudit.log");
    assert!(is_direct(&mut session, &charge));
}

/// An extension of somebody else's that uses the same hook, compiled for this PostgreSQL.
fn another_user_of_the_hook() -> PathBuf {
    let directory = tempfile::tempdir().unwrap().keep();
    let library = directory.join("checks_permissions.so");
    let source = repository().join("tests/fixtures/checks_permissions.c");
    compile(Stage::shared(), &source, &library);
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    library
}

#[test]
fn a_charge_goes_by_sql_where_another_extension_checks_what_statements_touch_alone_or_behind_pgaudit() {
    let library = another_user_of_the_hook();
    let library = library.to_str().unwrap();
    for preloaded in [library.to_owned(), format!("pgaudit,{library}"), format!("{library},pgaudit")] {
        let cluster = cluster_with(&preloaded);
        let db = cluster.database();
        let charge = use_of(db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2"));
        assert!(!is_direct(&mut db.service(), &charge), "{preloaded}");
    }
    // As LOAD in a session that has charged.
    let cluster = cluster_with("pgaudit");
    let db = cluster.database();
    let charge = use_of(db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2"));
    let mut session = db.superuser();
    assert!(is_direct(&mut session, &charge));
    session.run(&format!("LOAD '{library}'"));
    assert!(!is_direct(&mut session, &charge));
    fs::remove_dir_all(Path::new(library).parent().unwrap()).unwrap();
}
