//! docs/reference.md: its tables have every function and every setting, and no other.

use std::collections::BTreeSet;

use auria_tests::{Function, database, public_functions};

use crate::support::catalogue::column;

const PAGE: &str = include_str!("../../docs/reference.md");

/// The names in the first column of a section's table: for a function what stands before its arguments.
fn names(section: &str) -> BTreeSet<String> {
    let (_, rest) = PAGE.split_once(&format!("\n## {section}\n")).unwrap();
    let rows = rest.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .map(|code| code.trim_start_matches("CALL ").split('(').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_function_a_client_may_call_is_in_the_table() {
    let declared: BTreeSet<_> = public_functions().into_iter().map(|Function { name, .. }| name).collect();
    let listed = names("Functions");
    let missing: Vec<_> = declared.difference(&listed).collect();
    assert!(missing.is_empty(), "add to the table \"Functions\" of docs/reference.md: {missing:?}");
    let unknown: Vec<_> = listed.difference(&declared).collect();
    assert!(unknown.is_empty(), "in docs/reference.md, and no file in sql/functions/public declares it: {unknown:?}");
}

#[test]
fn every_function_of_schema_auria_that_the_backend_may_call_is_in_the_table() {
    let db = database();
    let mut admin = db.superuser();
    let of_auria = "SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'auria'::regnamespace";
    let all = BTreeSet::from_iter(column(&mut admin, of_auria));
    let listed = names("Functions of schema auria");
    assert!(listed.is_subset(&all), "no functions of schema auria: {:?}", listed.difference(&all));
    // Views and defaults call what every signed-in user may execute.
    let backends = format!(
        "{of_auria} AND has_function_privilege('service_role', oid, 'EXECUTE')
                    AND NOT has_function_privilege('authenticated', oid, 'EXECUTE')"
    );
    let backends = BTreeSet::from_iter(column(&mut admin, &backends));
    assert!(backends.is_subset(&listed), "missing in docs/reference.md: {:?}", backends.difference(&listed));
}

#[test]
fn every_setting_is_in_the_table() {
    let db = database();
    let mut admin = db.superuser();
    admin.run("LOAD 'auria_pg'");
    let settings = column(&mut admin, "SELECT name FROM pg_settings WHERE name LIKE 'auria.%'");
    assert_eq!(names("Settings"), BTreeSet::from_iter(settings));
}
