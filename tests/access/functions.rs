//! Who may execute which function of the extension, and that a test calls each of them.

use std::collections::BTreeSet;

use auria_tests::{Session, Source, database, sources};

use super::matrix::functions;

/// The functions of the matrix, each also with the signature that the database gives it.
#[track_caller]
fn functions_of_the_database(session: &mut Session) -> Vec<(&'static str, String, [bool; 3])> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (signature, rights) in functions() {
        match session.value(&format!("SELECT to_regprocedure('{signature}')::text")) {
            Some(name) => found.push((signature, name, rights)),
            None => missing.push(signature),
        }
    }
    assert!(
        missing.is_empty(),
        "FUNCTIONS in tests/access/matrix.rs names {}, and no file in sql/functions declares it",
        missing.join(" and ")
    );
    found
}

#[test]
fn every_function_may_be_executed_by_those_the_matrix_names_and_by_nobody_else() {
    let db = database();
    let mut session = db.superuser();
    session.run("CREATE ROLE stranger");
    let rows = session
        .query(
            "SELECT p.oid::regprocedure::text, has_function_privilege('anon', p.oid, 'EXECUTE'),
                    has_function_privilege('authenticated', p.oid, 'EXECUTE'),
                    has_function_privilege('service_role', p.oid, 'EXECUTE'),
                    has_function_privilege('stranger', p.oid, 'EXECUTE')
             FROM pg_proc p
             WHERE EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                           WHERE e.extname = 'auria' AND d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                             AND d.deptype IN ('e', 'x'))",
            &[],
        )
        .unwrap();
    session.run("DROP ROLE stranger");
    let mut expected: Vec<_> =
        functions_of_the_database(&mut session).into_iter().map(|(_, name, rights)| (name, rights)).collect();
    let mut wrong = Vec::new();
    for row in rows {
        let signature: String = row.get(0);
        let found: [bool; 3] = [row.get(1), row.get(2), row.get(3)];
        let place = expected.iter().position(|(name, _)| *name == signature);
        let expected = match place {
            Some(place) => expected.swap_remove(place).1,
            None => {
                wrong.push(format!("{signature}: say who may call it: add it to FUNCTIONS in tests/access/matrix.rs"));
                continue;
            }
        };
        if found != expected || row.get::<_, bool>(4) {
            wrong.push(format!("{signature}: {found:?}, PUBLIC {}", row.get::<_, bool>(4)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(expected.is_empty(), "neither members of the extension nor tied to it: {expected:?}");
}

#[test]
fn a_call_without_the_right_is_refused_and_changes_nothing() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let mut sessions = [db.anon(), db.authenticated(dentist), db.service()];
    for (signature, _, rights) in functions_of_the_database(&mut db.superuser()) {
        let (name, types) = signature.trim_end_matches(')').split_once('(').unwrap();
        if types == "internal" {
            // No value of this type can be written in SQL.
            continue;
        }
        // Not constants: the planner answers a STRICT function of NULL without asking who calls.
        let (arguments, columns): (Vec<_>, Vec<_>) = types
            .split(',')
            .filter(|name| !name.is_empty())
            .enumerate()
            .map(|(place, name)| (format!("a{place}"), format!("NULL::{name} AS a{place}")))
            .unzip();
        let is_procedure: bool =
            db.superuser().value(&format!("SELECT prokind = 'p' FROM pg_proc WHERE oid = '{signature}'::regprocedure"));
        let call = if is_procedure {
            let nulls: Vec<_> = columns.iter().map(|column| column.split(' ').next().unwrap()).collect();
            format!("CALL {name}({})", nulls.join(", "))
        } else {
            format!(
                "SELECT {name}({}) FROM (SELECT {} OFFSET 0) AS arguments",
                arguments.join(", "),
                columns.join(", ")
            )
        };
        for (session, may) in sessions.iter_mut().zip(rights) {
            let answer = session.query(&call, &[]);
            let is_refused = answer
                .as_ref()
                .is_err_and(|error| error.as_db_error().unwrap().message().starts_with("permission denied for"));
            // The schema auria is closed to users; the default of shared_links.token needs no way in.
            let may = may
                && !(name.starts_with("auria.")
                    && session.value::<String>("SELECT current_user::text") == "authenticated");
            assert_eq!(is_refused, !may, "{call}: {answer:?}");
        }
    }
}

/// Whether a test's source calls the function, by SQL or through PostgREST. Another function's name may end with this one.
fn calls(source: &str, name: &str) -> bool {
    let is_part_of_a_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    source.match_indices(name).any(|(place, _)| {
        let (before, after) = (&source[..place], &source[place + name.len()..]);
        !before.ends_with(is_part_of_a_name)
            && !before.ends_with("fn ")
            && (after.starts_with('(')
                || !after.starts_with(is_part_of_a_name)
                    && ["rpc/", "rpc('", "rpc(`"].iter().any(|call| before.ends_with(call)))
    })
}

#[test]
fn what_every_function_of_public_answers_a_client_has_a_test() {
    let mut tests = sources("tests", &["rs", "js"]);
    // Both name every function, and who may call it.
    tests.retain(|Source { path, .. }| path != "tests/access/matrix.rs" && !path.starts_with("tests/api/lint/"));
    let untested: BTreeSet<_> = functions()
        .filter(|(_, rights)| rights.contains(&true))
        .filter_map(|(signature, _)| signature.strip_prefix("public.")?.split('(').next())
        .filter(|name| !tests.iter().any(|test| calls(&test.text, name)))
        .map(|name| format!("no test in tests/ calls {name}: add one to the folder of its subject"))
        .collect();
    assert!(untested.is_empty(), "{untested:#?}");
}
