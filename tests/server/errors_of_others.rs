//! An error that a team's trigger, rule or constraint raises below a function or view reaches the client as it was raised.

use auria_tests::{As, Database, Session, database, insert_evaluation, refused};
use postgres::error::DbError;
use uuid::Uuid;

/// PostgREST's word for a status, codes that PostgreSQL does not know, and codes that the extension gives itself or decides by.
const CODES: [&str; 9] = ["PT402", "P0042", "ZZ999", "23503", "23505", "42501", "42P13", "55P03", "40001"];

/// Code, message, detail, hint, and the names of schema, table, column, type and constraint.
fn whole(error: &DbError) -> Vec<String> {
    let rest = [error.detail(), error.hint(), error.schema(), error.table(), error.column(), error.datatype()];
    let mut all = vec![error.code().code().to_owned(), error.message().to_owned()];
    all.extend(rest.iter().chain(&[error.constraint()]).map(|text| text.unwrap_or_default().to_owned()));
    all
}

/// What `public.objects()` raises with this code.
fn objection(code: &str) -> Vec<String> {
    let texts =
        ["não", "its \"patients_raw\"", "its hint", "its schema", "its table", "its column", "its type", "its rule"];
    [code].iter().chain(&texts).map(|text| (*text).to_owned()).collect()
}

/// A trigger function that raises an error with all fields, of the code that its argument says.
const OBJECTS: &str = "CREATE FUNCTION public.objects() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
         RAISE EXCEPTION 'não' USING ERRCODE = TG_ARGV[0], DETAIL = 'its \"patients_raw\"', HINT = 'its hint',
             SCHEMA = 'its schema', TABLE = 'its table', COLUMN = 'its column', DATATYPE = 'its type',
             CONSTRAINT = 'its rule';
     END $$";

/// Has a trigger object to `event`, such as `INSERT ON public.credit_usage`, and compares what the call as `role` raises.
fn objects(db: &Database<'_>, event: &str, role: &str, prepared: &str, call: &str) {
    let mut dba = db.superuser();
    for code in CODES {
        for time in ["BEFORE", "AFTER"] {
            dba.run(&format!(
                "BEGIN; {prepared};
                 CREATE TRIGGER a_teams {time} {event} FOR EACH ROW EXECUTE FUNCTION public.objects('{code}');
                 SET LOCAL ROLE {role}"
            ));
            let raised = refused(dba.batch_execute(call));
            assert_eq!(whole(&raised), objection(code), "{time} {event}: {call}: {raised:?}");
            dba.run("ROLLBACK");
        }
    }
}

#[test]
fn what_a_teams_trigger_raises_below_a_function_reaches_its_client_whole() {
    let db = database();
    let free = db.sign_up("ana@clinica.test");
    let paying = db.sign_up_on_plan("bia@clinica.test", "starter");
    db.superuser().run(OBJECTS);
    let reference = Uuid::new_v4();
    let charged = format!("SELECT public.use_credits('{paying}', 'case_analysis', '{reference}')");
    let free_use = format!("SELECT public.use_credits('{free}', 'case_analysis', '{reference}')");
    let limit = format!("SELECT * FROM public.check_and_increment_rate_limit('{free}', 'f', now(), now(), now())");
    let over = "UPDATE public.subscriptions SET usage_reset_at = now() - interval '40 days'";
    let ledger = "INSERT ON public.credit_usage";
    let account = "UPDATE ON public.subscriptions";
    let evaluation = insert_evaluation(&format!("'{free}'"), &[("status", "'analyzing'")]);
    let cases = [
        (ledger, "", charged.replace(&format!(", '{reference}'"), "")),
        (account, "", charged.replace(&format!(", '{reference}'"), "")),
        (ledger, "", charged.clone()),
        (account, "", charged.clone()),
        (ledger, "", free_use.replace(&format!(", '{reference}'"), "")),
        (ledger, "", free_use.clone()),
        (ledger, &*charged, charged.replace("use_credits", "refund_credits")),
        (account, &*charged, charged.replace("use_credits", "refund_credits")),
        (ledger, &*charged, format!("SELECT public.refund_credits('{paying}', 'case_analysis')")),
        (account, &*charged, format!("SELECT public.refund_credits('{paying}', 'case_analysis')")),
        (ledger, &*free_use, format!("SELECT public.refund_credits('{free}', 'case_analysis')")),
        (account, "", format!("SELECT public.add_bonus_credits('{paying}', 5)")),
        ("INSERT ON public.subscriptions", "", format!("SELECT public.add_bonus_credits('{free}', 5)")),
        (account, "", format!("SELECT public.increment_case_usage('{paying}')")),
        (account, over, "SELECT public.reset_monthly_usage_with_rollover()".to_owned()),
        (account, over, "SELECT public.reset_monthly_usage()".to_owned()),
        ("INSERT ON public.rate_limits", "", limit.clone()),
        ("UPDATE ON public.rate_limits", &*limit, limit.clone()),
        (
            "DELETE ON public.rate_limits",
            &format!(
                "INSERT INTO public.rate_limits (user_id, function_name, updated_at)
                 VALUES ('{free}', 'f', now() - interval '8 days')"
            ),
            "SELECT public.cleanup_old_rate_limits()".to_owned(),
        ),
        (
            "DELETE ON public.evaluation_drafts",
            &format!(
                "INSERT INTO public.evaluation_drafts (user_id, draft_data, updated_at)
                 VALUES ('{free}', '{{}}', now() - interval '40 days')"
            ),
            "SELECT public.cleanup_stale_drafts()".to_owned(),
        ),
        (
            "DELETE ON public.shared_links",
            &format!(
                "INSERT INTO public.shared_links (user_id, session_id, expires_at)
                 VALUES ('{free}', gen_random_uuid(), now() - interval '8 days')"
            ),
            "SELECT public.cleanup_expired_shared_links()".to_owned(),
        ),
        (
            "UPDATE ON public.evaluations",
            &format!(
                "{evaluation}; SET LOCAL session_replication_role = replica;
                 UPDATE public.evaluations SET updated_at = now() - interval '1 hour';
                 SET LOCAL session_replication_role = origin"
            ),
            "SELECT public.cleanup_stuck_evaluations()".to_owned(),
        ),
        ("DELETE ON public.evaluations", &*evaluation, format!("SELECT * FROM auria.erase_user('{free}')")),
    ];
    for (event, prepared, call) in &cases {
        objects(&db, event, "service_role", prepared, call);
    }
}

#[test]
fn what_a_teams_trigger_raises_below_a_trigger_of_the_extension_reaches_its_client_whole() {
    let db = database();
    let dentist = db.sign_up_on_plan("ana@clinica.test", "price_essencial_monthly");
    db.superuser().run(OBJECTS);
    // The part that bonus paid is recorded when the plan changes.
    let prepared = format!(
        "SELECT public.add_bonus_credits(p_user_id => '{dentist}', p_credits => 10);
         SELECT public.use_credits(p_user_id => '{dentist}', p_operation => 'case_analysis') FROM generate_series(1, 25)"
    );
    let change = "UPDATE public.subscriptions
        SET plan_id = (SELECT id FROM public.subscription_plans ORDER BY credits_per_month DESC LIMIT 1)";
    objects(&db, "INSERT ON public.credit_usage", "service_role", &prepared, change);
}

#[test]
fn what_a_team_raises_below_a_procedure_or_a_migration_reaches_its_client_whole() {
    let db = database();
    let dentist = db.sign_up_on_plan("ana@clinica.test", "starter");
    let mut dba = db.superuser();
    dba.run(OBJECTS);
    dba.run(&format!(
        "UPDATE public.subscriptions SET usage_reset_at = now() - interval '40 days';
         ALTER TABLE public.patients DISABLE TRIGGER USER;
         INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria');
         ALTER TABLE public.patients ENABLE TRIGGER USER"
    ));
    for (table, call) in [("subscriptions", "CALL auria.reset_monthly(10)"), ("patients", "CALL auria.phi_backfill()")]
    {
        for code in CODES {
            dba.run(&format!(
                "CREATE TRIGGER a_teams BEFORE UPDATE ON public.{table}
                    FOR EACH ROW EXECUTE FUNCTION public.objects('{code}')"
            ));
            let raised = refused(dba.batch_execute(call));
            assert_eq!(whole(&raised), objection(code), "{call}: {raised:?}");
            dba.run(&format!("DROP TRIGGER a_teams ON public.{table}"));
        }
    }
    dba.run("CALL auria.phi_backfill()");
    // An event trigger is the team's word on DDL, of a migration too.
    for code in CODES {
        dba.run(&format!(
            "CREATE FUNCTION public.no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE EXCEPTION 'não' USING ERRCODE = '{code}', DETAIL = 'its \"patients_raw\"', HINT = 'its hint',
                     SCHEMA = 'its schema', TABLE = 'its table', COLUMN = 'its column', DATATYPE = 'its type',
                     CONSTRAINT = 'its rule';
             END $$;
             CREATE EVENT TRIGGER no_ddl ON ddl_command_start WHEN TAG IN ('ALTER TABLE', 'CREATE VIEW', 'CREATE FUNCTION')
                 EXECUTE FUNCTION public.no_ddl()"
        ));
        for call in ["SELECT * FROM auria.migrate(again => true)", "CALL auria.phi_seal()"] {
            let raised = refused(dba.batch_execute(call));
            assert_eq!(whole(&raised), objection(code), "{call}: {raised:?}");
        }
        dba.run("DROP EVENT TRIGGER no_ddl; DROP FUNCTION public.no_ddl()");
    }
}

#[test]
fn what_a_teams_constraint_refuses_below_a_function_is_said_as_postgresql_says_it() {
    let db = database();
    let free = db.sign_up("ana@clinica.test");
    let mut dba = db.superuser();
    dba.run(
        "CREATE TABLE public.clinics (id uuid PRIMARY KEY);
         ALTER TABLE public.credit_usage
             ADD COLUMN clinic uuid REFERENCES public.clinics, ADD COLUMN payer uuid REFERENCES auth.users;
         ALTER TABLE public.subscriptions ADD COLUMN clinic uuid REFERENCES public.clinics;
         ALTER TABLE public.credit_usage ALTER COLUMN clinic SET DEFAULT gen_random_uuid();
         ALTER TABLE public.subscriptions ALTER COLUMN clinic SET DEFAULT gen_random_uuid()",
    );
    for (table, call) in [
        ("credit_usage", format!("use_credits('{free}', 'case_analysis')")),
        ("credit_usage", format!("use_credits('{free}', 'case_analysis', gen_random_uuid())")),
        ("credit_usage", format!("use_credits('{free}', 'dsd_simulation')")),
        ("subscriptions", format!("add_bonus_credits('{free}', 5)")),
    ] {
        let raised = whole(&refused(dba.batch_execute(&format!("SELECT public.{call}"))));
        let rule = format!("{table}_clinic_fkey");
        assert_eq!(raised[0], "23503", "{call}: {raised:?}");
        assert_eq!(
            raised[1],
            format!("insert or update on table \"{table}\" violates foreign key constraint \"{rule}\""),
            "{call}"
        );
        assert!(raised[2].contains("is not present in table \"clinics\""), "{call}: {raised:?}");
        assert_eq!(raised[4..], ["public", table, "", "", &rule].map(str::to_owned), "{call}");
    }
    // A user who does not exist is still said to be unknown, under any name of the rule.
    dba.run(
        "ALTER TABLE public.credit_usage DROP COLUMN clinic;
         ALTER TABLE public.subscriptions DROP COLUMN clinic;
         ALTER TABLE public.credit_usage RENAME CONSTRAINT credit_usage_user_id_fkey TO whose",
    );
    for (call, table, rule) in [
        ("use_credits(gen_random_uuid(), 'case_analysis')", "credit_usage", "whose"),
        ("add_bonus_credits(gen_random_uuid(), 5)", "subscriptions", "subscriptions_user_id_fkey"),
    ] {
        let raised = refused(dba.batch_execute(&format!("SELECT public.{call}")));
        assert_eq!(whole(&raised)[4..], ["public", table, "", "", rule].map(str::to_owned), "{call}");
        assert_eq!(raised.code().code(), "23503", "{call}");
        assert_eq!(raised.message(), "there is no user with this id", "{call}");
        assert!(raised.hint().is_some(), "{call}");
    }
    // Another rule on the same table that leads to auth.users is the team's.
    dba.run("ALTER TABLE public.credit_usage ALTER COLUMN payer SET DEFAULT gen_random_uuid()");
    let raised = refused(dba.batch_execute(&format!("SELECT public.use_credits('{free}', 'case_analysis')")));
    assert_eq!(raised.constraint(), Some("credit_usage_payer_fkey"), "{raised:?}");
}

#[test]
fn what_a_team_raises_below_a_sealed_write_reaches_its_client_whole() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut dba = db.superuser();
    dba.run(OBJECTS);
    dba.run(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria Irrepetível')"));
    dba.run("CALL auria.phi_seal()");
    let mut session = db.session(As::User(dentist));
    for (event, statement) in [
        ("INSERT", format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Outra')")),
        ("UPDATE", "UPDATE public.patients SET notes = 'hipertensa'".to_owned()),
        ("UPDATE", "UPDATE public.patients SET name = 'Outra'".to_owned()),
        ("DELETE", "DELETE FROM public.patients".to_owned()),
    ] {
        for code in CODES {
            for time in ["BEFORE", "AFTER"] {
                dba.run(&format!(
                    "CREATE TRIGGER a_teams {time} {event} ON auria_raw.patients_raw
                        FOR EACH ROW EXECUTE FUNCTION public.objects('{code}')"
                ));
                let raised = refused(session.batch_execute(&statement));
                assert_eq!(whole(&raised), objection(code), "{time} {statement}: {raised:?}");
                // The place in the team's function, and no statement that the client did not send.
                assert_eq!(raised.where_(), Some("PL/pgSQL function public.objects() line 3 at RAISE"), "{statement}");
                dba.run("DROP TRIGGER a_teams ON auria_raw.patients_raw");
            }
        }
    }
}

/// All that a client and the log get of an error.
fn everything(session: &mut Session, statement: &str) -> String {
    format!("{:?}", refused(session.batch_execute(statement)))
}

#[test]
fn the_rules_of_a_team_on_a_stored_table_are_named_as_in_the_open_layout_and_quote_no_row() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut dba = db.superuser();
    dba.run(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria Irrepetível')"));
    dba.run("CALL auria.phi_seal()");
    dba.run(
        "ALTER TABLE auria_raw.patients_raw
             ADD CONSTRAINT has_phone CHECK (phone_encrypted IS NOT NULL) NOT VALID,
             ADD CONSTRAINT one_owner UNIQUE (user_id)",
    );
    let mut session = db.session(As::User(dentist));
    let insert = |name: &str, phone: &str| {
        format!("INSERT INTO public.patients (user_id, name, phone) VALUES ('{dentist}', '{name}', {phone})")
    };
    let raised = refused(session.batch_execute(&insert("Outra Irrepetível", "NULL")));
    assert_eq!(
        whole(&raised),
        [
            "23514",
            "new row for relation \"patients\" violates check constraint \"has_phone\"",
            "",
            "",
            "public",
            "patients",
            "",
            "",
            "has_phone"
        ]
    );
    // PostgreSQL shows keys to roles that row-level security does not bind.
    let mut service = db.service();
    let raised = refused(service.batch_execute(&insert("Outra Irrepetível", "'1'")));
    assert_eq!(
        whole(&raised),
        [
            "23505",
            "duplicate key value violates unique constraint \"one_owner\"",
            &format!("Key (user_id)=({dentist}) already exists."),
            "",
            "public",
            "patients",
            "",
            "",
            "one_owner"
        ]
    );
    for statement in [
        insert("Outra Irrepetível", "NULL"),
        insert("Outra Irrepetível", "'1'"),
        insert("Maria Irrepetível", "'1'"),
        "UPDATE public.patients SET name = 'Nova Irrepetível'".to_owned(),
    ] {
        for session in [&mut session, &mut service] {
            let all = everything(session, &statement);
            assert!(!all.contains("Irrepetível") && !all.contains("digest)=") && !all.contains("\\\\x"), "{all}");
        }
    }
}
