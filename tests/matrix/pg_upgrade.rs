//! A database handed over by pg_upgrade to a later PostgreSQL.

use auria_tests::{ClusterOptions, Stage};

use crate::docs::runbook::follow;
use crate::lifecycle::doctor::complaints;
use crate::lifecycle::dump_restore::{fill, rows, works};
use crate::support::catalogue::{assert_same, everything};

const MAJOR: &str = "SELECT current_setting('server_version_num')::integer / 10000";

/// The owner of each table: the schema's role, or the superuser where only superusers write.
const OWNERS: [&str; 2] = ["auria_owner", "postgres"];

/// The catalogue without a privilege that PostgreSQL 17 introduces and gives the owner of a table.
fn without_maintain(lines: Vec<String>) -> Vec<String> {
    lines
        .into_iter()
        .filter(|line| !OWNERS.iter().any(|owner| line.ends_with(&format!(": {owner} may MAINTAIN"))))
        .map(|line| {
            OWNERS
                .iter()
                .fold(line, |line, owner| line.replace(&format!("{owner}=arwdDxtm/"), &format!("{owner}=arwdDxt/")))
        })
        .collect()
}

#[test]
fn a_database_of_an_older_postgresql_is_handed_over_whole() {
    let older = Stage::at(std::env::var_os("AURIA_OLDER_STAGE").unwrap());
    let old = ClusterOptions::default().on(&older).start();
    let new = ClusterOptions::default().start();
    let db = old.database();
    let ana = fill(&db);
    let mut session = db.superuser();
    let (major, rows_before, before) = (session.value::<i32>(MAJOR), rows(&mut session), everything(&mut session));
    drop(session);
    old.stop();
    new.stop();
    let variables = [
        ("OLD", older.programs()),
        ("NEW", Stage::shared().programs()),
        ("OLD_DATA", old.data_directory()),
        ("NEW_DATA", new.data_directory()),
    ]
    .map(|(name, path)| (name, path.display().to_string()));
    follow(&new, "A new major version of PostgreSQL", &variables.each_ref().map(|(name, path)| (*name, path.as_str())));
    new.secret_file("phi.key", &std::fs::read_to_string(old.socket_directory().join("phi.key")).unwrap());
    new.start();

    let handed_over = new.existing_database(db.name());
    let mut session = handed_over.superuser();
    assert!(session.value::<i32>("SELECT current_setting('server_version_num')::integer / 10000") > major);
    assert_same("rows", &rows(&mut session), &rows_before);
    assert_same("everything", &without_maintain(everything(&mut session)), &without_maintain(before));
    assert_eq!(complaints(&mut session), []);
    works(&handed_over, ana);
}
