//! The contents of a new database, compared with the files that list them. With AURIA_WRITE_EXPECTED=1 (`make expected`)
//! the files are written instead.

use std::collections::BTreeSet;
use std::{env, fs};

use auria_tests::{Session, database, repository};

use crate::support::catalogue::{column, tables};

/// Managed functions of schema public are tied to the extension.
const FUNCTIONS: &str = "
    SELECT array_agg('public.' || p.oid::regprocedure)::text
    FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'x'
    WHERE p.pronamespace = 'public'::regnamespace";

const TABLES: &str = "
    SELECT array_agg(relname)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";

const POLICIES: &str = "SELECT array_agg(polname)::text FROM pg_policy";

/// Compares a new database's lines with the file, or writes them.
#[track_caller]
fn compare(file: &str, found: &str) {
    let path = repository().join(file);
    if env::var_os("AURIA_WRITE_EXPECTED").is_some() {
        fs::write(path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap();
    let (lines, expected_lines): (BTreeSet<_>, BTreeSet<_>) = (found.lines().collect(), expected.lines().collect());
    let missing: Vec<_> = expected_lines.difference(&lines).collect();
    let added: Vec<_> = lines.difference(&expected_lines).collect();
    // To write the file anew would forget what the missing source made.
    let source = if missing.is_empty() {
        ""
    } else {
        "a file of sql/migrations or sql/functions may be missing, which makes what is only in the file; if none is, "
    };
    assert!(
        found == expected,
        "{file} does not say what a new database contains: {source}run make expected, and look at the difference. \
         Only in the file: {missing:#?}. Only in the database: {added:#?}"
    );
}

/// The lines of one of the queries that auria.doctor() asks, with their parameters as literals.
fn doctors_lines(session: &mut Session, kind: &str, query: &str, parameters: &[&str]) -> String {
    let path = repository().join("src/schema/expected").join(query);
    let mut sql = fs::read_to_string(path).unwrap();
    for (place, parameter) in parameters.iter().enumerate() {
        let value: String = session.value(parameter);
        sql = sql.replace(&format!("${}", place + 1), &format!("'{value}'::text[]"));
    }
    session.run("SET search_path = pg_catalog");
    let mut lines = column(session, &sql);
    session.run("RESET search_path");
    lines.sort();
    lines.iter().map(|line| format!("{kind} {line}\n")).collect()
}

#[test]
fn a_new_database_has_the_tables_that_are_expected_and_no_more() {
    let db = database();
    let mut text =
        "# What the catalogue of a new database must say about the tables, line by line: written by make expected.\n\
                    # Columns stand in their order; everything else is sorted.\n"
            .to_owned();
    let mut current = String::new();
    for line in tables(&mut db.superuser()) {
        let (table, content) = line.split_once(": ").unwrap();
        if table != current {
            text += &format!("\n{table}\n");
            table.clone_into(&mut current);
        }
        text += &format!("    {content}\n");
    }
    compare("tests/schema/expected.txt", &text);
}

/// The parts of the tables of one schema, a line each.
fn shape(session: &mut Session, schema: &str) -> String {
    let path = repository().join("src/schema/expected/shape.sql");
    let tables: String = session.value(TABLES);
    session.run("SET search_path = pg_catalog");
    let sql = fs::read_to_string(path).unwrap().replace("$1", &format!("'{tables}'::text[]"));
    let rows = session.query(&sql, &[]).unwrap();
    session.run("RESET search_path");
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| (0..5).map(|place| row.get::<_, Option<String>>(place).unwrap_or_default()).collect::<Vec<_>>())
        .filter(|fields| fields[1].starts_with(schema))
        .map(|fields| fields.join("\t") + "\n")
        .collect();
    lines.sort();
    lines.concat()
}

#[test]
fn a_new_database_has_the_shape_that_is_expected_in_both_layouts() {
    let db = database();
    let mut dba = db.superuser();
    let open = shape(&mut dba, "public.");
    dba.run("CALL auria.phi_seal()");
    let sealed = shape(&mut dba, "auria_raw.");
    compare("src/schema/expected/shape.txt", &(open + &sealed));
}

#[test]
fn a_new_database_has_the_policies_and_grants_that_are_expected_and_no_more() {
    let db = database();
    let mut dba = db.superuser();
    let grants = doctors_lines(&mut dba, "grant", "grants.sql", &[TABLES, FUNCTIONS]);
    let policies = doctors_lines(&mut dba, "policy", "policies.sql", &[POLICIES]);
    compare("src/schema/expected/access.txt", &(grants + &policies));
}
