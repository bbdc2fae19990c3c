//! Code that is not the extension's runs with the rights of its owner or its caller, and never with a superuser's.

use auria_tests::{As, ClusterOptions, Database, Platform, Session, database, empty_database};

use crate::support::legacy::{ANA, LAST};

/// Tries to become a superuser, and says as whom it ran.
fn hostile(role: &str) -> String {
    format!(
        "CREATE FUNCTION public.seize() RETURNS void LANGUAGE plpgsql VOLATILE AS $$ BEGIN \
             RAISE WARNING 'seize as %', current_user; \
             BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END; \
             BEGIN EXECUTE 'RESET ROLE'; EXECUTE 'ALTER ROLE {role} SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END; \
         END $$; \
         CREATE FUNCTION public.seize_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM public.seize(); IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$; \
         CREATE FUNCTION public.seize_value(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN \
             PERFORM public.seize(); RETURN true; END $$; "
    )
}

/// The roles that ran the hostile code since the last call.
fn seized(session: &mut Session) -> Vec<String> {
    session
        .notices()
        .iter()
        .filter_map(|notice| notice.message().strip_prefix("seize as "))
        .map(str::to_owned)
        .collect()
}

fn is_superuser(admin: &mut Session, role: &str) -> bool {
    admin.value(&format!("SELECT rolsuper FROM pg_roles WHERE rolname = '{role}'"))
}

/// A team's role with the rights of the schema's owner, named after the database: roles belong to the server.
/// Its session is not a superuser's after SET ROLE: RESET ROLE would undo that.
fn team(db: &Database) -> (&'static str, Session) {
    let role: &str = format!("{}_team", db.name()).leak();
    db.superuser().run(&format!(
        "CREATE ROLE {role} LOGIN; GRANT auria_owner TO {role}; GRANT CREATE ON SCHEMA public TO {role}"
    ));
    let mut session = db.session(As::Role(role));
    session.run(&hostile(role));
    session.run("SET ROLE auria_owner");
    (role, session)
}

#[test]
fn no_command_of_a_superuser_lends_its_rights_to_what_a_team_put_on_a_table() {
    let db = database();
    let mut admin = db.superuser();
    let (role, mut team) = team(&db);
    let dentist = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    admin.run(&format!(
        "INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria'); \
         UPDATE public.patients SET name_encrypted = NULL; \
         INSERT INTO public.rate_limits (user_id, function_name, updated_at) VALUES ('{dentist}', 'x', now() - interval '9 days'); \
         UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days'"
    ));
    // Ciphertexts that are missing: written while no trigger fires.
    admin.run(
        "SET session_replication_role = replica; UPDATE public.patients SET name_encrypted = NULL; \
         UPDATE public.rate_limits SET updated_at = now() - interval '9 days'; RESET session_replication_role",
    );
    for table in ["patients", "subscriptions", "subscription_plans", "credit_costs", "resin_catalog", "rate_limits"] {
        team.run(&format!(
            "CREATE TRIGGER seize BEFORE INSERT OR UPDATE OR DELETE ON public.{table} FOR EACH ROW EXECUTE FUNCTION public.seize_trigger(); \
             CREATE CONSTRAINT TRIGGER seize_later AFTER INSERT OR UPDATE OR DELETE ON public.{table} DEFERRABLE INITIALLY DEFERRED \
                FOR EACH ROW EXECUTE FUNCTION public.seize_trigger(); \
             ALTER TABLE public.{table} ADD CONSTRAINT seized CHECK (public.seize_value(created_at)) NOT VALID, \
                ADD seized boolean DEFAULT public.seize_value(1); \
             CREATE INDEX {table}_seized ON public.{table} (public.seize_value(created_at)); \
             CREATE INDEX {table}_seized_at_planning ON public.{table} (public.seize_value(2))"
        ));
    }
    team.run("CREATE TRIGGER seize BEFORE INSERT OR UPDATE ON auria.migrations FOR EACH ROW EXECUTE FUNCTION public.seize_trigger()");
    for command in [
        "SELECT * FROM auria.migrate()",
        "SELECT * FROM auria.migrate(again => true)",
        "CALL auria.phi_backfill()",
        "CALL auria.reset_monthly()",
        "SELECT * FROM auria.phi_status()",
        "SELECT * FROM auria.doctor()",
        "SELECT auria.run_as_owner('public.cleanup_old_rate_limits()')",
        "DROP EXTENSION auria CASCADE; CREATE EXTENSION auria",
    ] {
        // The planner caches its evaluation of an index's expression in the session.
        let mut admin = db.superuser();
        let outcome = admin.batch_execute(command);
        let by = seized(&mut admin);
        assert!(outcome.is_ok() || !by.is_empty(), "{command}: {outcome:?}");
        // A migration that has nothing to do meets nothing, and phi_status() reads whole tables.
        assert!(
            !by.is_empty() || command.ends_with("migrate()") || command.contains("phi_status"),
            "{command} fired nothing"
        );
        assert!(by.iter().all(|name| name == "auria_owner"), "{command}: {by:?}");
        assert!(!is_superuser(&mut admin, role), "{command}");
    }
}

#[test]
fn no_function_that_a_superuser_calls_leaves_a_deferred_trigger_to_his_rights() {
    let db = database();
    let mut admin = db.superuser();
    let (role, mut team) = team(&db);
    let dentist = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    for table in
        ["subscriptions", "credit_usage", "rate_limits", "evaluation_drafts", "shared_links", "evaluations", "profiles"]
    {
        team.run(&format!(
            "CREATE CONSTRAINT TRIGGER seize_later AFTER INSERT OR UPDATE OR DELETE ON public.{table} \
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.seize_trigger()"
        ));
    }
    let prepare = format!(
        "SET session_replication_role = replica; \
         UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days', month_ends_at = '-infinity'; \
         INSERT INTO public.rate_limits (user_id, function_name, updated_at) \
         VALUES ('{dentist}', 'old', now() - interval '9 days') ON CONFLICT DO NOTHING; \
         RESET session_replication_role"
    );
    let window = "now() - interval '1 hour'";
    for call in [
        format!("use_credits('{dentist}', 'case_analysis')"),
        format!("use_credits('{dentist}', 'case_analysis', gen_random_uuid())"),
        format!("refund_credits('{dentist}', 'case_analysis')"),
        format!("add_bonus_credits('{dentist}', 3)"),
        format!("add_bonus_credits('{dentist}', 3, gen_random_uuid()::text)"),
        format!("revoke_bonus_credits('{dentist}', 1, gen_random_uuid()::text)"),
        format!("check_and_increment_rate_limit('{dentist}', 'f', {window}, {window}, {window})"),
        format!("increment_case_usage('{dentist}')"),
        "reset_monthly_usage_with_rollover()".to_owned(),
        "reset_monthly_usage()".to_owned(),
        "cleanup_old_rate_limits()".to_owned(),
    ] {
        // He has taken a role of less rights, or not: a trigger could go back to his own.
        for before in ["RESET ROLE", "SET ROLE service_role"] {
            admin.run(&format!("RESET ROLE; {prepare}; {before}"));
            seized(&mut admin);
            admin.run(&format!("SELECT public.{call}"));
            let by = seized(&mut admin);
            assert!(!by.is_empty(), "{call} fired nothing");
            assert!(by.iter().all(|name| name == "auria_owner"), "{before}: {call}: {by:?}");
            assert!(!is_superuser(&mut admin, role), "{before}: {call}");
        }
    }
}

/// A constraint that waits for the end of the transaction does so for the backend's role.
#[test]
fn a_charge_of_the_backend_leaves_deferred_constraints_deferred() {
    let db = database();
    let dentist = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    db.superuser().run(
        "CREATE TABLE public.places (user_id uuid PRIMARY KEY); GRANT ALL ON public.places TO service_role, auria_owner; \
         ALTER TABLE public.credit_usage ADD FOREIGN KEY (user_id) REFERENCES public.places DEFERRABLE INITIALLY DEFERRED",
    );
    let mut service = db.service();
    service.run(&format!(
        "BEGIN; SELECT public.use_credits('{dentist}', 'case_analysis'); \
         INSERT INTO public.places VALUES ('{dentist}'); COMMIT"
    ));
    assert_eq!(service.value::<i64>("SELECT count(*) FROM public.credit_usage"), 1);
}

#[test]
fn a_function_that_a_team_replaced_runs_as_the_owner_when_a_job_calls_it() {
    let db = database();
    let mut admin = db.superuser();
    let (role, mut team) = team(&db);
    team.run(
        "CREATE OR REPLACE FUNCTION public.cleanup_old_rate_limits() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM public.seize(); RETURN 7; END $$",
    );
    seized(&mut admin);
    assert_eq!(admin.value::<i32>("SELECT auria.run_as_owner('public.cleanup_old_rate_limits()')"), 7);
    assert_eq!(seized(&mut admin), ["auria_owner"]);
    assert!(!is_superuser(&mut admin, role));
}

/// A role with CREATE on the database makes the platform before the extension comes.
#[test]
fn a_stranger_who_made_the_platform_first_does_not_become_a_superuser() {
    let db = empty_database();
    let mut admin = db.superuser();
    let role: &str = format!("{}_stranger", db.name()).leak();
    admin.run(&format!(
        "CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {} TO {role}; CREATE EXTENSION pg_trgm",
        db.name()
    ));
    let mut stranger = db.session(As::Role(role));
    stranger.run("CREATE SCHEMA auth; CREATE SCHEMA storage; GRANT USAGE ON SCHEMA auth, storage TO PUBLIC");
    stranger.run(&hostile(role).replace("public.", "auth."));
    stranger.run(
        "CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM auth.seize(); \
             RETURN nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'; END $$; \
         CREATE FUNCTION storage.foldername(name text) RETURNS text[] LANGUAGE plpgsql AS $$ BEGIN PERFORM auth.seize(); \
             RETURN string_to_array(name, '/'); END $$; \
         CREATE TABLE auth.users (id uuid PRIMARY KEY, email text, raw_user_meta_data jsonb, raw_app_meta_data jsonb, \
             created_at timestamptz, updated_at timestamptz); \
         CREATE TRIGGER seize BEFORE INSERT OR UPDATE ON auth.users FOR EACH ROW EXECUTE FUNCTION auth.seize_trigger(); \
         CREATE INDEX ON auth.users (auth.seize_value(1)); \
         CREATE TABLE storage.buckets (id text PRIMARY KEY, name text NOT NULL, public boolean); \
         CREATE TRIGGER seize BEFORE INSERT OR UPDATE ON storage.buckets FOR EACH ROW EXECUTE FUNCTION auth.seize_trigger(); \
         CREATE TABLE storage.objects (id uuid, bucket_id text, name text); \
         ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY; GRANT ALL ON storage.objects TO PUBLIC",
    );
    // The planner would evaluate an index's expression for the schema's owner.
    let refusal = auria_tests::refused_with(admin.batch_execute("CREATE EXTENSION auria"), "42501");
    assert!(refusal.message().contains("function auth.seize_value(anyelement)"), "{refusal:?}");
    admin.run("DROP INDEX auth.users_seize_value_idx");
    seized(&mut admin);
    admin.run("CREATE EXTENSION auria");
    let by = seized(&mut admin);
    assert!(!by.is_empty());
    assert!(by.iter().all(|name| name == role), "{by:?}");
    assert!(!is_superuser(&mut admin, role));

    let dentist = uuid::Uuid::new_v4();
    stranger.run(&format!("INSERT INTO auth.users VALUES ('{dentist}')"));
    let mut user = db.session(As::User(dentist));
    assert!(user.value::<bool>(&format!("SELECT public.can_use_credits('{dentist}', 'case_analysis')")));
    user.run("SELECT count(*) FROM public.patients; SELECT count(*) FROM storage.objects");
    let by = seized(&mut user);
    assert!(!by.is_empty() && by.iter().all(|name| name == "authenticated"), "{by:?}");
    admin.run("SELECT * FROM auria.migrate(again => true); SELECT * FROM auria.doctor()");
    let by = seized(&mut admin);
    assert!(by.iter().all(|name| name == role), "{by:?}");
    assert!(!is_superuser(&mut admin, role));
}

#[test]
fn nothing_of_public_belongs_to_a_superuser_on_a_fresh_installation() {
    let db = database();
    let mut admin = db.superuser();
    let of_superusers = "SELECT COALESCE(string_agg(object, ', '), '') FROM ( \
            SELECT oid::regclass::text, relowner FROM pg_class WHERE relnamespace IN ('public'::regnamespace, to_regnamespace('auria_raw')) \
             UNION ALL SELECT oid::regclass::text, relowner FROM pg_class WHERE relnamespace IN ('auth'::regnamespace, 'storage'::regnamespace) \
             UNION ALL SELECT oid::regprocedure::text, proowner FROM pg_proc WHERE pronamespace IN ('public'::regnamespace, 'auth'::regnamespace, 'storage'::regnamespace) \
                AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e') \
        ) AS objects (object, owner) JOIN pg_roles r ON r.oid = owner AND r.rolsuper";
    assert_eq!(admin.value::<String>(of_superusers), "");
    // A dump makes the schemas before the extension can make the role.
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner AND r.rolsuper \
              WHERE nspname IN ('auria', 'auth', 'storage')"
        ),
        3
    );
}

/// Supabase as it is: the migrations' role, the database and the platform's schemas belong to roles that are no superusers.
#[test]
fn on_a_platform_whose_owners_are_no_superusers_everything_works() {
    let cluster = ClusterOptions::default().platform(Platform::PostgreSql).start();
    let db = cluster.legacy_database(LAST);
    let mut admin = db.superuser();
    admin.run(
        "CREATE ROLE migrations; CREATE ROLE supabase_auth_admin; CREATE ROLE supabase_storage_admin; \
         GRANT USAGE ON SCHEMA auth TO migrations; GRANT USAGE ON SCHEMA public TO supabase_auth_admin",
    );
    admin.run(&format!(
        "ALTER DATABASE {} OWNER TO migrations; ALTER SCHEMA auth OWNER TO supabase_auth_admin; \
         ALTER SCHEMA storage OWNER TO supabase_storage_admin; \
         DO $$ DECLARE line text; BEGIN FOR line IN \
            SELECT format('ALTER %s %s OWNER TO %s', kind, object, CASE namespace WHEN 'auth' THEN 'supabase_auth_admin' \
                          WHEN 'storage' THEN 'supabase_storage_admin' ELSE 'migrations' END) FROM ( \
                SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass::text, relnamespace::regnamespace::text FROM pg_class WHERE relkind IN ('r', 'v') \
                UNION ALL SELECT 'FUNCTION', oid::regprocedure::text, pronamespace::regnamespace::text FROM pg_proc) AS o (kind, object, namespace) \
             WHERE namespace IN ('auth', 'storage', 'public') LOOP EXECUTE line; END LOOP; END $$",
        db.name()
    ));
    admin.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
    assert_eq!(
        admin.value::<String>(
            "SELECT string_agg(DISTINCT owner::regrole::text, ',') FROM ( \
                SELECT relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' \
                UNION ALL SELECT proowner FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND prosecdef) AS o (owner)"
        ),
        "migrations"
    );
    for role in ["supabase_auth_admin", "supabase_storage_admin"] {
        assert_eq!(
            admin.value::<i64>(&format!(
                "SELECT count(*) FROM pg_class WHERE relowner = '{role}'::regrole AND relkind = 'r'"
            )),
            if role.contains("auth") { 1 } else { 2 }
        );
    }
    // Five constraints wait for people to settle a row of a user who is gone; no more, though row security hides all users.
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM pg_constraint WHERE NOT convalidated"), 4);

    let bia = uuid::Uuid::new_v4();
    admin.run(&format!(
        "SET ROLE supabase_auth_admin; INSERT INTO auth.users (id, email, raw_user_meta_data) \
         VALUES ('{bia}', 'nova@clinica.example', '{{\"full_name\": \"Nova\"}}'); RESET ROLE"
    ));
    let mut service = db.service();
    assert_eq!(
        service.value::<String>(&format!("SELECT full_name FROM public.profiles WHERE user_id = '{bia}'")),
        "Nova"
    );
    let used = format!("SELECT credits_used_this_month FROM public.subscriptions WHERE user_id = '{ANA}'");
    let before: i32 = service.value(&used);
    assert!(service.value::<bool>(&format!("SELECT public.use_credits('{ANA}', 'case_analysis')")));
    assert!(service.value::<bool>(&format!("SELECT public.use_credits('{bia}', 'case_analysis')")));
    assert_eq!(service.value::<i32>(&used), before + 1);
    assert!(service.value::<bool>(&format!("SELECT public.refund_credits('{ANA}', 'case_analysis')")));
    assert_eq!(service.value::<i32>(&used), before);
    admin.run("UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days' WHERE status = 'active'");
    assert_eq!(service.value::<i32>("SELECT public.reset_monthly_usage_with_rollover()"), 1);
    service.run("CALL auria.phi_backfill()");

    let mut ana = db.authenticated(ANA.parse().unwrap());
    ana.run(&format!(
        "INSERT INTO public.patients (user_id, name) VALUES ('{ANA}', 'Paula'); \
         INSERT INTO storage.objects (bucket_id, name) VALUES ('avatars', '{ANA}/eu.png')"
    ));
    assert_eq!(
        service.value::<String>("SELECT public.phi_decrypt(name_encrypted) FROM public.patients WHERE name = 'Paula'"),
        "Paula"
    );
    let token: String = ana.value(&format!(
        "INSERT INTO public.shared_links (user_id, session_id) \
         SELECT user_id, session_id FROM public.evaluations WHERE session_id IS NOT NULL AND user_id = '{ANA}' LIMIT 1 RETURNING token"
    ));
    assert_eq!(db.anon().value::<String>(&format!("SELECT public.check_shared_link_status('{token}')")), "valid");
    auria_tests::refused_with(
        admin.batch_execute("INSERT INTO public.patients (user_id, name) VALUES (gen_random_uuid(), 'x')"),
        "23503",
    );
    assert_eq!(
        admin.value::<i64>(
            r#"SELECT count(*) FROM auria.doctor() WHERE "check" IN ('owners', 'functions', 'PHI key') AND NOT ok"#
        ),
        0
    );
}
