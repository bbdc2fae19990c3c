//! The trigger on `auth.users`, and the one that stamps `updated_at`.

use std::thread;
use std::time::Duration;

use auria_tests::{Database, Session, database, refused_with};

#[test]
fn a_sign_up_makes_the_profile_from_its_metadata() {
    let db = database();
    let mut session = db.superuser();
    session.run(
        r#"INSERT INTO auth.users (id, email, raw_user_meta_data)
           VALUES (gen_random_uuid(), 'ana@clinica.test', '{"full_name": "Ana Souza", "cro": "SP-1"}')"#,
    );
    let row = session.query_one("SELECT full_name, cro FROM public.profiles", &[]).unwrap();
    assert_eq!((row.get(0), row.get(1)), ("Ana Souza", "SP-1"));
}

#[test]
fn odd_metadata_never_makes_a_sign_up_fail() {
    let db = database();
    let mut session = db.superuser();
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    for metadata in [
        "NULL".to_owned(),
        "'null'".into(),
        "'7'".into(),
        "'[]'".into(),
        r#"'{"full_name": 7, "cro": {"uf": "SP"}}'"#.into(),
        r#"'{"full_name": null}'"#.into(),
        format!(r#"'{{"full_name": {deep}}}'"#),
        format!(r#"'{{"other": "{}"}}'"#, "x".repeat(1_000_000)),
    ] {
        session.run(&format!("INSERT INTO auth.users (id, raw_user_meta_data) VALUES (gen_random_uuid(), {metadata})"));
    }
    let row = session.query_one("SELECT count(*), count(full_name), count(cro) FROM public.profiles", &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (8, 0, 0));
}

#[test]
fn a_profile_that_exists_stays_as_it_is() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let mut session = db.superuser();
    session.run(
        "UPDATE public.profiles SET full_name = 'Ana'; \
         CREATE TABLE public.kept AS SELECT * FROM auth.users; \
         ALTER TABLE public.profiles DROP CONSTRAINT profiles_user_id_fkey; \
         DELETE FROM auth.users; \
         INSERT INTO auth.users SELECT * FROM public.kept",
    );
    let name: String =
        session.query_one("SELECT full_name FROM public.profiles WHERE user_id = $1", &[&user]).unwrap().get(0);
    assert_eq!(name, "Ana");
}

#[test]
fn a_profile_that_cannot_be_made_is_a_warning_and_not_a_failed_sign_up() {
    let db = database();
    let mut session = db.superuser();
    session.run("ALTER TABLE public.profiles ADD COLUMN branch text NOT NULL");
    session.run("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'ana@clinica.test')");
    assert_eq!(session.value::<i64>("SELECT count(*) FROM auth.users"), 1);
    let warnings = session.notices();
    assert!(warnings[0].message().contains("23502"), "{warnings:?}");
    assert!(!warnings[0].message().contains("ana@"), "{warnings:?}");
}

#[test]
fn an_update_stamps_updated_at_and_a_table_without_it_is_an_error() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let mut session = db.superuser();
    session.execute("UPDATE public.profiles SET updated_at = '2000-01-01' WHERE user_id = $1", &[&user]).unwrap();
    assert!(session.value::<bool>(
        "WITH u AS (UPDATE public.profiles SET phone = '1' RETURNING updated_at) \
         SELECT updated_at = now() FROM u"
    ));
    session.run(
        "CREATE TABLE public.bare (x int); INSERT INTO public.bare VALUES (1); \
         CREATE TRIGGER stamp BEFORE UPDATE ON public.bare \
            FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column()",
    );
    let refusal = refused_with(session.execute("UPDATE public.bare SET x = 2", &[]), "42703");
    assert!(refusal.message().contains("updated_at"));
    assert_eq!(session.value::<i32>("SELECT x FROM public.bare"), 1);
}

#[test]
fn a_trigger_function_called_directly_is_refused() {
    let db = database();
    for function in [
        "handle_new_user",
        "update_updated_at_column",
        "keep_created_at",
        "replace_draft",
        "settle_plan_change",
        "record_plan_change",
        "check_subscription_status",
        "encrypt_patient_phi",
        "encrypt_evaluation_phi",
    ] {
        refused_with(db.superuser().query(&format!("SELECT public.{function}()"), &[]), "39P01");
        refused_with(db.service().query(&format!("SELECT public.{function}()"), &[]), "42501");
    }
}

/// How a statement that waits for a lock is stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stop {
    StatementTimeout,
    Cancel,
    LockTimeout,
    Terminate,
}

/// A server process that waits for a lock on `profiles`, held by somebody else, as its sign-up's trigger runs.
struct Waiting<'db> {
    db: &'db Database<'static>,
    holder: Session,
}

impl<'db> Waiting<'db> {
    fn on_profiles(db: &'db Database<'static>) -> Self {
        db.superuser().run("CREATE TABLE IF NOT EXISTS public.noted (n integer)");
        let mut holder = db.superuser();
        holder.run("BEGIN; LOCK TABLE public.profiles IN EXCLUSIVE MODE");
        Waiting { db, holder }
    }

    /// Sends statements that wait for that lock, and stops them.
    fn stopped(&self, session: &mut Session, stop: Stop, statements: &str) -> Result<(), postgres::Error> {
        let function = match stop {
            Stop::StatementTimeout => {
                session.run("SET statement_timeout = '150ms'");
                None
            }
            Stop::LockTimeout => {
                session.run("SET lock_timeout = '150ms'");
                None
            }
            Stop::Cancel => Some("pg_cancel_backend"),
            Stop::Terminate => Some("pg_terminate_backend"),
        };
        let Some(function) = function else {
            return session.batch_execute(statements);
        };
        let pid = session.backend_pid() as i32;
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = self.db.superuser();
                let signal =
                    format!("SELECT {function}(pid) FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'");
                while other.query(&signal, &[&pid]).unwrap().is_empty() {
                    thread::sleep(Duration::from_millis(5));
                }
            });
            session.batch_execute(statements)
        })
    }

    /// The lock is released; what other sessions see committed: the numbers noted, and how many signed up.
    fn committed(mut self) -> (Vec<i32>, i64) {
        self.holder.run("ROLLBACK");
        let numbers = self.holder.value("SELECT coalesce(array_agg(n ORDER BY n), '{}') FROM public.noted");
        (numbers, self.holder.value("SELECT count(*) FROM auth.users"))
    }
}

const SIGN_UP: &str = "INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'ana@clinica.test')";

/// The session is in no transaction, and what it does now is committed.
fn goes_on(session: &mut Session, n: i32) {
    session.run("RESET statement_timeout; RESET lock_timeout");
    session.notices();
    // Outside of a block a COMMIT is a warning, and not the end of a session whose state is broken.
    session.run("COMMIT");
    assert_eq!(session.notices()[0].code().code(), "25P01");
    session.run(&format!("INSERT INTO public.noted VALUES ({n})"));
}

#[test]
fn a_cancelled_sign_up_leaves_an_autocommit_session_outside_of_any_transaction() {
    for stop in [Stop::StatementTimeout, Stop::Cancel] {
        let db = database();
        let waiting = Waiting::on_profiles(&db);
        let mut session = db.superuser();
        refused_with(waiting.stopped(&mut session, stop, SIGN_UP), "57014");
        goes_on(&mut session, 1);
        assert_eq!(waiting.committed(), (vec![1], 0), "{stop:?}");
        session.run(SIGN_UP);
        assert_eq!(session.value::<i64>("SELECT count(*) FROM public.profiles"), 1);
    }
}

#[test]
fn a_cancelled_sign_up_aborts_its_transaction_block_and_nothing_of_it_is_committed() {
    for stop in [Stop::StatementTimeout, Stop::Cancel] {
        for end in ["COMMIT", "ROLLBACK"] {
            let db = database();
            let waiting = Waiting::on_profiles(&db);
            let mut session = db.superuser();
            session.run("BEGIN; INSERT INTO public.noted VALUES (1)");
            refused_with(waiting.stopped(&mut session, stop, SIGN_UP), "57014");
            refused_with(session.batch_execute("SELECT 1"), "25P02");
            session.run(end);
            goes_on(&mut session, 2);
            assert_eq!(waiting.committed(), (vec![2], 0), "{stop:?}, {end}");
        }
    }
}

#[test]
fn a_cancelled_sign_up_goes_back_to_its_savepoint() {
    for stop in [Stop::StatementTimeout, Stop::Cancel] {
        let db = database();
        let waiting = Waiting::on_profiles(&db);
        let mut session = db.superuser();
        session.run(
            "BEGIN; INSERT INTO public.noted VALUES (1); \
             SAVEPOINT outer_one; INSERT INTO public.noted VALUES (2); \
             SAVEPOINT inner_one; INSERT INTO public.noted VALUES (3)",
        );
        refused_with(waiting.stopped(&mut session, stop, SIGN_UP), "57014");
        session.run(
            "ROLLBACK TO inner_one; RESET statement_timeout; INSERT INTO public.noted VALUES (4); \
             RELEASE inner_one; RELEASE outer_one; INSERT INTO public.noted VALUES (5); COMMIT",
        );
        goes_on(&mut session, 6);
        assert_eq!(waiting.committed(), (vec![1, 2, 4, 5, 6], 0), "{stop:?}");
    }
}

#[test]
fn what_an_exception_handler_rolled_back_after_a_cancelled_sign_up_is_not_committed() {
    for stop in [Stop::StatementTimeout, Stop::Cancel] {
        for block in [false, true] {
            let db = database();
            let waiting = Waiting::on_profiles(&db);
            let mut session = db.superuser();
            let handled = format!(
                "DO $$ BEGIN \
                    INSERT INTO public.noted VALUES (1); \
                    BEGIN \
                        INSERT INTO public.noted VALUES (2); \
                        {SIGN_UP}; \
                    EXCEPTION WHEN query_canceled THEN \
                        INSERT INTO public.noted VALUES (3); \
                    END; \
                    INSERT INTO public.noted VALUES (4); \
                 END $$"
            );
            if block {
                session.run("BEGIN");
            }
            waiting.stopped(&mut session, stop, &handled).unwrap();
            if block {
                session.run("COMMIT");
            }
            goes_on(&mut session, 5);
            assert_eq!(waiting.committed(), (vec![1, 3, 4, 5], 0), "{stop:?}, in a block: {block}");
        }
    }
}

#[test]
fn a_terminated_sign_up_commits_nothing_and_disturbs_nobody_else() {
    let db = database();
    let waiting = Waiting::on_profiles(&db);
    let mut other = db.superuser();
    other.run("BEGIN; INSERT INTO public.noted VALUES (2)");
    let mut session = db.superuser();
    let handled = format!(
        "DO $$ BEGIN INSERT INTO public.noted VALUES (1); {SIGN_UP}; \
         EXCEPTION WHEN OTHERS OR query_canceled THEN INSERT INTO public.noted VALUES (1); END $$"
    );
    let ended = waiting.stopped(&mut session, Stop::Terminate, &handled).unwrap_err();
    // The client may see the end of the connection before the message.
    assert!(ended.is_closed() || ended.code().unwrap().code() == "57P01", "{ended:?}");
    assert!(session.batch_execute("SELECT 1").is_err());
    other.run("COMMIT");
    assert_eq!(waiting.committed(), (vec![2], 0));
}

#[test]
fn a_sign_up_whose_profile_waits_longer_than_lock_timeout_fails_and_may_be_repeated() {
    for (opening, closing) in [("", ""), ("BEGIN", "ROLLBACK"), ("BEGIN; SAVEPOINT one", "ROLLBACK TO one; COMMIT")] {
        let db = database();
        let waiting = Waiting::on_profiles(&db);
        let mut session = db.superuser();
        session.run(opening);
        refused_with(waiting.stopped(&mut session, Stop::LockTimeout, SIGN_UP), "55P03");
        session.run(closing);
        goes_on(&mut session, 1);
        assert_eq!(waiting.committed(), (vec![1], 0), "{opening}");
        session.run(SIGN_UP);
        assert_eq!(session.value::<i64>("SELECT count(*) FROM public.profiles"), 1);
    }
}

/// A team's trigger that fails with this SQLSTATE.
fn fail_with(session: &mut Session, sqlstate: &str) {
    session.run(&format!(
        "CREATE OR REPLACE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'no profile today' USING ERRCODE = '{sqlstate}'; END $$;
         CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON public.profiles FOR EACH ROW EXECUTE FUNCTION public.fail()"
    ));
}

#[test]
fn what_a_repetition_may_not_meet_makes_a_sign_up_fail_so_that_the_client_signs_up_again() {
    for sqlstate in ["40001", "40P01", "53100", "53200", "53400", "57014", "57P03", "58030", "55P03"] {
        let db = database();
        let mut session = db.superuser();
        fail_with(&mut session, sqlstate);
        let refusal = refused_with(session.batch_execute(SIGN_UP), sqlstate);
        assert_eq!(refusal.message(), "no profile today");
        assert_eq!(session.value::<i64>("SELECT count(*) FROM auth.users"), 0, "{sqlstate}");
        session.run("DROP TRIGGER fail ON public.profiles");
        session.run(SIGN_UP);
        assert_eq!(session.value::<i64>("SELECT count(*) FROM public.profiles"), 1);
    }
}

const PROFILES: &str = "SELECT detail FROM auria.doctor() WHERE \"check\" = 'profiles' AND NOT ok";

#[test]
fn a_profile_that_no_repetition_would_make_is_a_warning_and_made_later() {
    for sqlstate in ["23514", "P0001", "42501", "XX000", "PT402"] {
        let db = database();
        let mut session = db.superuser();
        fail_with(&mut session, sqlstate);
        session.run(
            r#"INSERT INTO auth.users (id, raw_user_meta_data)
               VALUES (gen_random_uuid(), '{"full_name": "Ana Souza", "cro": 7}')"#,
        );
        assert!(session.notices()[0].message().contains("no profile was made"), "{sqlstate}");
        assert_eq!(session.value::<i64>("SELECT count(*) FROM auth.users"), 1);
        let found: String = session.value(PROFILES);
        assert_eq!(found, "1 users have no profile: run SELECT auria.create_missing_profiles()");
        // As long as the trigger is there.
        assert_eq!(session.value::<i32>("SELECT auria.create_missing_profiles()"), 0);
        assert!(session.notices()[0].message().contains("for 1 users"), "{sqlstate}");
        session.run("DROP TRIGGER fail ON public.profiles");
        assert_eq!(session.value::<i32>("SELECT auria.create_missing_profiles()"), 1);
        assert_eq!(session.value::<i32>("SELECT auria.create_missing_profiles()"), 0);
        let row = session.query_one("SELECT full_name, cro FROM public.profiles", &[]).unwrap();
        assert_eq!((row.get(0), row.get(1)), (Some("Ana Souza"), None::<&str>));
        assert!(session.query(PROFILES, &[]).unwrap().is_empty());
    }
}

#[test]
fn a_constraint_that_a_team_defers_to_the_commit_never_makes_a_sign_up_fail() {
    let db = database();
    let mut session = db.superuser();
    session.run(
        "CREATE FUNCTION public.check_later() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'not % in this clinic', current_user USING ERRCODE = '23514'; END $$;
         CREATE CONSTRAINT TRIGGER later AFTER INSERT ON public.profiles DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION public.check_later()",
    );
    session.run(SIGN_UP);
    assert!(session.notices()[0].message().contains("23514"));
    assert_eq!(session.value::<i64>("SELECT count(*) FROM auth.users"), 1);
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.profiles"), 0);
}

/// On Supabase `auth.users` belongs to its own role and hides its rows from the schema's owner; a code of a team's, run for
/// the profile of each, has no more rights than the schema's owner.
#[test]
fn missing_profiles_are_made_page_by_page_with_the_rights_of_each_tables_owner() {
    let db = database();
    let mut session = db.superuser();
    session.run(
        "DO $$ BEGIN CREATE ROLE platform_admin; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         GRANT USAGE ON SCHEMA auth TO platform_admin;
         ALTER TABLE auth.users OWNER TO platform_admin;
         SET session_replication_role = replica;
         INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 2500);
         INSERT INTO auth.users (id) VALUES ('00000000-0000-0000-0000-000000000000');
         RESET session_replication_role;
         INSERT INTO auth.users (id) VALUES (gen_random_uuid());
         ALTER TABLE public.profiles ADD COLUMN written_by text DEFAULT current_user",
    );
    assert!(session.value::<String>(PROFILES).starts_with("2501 users have no profile"));
    assert_eq!(session.value::<i32>("SELECT auria.create_missing_profiles()"), 2501);
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.profiles WHERE written_by = 'auria_owner'"), 2501);
    assert!(session.query(PROFILES, &[]).unwrap().is_empty());
    refused_with(db.service().query("SELECT auria.create_missing_profiles()", &[]), "42501");
}

/// The settings of a new connection, as ALTER DATABASE gives them.
fn with_sign_up_settings(db: &Database<'_>, plan: &str, bonus: i32) -> Session {
    let mut dba = db.superuser();
    dba.run(&format!(
        "ALTER DATABASE {name} SET auria.sign_up_plan = '{plan}'; ALTER DATABASE {name} SET auria.sign_up_bonus = {bonus}",
        name = db.name()
    ));
    db.superuser()
}

#[test]
fn a_new_account_gets_the_plan_and_the_bonus_that_the_database_gives() {
    let db = database();
    let before = db.sign_up("zoe@clinica.test");
    let mut session = with_sign_up_settings(&db, "starter", 5);
    session.run("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'ana@clinica.test')");
    assert_eq!(
        session.value::<String>("SELECT concat_ws(' ', plan_id, status, credits_bonus) FROM public.subscriptions"),
        "starter active 5"
    );
    assert_eq!(session.value::<String>("SELECT concat_ws(' ', kind, bonus) FROM public.credit_events"), "start 5");
    // Somebody who had signed up before keeps what he has; one whose profile could not be made gets both.
    session.run(&format!(
        "DELETE FROM public.profiles WHERE user_id <> '{before}'; DELETE FROM public.subscriptions;
         SELECT auria.create_missing_profiles()"
    ));
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.subscriptions"), 1);
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.profiles"), 2);
    // It is the database's decision, and nobody else's.
    let mut service = db.service();
    service.run("SELECT public.get_credit_cost('case_analysis')");
    refused_with(service.batch_execute("SET auria.sign_up_plan = 'price_elite_monthly'"), "42501");
}

#[test]
fn a_plan_that_is_gone_makes_the_profile_alone_and_a_warning() {
    let db = database();
    let mut session = with_sign_up_settings(&db, "no_such_plan", 5);
    session.run("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'ana@clinica.test')");
    let warnings: Vec<String> = session.notices().iter().map(|notice| notice.message().to_owned()).collect();
    assert!(warnings.iter().any(|warning| warning.contains("auria.sign_up_plan does not exist")), "{warnings:?}");
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.profiles"), 1);
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.subscriptions"), 0);
}
