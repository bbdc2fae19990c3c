//! Every cell of the access matrix, tried with real statements as the real roles.

use auria_tests::{Session, database};
use postgres::Transaction;
use uuid::Uuid;

use super::matrix::{EVALUATION, MATRIX, PATIENT, Rights};
use crate::support::catalogue::column;

/// The token of the links in these tests.
const TOKEN: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Anon,
    Authenticated,
    Service,
}

/// Whether the role may run a command, tried in a transaction that leaves nothing behind.
fn is_allowed(
    session: &mut Session,
    rights: &Rights,
    command: char,
    role: Role,
    asks: Uuid,
    owner: Uuid,
    token: bool,
) -> bool {
    let mut transaction = session.transaction().unwrap();
    let row = rights.row.replace("$user", &owner.to_string());
    // The row asked for is the only one of its table, and what it points at is there.
    let setup = format!(
        "DELETE FROM {};
         {}
         {}
         {}
         {}",
        rights.table,
        if rights.table == "public.patients" { String::new() } else { PATIENT.replace("$user", &owner.to_string()) },
        if rights.table == "public.shared_links" || token && rights.table != "public.evaluations" {
            EVALUATION.replace("$user", &owner.to_string()) + ";"
        } else {
            String::new()
        },
        if token && rights.table != "public.shared_links" {
            format!(
                "INSERT INTO public.shared_links (user_id, session_id, token) VALUES ('{owner}', '{owner}', '{TOKEN}');"
            )
        } else {
            String::new()
        },
        if command == 'I' { "" } else { row.as_str() },
    );
    transaction.batch_execute(&setup).unwrap_or_else(|error| panic!("{setup}\n{error:?}"));
    become_role(&mut transaction, role, asks, token.then_some(TOKEN));
    let statement = match command {
        'S' => format!("SELECT 1 FROM {}", rights.table),
        'I' => row,
        'U' => format!("UPDATE {0} SET {1} = {1}", rights.table, rights.key),
        _ => format!("DELETE FROM {}", rights.table),
    };
    match transaction.execute(&statement, &[]) {
        Ok(rows) => rows == 1,
        Err(error) => {
            let refusal = error.as_db_error().unwrap();
            assert_eq!(refusal.code().code(), "42501", "{statement} as {role:?}: {refusal:?}");
            false
        }
    }
}

fn become_role(transaction: &mut Transaction, role: Role, user: Uuid, token: Option<&str>) {
    let (name, claims) = match role {
        Role::Anon => ("anon", "{\"role\": \"anon\"}".to_owned()),
        Role::Authenticated => ("authenticated", format!("{{\"sub\": \"{user}\", \"role\": \"authenticated\"}}")),
        Role::Service => ("service_role", "{\"role\": \"service_role\"}".to_owned()),
    };
    let headers = token.map_or_else(String::new, |token| format!("{{\"x-share-token\": \"{token}\"}}"));
    transaction
        .batch_execute(&format!(
            "SET LOCAL \"request.jwt.claims\" = '{claims}';
             SET LOCAL \"request.headers\" = '{headers}';
             SET LOCAL ROLE {name}"
        ))
        .unwrap();
}

#[test]
fn every_role_may_do_on_every_table_what_the_matrix_says_and_nothing_else() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    db.sign_up("caio@clinica.example");
    let mut session = db.superuser();
    let mut wrong = Vec::new();
    for rights in MATRIX.iter() {
        for command in ['S', 'I', 'U', 'D'] {
            for (role, owner, cell, who) in [
                (Role::Anon, ana, rights.anon, "anon"),
                (Role::Authenticated, ana, rights.own, "authenticated, own"),
                (Role::Authenticated, bia, rights.others, "authenticated, others'"),
                (Role::Service, ana, rights.service, "service_role"),
            ] {
                let expected = cell.contains(command);
                let found = is_allowed(&mut session, rights, command, role, ana, owner, false);
                if found != expected {
                    wrong.push(format!("{} {command} {who}: {found}", rights.table));
                }
                // With a token anon may read where the cell says T; a token adds nothing for anybody else.
                let expected = expected || command == 'S' && cell == "T";
                let found = is_allowed(&mut session, rights, command, role, ana, owner, true);
                if found != expected {
                    wrong.push(format!("{} {command} {who}, with a token: {found}", rights.table));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not as MATRIX in tests/access/matrix.rs says; a policy or a grant of the table's migration is missing, or the \
         matrix is wrong: {wrong:#?}"
    );
}

#[test]
fn the_matrix_holds_every_table() {
    let db = database();
    let mut session = db.superuser();
    let mut tables = column(
        &mut session,
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('public', 'auria')
           AND (c.relkind IN ('r', 'p', 'v', 'm', 'f')
                OR c.relkind = 'S' AND EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner))",
    );
    let mut expected: Vec<_> = MATRIX.iter().map(|rights| rights.table.to_owned()).collect();
    tables.sort();
    expected.sort();
    let missing: Vec<_> = tables.iter().filter(|name| !expected.contains(name)).collect();
    assert!(missing.is_empty(), "say who may do what: add them to MATRIX in tests/access/matrix.rs: {missing:?}");
    let unmade: Vec<_> = expected.iter().filter(|name| !tables.contains(name)).collect();
    assert!(
        unmade.is_empty(),
        "in MATRIX of tests/access/matrix.rs, and no migration in sql/migrations makes it: {unmade:?}"
    );
    assert_eq!(tables, expected);
}

#[test]
fn no_api_role_holds_a_right_on_a_table_that_the_matrix_does_not_name() {
    let db = database();
    let mut session = db.superuser();
    let held = column(
        &mut session,
        "SELECT c.oid::regclass || ' ' || g.name || ' ' || a.privilege_type
         FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
         CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS name) AS g
         WHERE c.relnamespace IN ('public'::regnamespace, 'auria'::regnamespace)
           AND (g.name = 'PUBLIC' OR a.is_grantable
                OR g.name IN ('anon', 'authenticated', 'service_role')
                   AND a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
           AND a.grantee <> c.relowner",
    );
    assert!(held.is_empty(), "{held:?}");
}

#[test]
fn a_row_cannot_be_given_away() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    let mut session = db.superuser();
    for rights in MATRIX.iter().filter(|rights| rights.own.contains('U')) {
        let mut transaction = session.transaction().unwrap();
        let evaluation = EVALUATION.replace("$user", &ana.to_string());
        let row = rights.row.replace("$user", &ana.to_string());
        transaction
            .batch_execute(
                &format!(
                    "DELETE FROM public.profiles; {PATIENT} {evaluation}; {}; {row}",
                    if rights.table == "public.patients" { "DELETE FROM public.patients" } else { "" }
                )
                .replace("$user", &ana.to_string()),
            )
            .unwrap();
        become_role(&mut transaction, Role::Authenticated, ana, None);
        let given = transaction.execute(&format!("UPDATE {} SET user_id = $1", rights.table), &[&bia]);
        let refusal = given.unwrap_err();
        assert_eq!(refusal.code().unwrap().code(), "42501", "{}", rights.table);
    }
}
