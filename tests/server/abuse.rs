//! Every function of schema `public`, called by every role with arguments that nobody sends by mistake.

use auria_tests::{As, ClusterOptions, Database, Session};
use postgres::error::DbError;
use uuid::Uuid;

/// At most that many calls of one function by one role.
const CALLS: usize = 60;

pub(super) struct Function {
    pub(super) call: String,
    pub(super) arguments: Vec<String>,
}

/// From the catalogue, so that a function made later is covered without a change here.
fn functions(db: &Database) -> Vec<Function> {
    db.superuser()
        .query(
            "SELECT CASE prokind WHEN 'p' THEN 'CALL ' ELSE 'SELECT * FROM ' END || format('public.%I', proname),
                    ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n)
               FROM pg_proc p
              WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype
                AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                                 WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                                   AND d.deptype = 'e' AND e.extname <> 'auria')
              ORDER BY p.oid::regprocedure::text",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| Function { call: row.get(0), arguments: row.get(1) })
        .collect()
}

/// Values of a type as SQL; the first is one that a well-meaning caller would send.
pub(super) fn values(kind: &str, user: Uuid) -> Vec<String> {
    let given = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    match kind {
        "uuid" => vec![
            format!("'{user}'"),
            "NULL".into(),
            "'00000000-0000-0000-0000-000000000000'".into(),
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'".into(),
        ],
        "text" => given(&[
            "'case_analysis'",
            "NULL",
            "''",
            "' '",
            "'dsd_simulation'",
            "'case_analysis_refund'",
            "'_refund'",
            "'plan_change'",
            "repeat('x', 200)",
            "repeat('x', 201)",
            "repeat('é', 101)",
            "repeat('x', 3000000)",
            "repeat(chr(128512), 500000)",
            "E'\\x01\\n\\\\'",
            "''' OR true; DROP TABLE public.patients --'",
            "'%s%n%x $1 {0}'",
            "repeat('a', 64)",
            "repeat('[', 10000)",
            "chr(1114109)",
        ]),
        "integer" | "bigint" | "smallint" => given(&["1", "NULL", "0", "-1", "32767", "-32768"])
            .into_iter()
            .chain(match kind {
                "smallint" => Vec::new(),
                "integer" => given(&["2147483647", "-2147483648"]),
                _ => given(&["9223372036854775807", "-9223372036854775808"]),
            })
            .collect(),
        "boolean" => given(&["true", "false", "NULL"]),
        "numeric" | "double precision" | "real" => given(&["1", "NULL", "'NaN'", "'Infinity'", "-1e30"]),
        "timestamp with time zone" | "timestamp without time zone" | "date" => {
            given(&["now()", "NULL", "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'294276-12-31'", "'epoch'"])
        }
        "bytea" => given(&[
            "public.phi_encrypt('Maria')",
            "NULL",
            "''",
            "'\\x00'",
            "'\\xff'",
            "decode(repeat('ff', 100000), 'hex')",
            "decode(repeat('c3', 100000), 'hex')",
            "'\\xc30d040703'",
            "'\\xd2ffffffffff'",
            "'\\xc9ffffffffff'",
            "substring(public.phi_encrypt('Maria') FROM 1 FOR 40)",
            "public.phi_encrypt('Maria') || public.phi_encrypt('Maria')",
        ]),
        "json" | "jsonb" => given(&["'{}'", "NULL", "'null'", "'[]'", "'\"\"'", "'1e400'"]),
        _ => vec!["NULL".into()],
    }
}

/// Each argument's every value among well-meant ones, then mixtures, always the same ones.
fn calls(function: &Function, user: Uuid) -> Vec<String> {
    let choices: Vec<Vec<String>> = function
        .arguments
        .iter()
        .map(|kind| values(kind, user).into_iter().map(|value| format!("CAST({value} AS {kind})")).collect())
        .collect();
    let mut picks = vec![vec![0; choices.len()]];
    for (place, choice) in choices.iter().enumerate() {
        for pick in 1..choice.len() {
            let mut one = vec![0; choices.len()];
            one[place] = pick;
            picks.push(one);
        }
    }
    let mut random: usize = 0x2545_f491;
    while choices.len() > 1 && picks.len() < CALLS {
        picks.push(
            choices
                .iter()
                .map(|choice| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (random >> 33) % choice.len()
                })
                .collect(),
        );
    }
    picks.truncate(CALLS);
    picks
        .iter()
        .map(|pick| {
            let arguments: Vec<&str> = pick.iter().zip(&choices).map(|(pick, choice)| choice[*pick].as_str()).collect();
            format!("{}({})", function.call, arguments.join(", "))
        })
        .collect()
}

/// An answer must be neither an internal error nor the end of the session.
fn objection(session: &mut Session, call: &str) -> Option<String> {
    let error = session.batch_execute(call).err()?;
    match error.as_db_error().map(DbError::code) {
        Some(code) if !code.code().starts_with("XX") && !code.code().starts_with("57") => None,
        _ => Some(format!("{call:.300}: {error:?}")),
    }
}

#[test]
fn no_argument_makes_a_function_of_the_api_fail_internally_or_a_backend_crash() {
    let cluster = ClusterOptions::default().setting("statement_timeout", "120s").start();
    let db = cluster.database();
    let user = db.sign_up_on_plan("ana@clinica.example", "starter");
    let functions = functions(&db);
    for name in ["use_credits", "phi_decrypt", "get_shared_dsd"] {
        let is_among = |function: &Function| function.call.ends_with(name);
        assert!(functions.iter().any(is_among), "{name}");
    }
    let mut objections = Vec::new();
    for role in [As::Anon, As::User(user), As::Service, As::Superuser] {
        let mut session = db.session(role);
        let pid = session.backend_pid();
        for function in &functions {
            for call in calls(function, user) {
                objections.extend(objection(&mut session, &call));
            }
        }
        assert_eq!(session.backend_pid(), pid, "{role:?}");
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
    let log = cluster.log();
    assert!(!log.contains("terminated by signal"), "{log}");
    assert!(!log.contains("auria_pg: panic"), "{log}");
}

#[test]
fn a_trigger_function_on_a_table_that_is_not_its_own_fails_with_a_clear_error() {
    let db = auria_tests::database();
    let mut session = db.superuser();
    let triggers: Vec<String> = session.value(
        "SELECT array_agg(format('public.%I', proname)) FROM pg_proc
          WHERE pronamespace = 'public'::regnamespace AND prorettype = 'trigger'::regtype",
    );
    assert!(triggers.len() >= 5, "{triggers:?}");
    let mut objections = Vec::new();
    for function in &triggers {
        for (columns, row) in [
            ("x integer", "1"),
            (
                "id text, user_id text, created_at text, updated_at integer, name jsonb, patient_name integer",
                "'a', 'b', 'c', 1, '{}', 1",
            ),
            (
                "id uuid, created_at date, updated_at date, name bytea, name_encrypted text",
                "NULL, NULL, NULL, '\\x00', ''",
            ),
        ] {
            let column = columns.split(' ').next().unwrap();
            for when in [
                "BEFORE INSERT OR UPDATE OR DELETE ON public.odd FOR EACH ROW",
                "AFTER INSERT OR UPDATE OR DELETE ON public.odd FOR EACH ROW",
                "BEFORE INSERT OR UPDATE OR DELETE ON public.odd FOR EACH STATEMENT",
                "AFTER TRUNCATE ON public.odd FOR EACH STATEMENT",
            ] {
                session.run(&format!(
                    "DROP TABLE IF EXISTS public.odd; CREATE TABLE public.odd ({columns});
                     GRANT ALL ON public.odd TO authenticated; INSERT INTO public.odd VALUES ({row});
                     CREATE TRIGGER odd {when} EXECUTE FUNCTION {function}()"
                ));
                for statement in [
                    format!("INSERT INTO public.odd VALUES ({row})"),
                    format!("UPDATE public.odd SET {column} = {column}"),
                    "DELETE FROM public.odd".into(),
                    "TRUNCATE public.odd".into(),
                    format!(
                        "SET ROLE authenticated; INSERT INTO public.odd VALUES ({row}); UPDATE public.odd SET {column} = {column}"
                    ),
                ] {
                    objections.extend(
                        objection(&mut session, &statement).map(|objection| format!("{function} {when}: {objection}")),
                    );
                    session.run("RESET ROLE");
                }
            }
        }
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}
