//! The same functions where nobody expects them: in cursors, triggers, parallel workers, index expressions, blocks,
//! on a standby and in a single-user server.

use auria_tests::{As, Cluster, ClusterOptions, Database, Session};
use postgres::error::DbError;
use uuid::Uuid;

use super::abuse_at_random::{RUNNER, Random, call, callables, prepare};

/// So many calls of each function in each context.
const EACH: usize = 6;

struct Abused {
    cluster: Cluster,
    user: Uuid,
    calls: Vec<String>,
}

/// A server of its own with calls of every function; those that begin with `CALL` among them.
fn abused() -> (Abused, String) {
    let cluster = ClusterOptions::default().setting("statement_timeout", "120s").start();
    let db = cluster.database();
    let user = db.sign_up_on_plan("ana@clinica.example", "starter");
    prepare(&db);
    db.superuser().run(RUNNER);
    let mut random = Random(15);
    let calls = callables(&db)
        .iter()
        .filter(|(name, _)| !name.ends_with("auria.migrate"))
        .flat_map(|callable| {
            let times = if callable.1.is_empty() { 1 } else { EACH };
            (0..times).map(|_| call(&mut random, callable, user)).collect::<Vec<_>>()
        })
        .collect();
    let name = db.name().to_owned();
    std::mem::forget(db);
    (Abused { cluster, user, calls }, name)
}

impl Abused {
    /// Runs what `context` makes of each call that is a function, as each role; nothing may fail internally.
    fn everywhere(&self, db: &Database, mut context: impl FnMut(&mut Session, &str) -> Option<String>) {
        let mut complaints = Vec::new();
        for role in [As::Superuser, As::Service, As::User(self.user), As::Anon] {
            let mut session = db.session(role);
            let pid = session.backend_pid();
            for call in &self.calls {
                let Some(statements) = context(&mut session, call) else {
                    continue;
                };
                if let Err(error) = session.batch_execute(&statements) {
                    let code = error.as_db_error().map(DbError::code).map(|code| code.code().to_owned());
                    if code.is_none_or(|code| code.starts_with("XX") || code.starts_with("57")) {
                        complaints.push(format!("{statements:.400}: {error:?}"));
                    }
                    let _ = session.batch_execute("ROLLBACK");
                }
            }
            assert_eq!(session.backend_pid(), pid, "{role:?}");
        }
        complaints.truncate(10);
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        let log = self.cluster.log();
        assert!(!log.contains("terminated by signal") && !log.contains("panicked"), "{log}");
    }
}

/// What follows SELECT, where the call is one.
fn expression(call: &str) -> Option<&str> {
    call.strip_prefix("SELECT ")
}

#[test]
fn in_a_cursor_that_is_held_and_in_a_function_that_returns_rows() {
    let (abused, name) = abused();
    let db = abused.cluster.existing_database(&name);
    abused.everywhere(&db, |_, call| {
        let expression = expression(call)?;
        Some(format!(
            "BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT {expression}, n FROM generate_series(1, 3) AS n;
             FETCH 2 FROM c; MOVE BACKWARD 1 FROM c; FETCH ALL FROM c; COMMIT; FETCH FIRST FROM c; CLOSE c"
        ))
    });
}

#[test]
fn in_a_parallel_worker() {
    let (abused, name) = abused();
    let db = abused.cluster.existing_database(&name);
    let mut dba = db.superuser();
    let forced: bool = dba.value("SELECT current_setting('server_version_num')::int >= 160000");
    let force = if forced { "debug_parallel_query" } else { "force_parallel_mode" };
    dba.run(
        "CREATE TABLE abuse.many AS SELECT i FROM generate_series(1, 200) AS i; GRANT SELECT ON abuse.many TO PUBLIC",
    );
    abused.everywhere(&db, |_, call| {
        let expression = expression(call)?;
        Some(format!(
            "SET {force} = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
             SET min_parallel_table_scan_size = 0;
             SELECT count(f::text) FROM (SELECT {expression} AS f FROM abuse.many LIMIT 5) AS calls"
        ))
    });
}

#[test]
fn in_triggers_constraints_defaults_and_index_expressions() {
    let (abused, name) = abused();
    let db = abused.cluster.existing_database(&name);
    db.superuser().run("GRANT CREATE ON SCHEMA abuse TO PUBLIC");
    abused.everywhere(&db, |_, call| {
        let expression = expression(call)?;
        Some(format!(
            "BEGIN;
             CREATE TABLE abuse.odd (id int);
             CREATE FUNCTION abuse.wrapped(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $body$
                BEGIN
                    RETURN ({expression})::text || $1;
                EXCEPTION WHEN OTHERS THEN
                    IF SQLSTATE LIKE 'XX%' THEN RAISE; END IF;
                    RETURN SQLSTATE;
                END $body$;
             CREATE FUNCTION abuse.fired() RETURNS trigger LANGUAGE plpgsql AS $body$
                BEGIN
                    PERFORM abuse.wrapped(NEW.id);
                    PERFORM {expression};
                    RETURN NEW;
                END $body$;
             INSERT INTO abuse.odd VALUES (1);
             CREATE INDEX ON abuse.odd (abuse.wrapped(id));
             ALTER TABLE abuse.odd ADD CHECK (abuse.wrapped(id) <> ''),
                 ADD COLUMN made text GENERATED ALWAYS AS (abuse.wrapped(id)) STORED;
             CREATE TRIGGER fired BEFORE INSERT OR UPDATE ON abuse.odd FOR EACH ROW EXECUTE FUNCTION abuse.fired();
             REINDEX TABLE abuse.odd;
             INSERT INTO abuse.odd VALUES (2);
             ROLLBACK"
        ))
    });
}

#[test]
fn as_a_call_in_a_block_with_savepoints_and_in_a_function() {
    let (abused, name) = abused();
    let db = abused.cluster.existing_database(&name);
    abused.everywhere(&db, |_, call| {
        let perform = match call.strip_prefix("CALL ") {
            Some(_) => call.to_owned(),
            None => format!("PERFORM {}", expression(call)?),
        };
        Some(format!(
            "DO $block$ BEGIN {perform}; END $block$;
             DO $block$ BEGIN
                BEGIN {perform}; EXCEPTION WHEN OTHERS THEN IF SQLSTATE LIKE 'XX%' THEN RAISE; END IF; END;
                BEGIN {perform}; ROLLBACK; EXCEPTION WHEN OTHERS THEN IF SQLSTATE LIKE 'XX%' THEN RAISE; END IF; END;
             END $block$"
        ))
    });
}

#[test]
fn on_a_standby_everything_answers_or_fails_cleanly() {
    let (abused, name) = abused();
    let standby = abused.cluster.standby();
    let db = standby.existing_database(&name);
    abused.everywhere(&db, |_, call| Some(call.to_owned()));
    let log = standby.log();
    assert!(!log.contains("terminated by signal") && !log.contains("panicked"), "{log}");
}

#[test]
fn in_a_single_user_server_everything_answers_or_fails_cleanly() {
    let (abused, name) = abused();
    abused.cluster.stop();
    let script: String = abused.calls.iter().map(|call| call.replace('\n', " ") + ";\n\n").collect();
    let input = abused.cluster.secret_file("calls.sql", &script);
    let output = abused.cluster.shell(
        "postgres --single -j -c log_error_verbosity=verbose -D \"$DATA\" \"$NAME\" <\"$CALLS\" 2>&1",
        &[
            ("DATA", abused.cluster.data_directory().to_str().unwrap()),
            ("CALLS", input.to_str().unwrap()),
            ("NAME", &name),
        ],
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{:?}\n{text}", output.status);
    let answered = text.matches("ERROR:  ").count() + text.matches("\t----").count();
    assert!(answered > abused.calls.len() / 2, "{answered} of {}", abused.calls.len());
    let internal: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("  XX0") || line.contains("PANIC") || line.contains("panicked"))
        .collect();
    assert!(internal.is_empty(), "{internal:?}");
    abused.cluster.start();
}
