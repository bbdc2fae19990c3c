//! CREATE EXTENSION and DROP EXTENSION, as a DBA meets them.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use auria_tests::{
    ClusterOptions, Database, Platform, Session, compiled_function_names, empty_database, migration_count,
    public_tables, refused_with,
};

const CREATE: &str = "CREATE EXTENSION auria CASCADE";

/// Kind and number of the members of the extension.
fn members(dba: &mut Session, extension: &str) -> Vec<(String, i64)> {
    dba.query(
        "SELECT classid::regclass::text, count(*) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid \
          WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = $1 \
          GROUP BY 1 ORDER BY 1",
        &[&extension],
    )
    .unwrap()
    .iter()
    .map(|row| (row.get(0), row.get(1)))
    .collect()
}

fn tables(dba: &mut Session) -> BTreeSet<String> {
    dba.query("SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

fn installed() -> Database<'static> {
    let db = empty_database();
    db.superuser().run(CREATE);
    db
}

#[test]
fn one_command_makes_the_whole_database() {
    let db = installed();
    let mut dba = db.superuser();
    assert_eq!(tables(&mut dba), public_tables());
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM auria.migrations"), migration_count());
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM storage.buckets"), 3);
    let rpcs = dba.value::<i64>(
        "SELECT count(DISTINCT proname) FROM pg_proc p JOIN pg_language l ON l.oid = prolang \
          WHERE pronamespace = 'public'::regnamespace AND lanname = 'c' AND probin = '$libdir/auria_pg'",
    );
    assert_eq!(usize::try_from(rpcs).unwrap(), compiled_function_names().len());
}

#[test]
fn without_cascade_it_says_what_to_create_first_and_is_created_after_it_in_any_schema() {
    // As operators write it, who list extensions by name.
    let db = empty_database();
    let mut dba = db.superuser();
    let refusal = refused_with(dba.batch_execute("CREATE EXTENSION IF NOT EXISTS auria"), "42704");
    assert_eq!(refusal.message(), "required extension \"pg_trgm\" is not installed");
    dba.run("CREATE SCHEMA elsewhere; CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA elsewhere");
    dba.run("CREATE EXTENSION IF NOT EXISTS auria");
    assert_eq!(tables(&mut dba), public_tables());
    assert!(dba.value::<bool>("SELECT bool_and(ok) FROM auria.doctor()"));
}

#[test]
fn the_members_of_the_extension_are_functions_and_nothing_else() {
    let db = installed();
    let kinds = members(&mut db.superuser(), "auria");
    assert_eq!(kinds.len(), 1, "{kinds:?}");
    assert_eq!(kinds[0].0, "pg_proc");
}

#[test]
fn a_second_install_says_that_it_exists_and_changes_nothing() {
    let db = installed();
    let mut dba = db.superuser();
    let before = members(&mut dba, "auria");
    refused_with(dba.batch_execute(CREATE), "42710");
    dba.run("CREATE EXTENSION IF NOT EXISTS auria CASCADE");
    assert_eq!(members(&mut dba, "auria"), before);
}

#[test]
fn a_role_that_is_no_superuser_is_refused_clearly() {
    let db = empty_database();
    let mut dba = db.superuser();
    dba.run("CREATE EXTENSION pg_trgm");
    dba.run(&format!("CREATE ROLE {0}_owner; ALTER DATABASE {0} OWNER TO {0}_owner; SET ROLE {0}_owner", db.name()));
    let refusal = refused_with(dba.batch_execute("CREATE EXTENSION auria"), "42501");
    assert!(refusal.message().contains("auria"), "{refusal:?}");
    assert!(refusal.hint().unwrap_or_default().contains("superuser"), "{refusal:?}");
    dba.run("RESET ROLE");
    dba.run(&format!("ALTER DATABASE {0} OWNER TO postgres; DROP OWNED BY {0}_owner; DROP ROLE {0}_owner", db.name()));
    assert_eq!(tables(&mut dba), BTreeSet::new());
}

#[test]
fn without_pg_trgm_and_without_cascade_the_refusal_names_both() {
    let db = empty_database();
    let mut dba = db.superuser();
    let refusal = refused_with(dba.batch_execute("CREATE EXTENSION auria"), "42704");
    assert!(refusal.message().contains("pg_trgm"), "{refusal:?}");
    assert!(refusal.hint().unwrap_or_default().contains("CASCADE"), "{refusal:?}");
    assert_eq!(tables(&mut dba), BTreeSet::new());
}

#[test]
fn pg_trgm_may_live_in_a_schema_of_any_name() {
    let db = empty_database();
    let mut dba = db.superuser();
    dba.run(r#"CREATE SCHEMA "Busca ""x"""; CREATE EXTENSION pg_trgm SCHEMA "Busca ""x""""#);
    dba.run("CREATE EXTENSION auria");
    let definition: String = dba.value("SELECT pg_get_indexdef('public.idx_patients_name_trgm'::regclass)");
    assert!(definition.contains("gin_trgm_ops"), "{definition}");
}

#[test]
fn the_file_name_of_the_library_is_no_name_of_an_extension() {
    let db = empty_database();
    refused_with(db.superuser().batch_execute("CREATE EXTENSION auria_pg"), "0A000");
}

/// What Supabase has made before an extension comes: enough of it to see whether it is touched.
const SUPABASE: &str = r#"
CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
COMMENT ON ROLE anon IS 'made by the platform';
CREATE SCHEMA auth;
CREATE TABLE auth.users (instance_id uuid, id uuid PRIMARY KEY, aud varchar(255), email varchar(255),
    raw_app_meta_data jsonb, raw_user_meta_data jsonb, is_super_admin boolean, created_at timestamptz, updated_at timestamptz);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
    $$SELECT (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid$$;
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS
    $$SELECT current_setting('request.jwt.claims', true)::jsonb ->> 'role'$$;
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS
    $$SELECT current_setting('request.jwt.claims', true)::jsonb$$;
CREATE SCHEMA storage;
CREATE TABLE storage.buckets (id text PRIMARY KEY, name text NOT NULL, owner uuid, public boolean DEFAULT false,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now());
CREATE TABLE storage.objects (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), bucket_id text REFERENCES storage.buckets,
    name text, owner uuid, metadata jsonb, created_at timestamptz DEFAULT now());
ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION storage.foldername(name text) RETURNS text[] LANGUAGE sql IMMUTABLE AS
    $$SELECT (string_to_array(name, '/'))[1 : array_length(string_to_array(name, '/'), 1) - 1]$$;
CREATE SCHEMA extensions;
CREATE EXTENSION pg_trgm SCHEMA extensions;
"#;

/// Everything that the platform owns: functions by their text, columns, roles; objects by their oid.
const PLATFORM: &str = "\
    SELECT string_agg(line, E'\n' ORDER BY line) FROM ( \
        SELECT p.oid || pg_get_functiondef(p.oid) FROM pg_proc p WHERE pronamespace IN ('auth'::regnamespace, 'storage'::regnamespace) \
        UNION ALL SELECT attrelid || attname || format_type(atttypid, atttypmod) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid \
            WHERE relnamespace IN ('auth'::regnamespace, 'storage'::regnamespace) AND attnum > 0 \
        UNION ALL SELECT oid || rolname || rolcanlogin || rolinherit || rolbypassrls || coalesce(shobj_description(oid, 'pg_authid'), '') \
            FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') \
    ) platform (line)";

#[test]
fn what_a_platform_has_made_is_left_as_it_is() {
    let cluster = ClusterOptions::default().platform(Platform::PostgreSql).start();
    let db = cluster.empty_database();
    let mut dba = db.superuser();
    dba.run(SUPABASE);
    let before: String = dba.value(PLATFORM);
    dba.run("CREATE EXTENSION auria");
    assert_eq!(dba.value::<String>(PLATFORM), before);
    assert_eq!(tables(&mut dba), public_tables());
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM storage.buckets"), 3);
}

#[test]
fn a_server_without_the_roles_gets_them() {
    let cluster = ClusterOptions::default().platform(Platform::PostgreSql).start();
    let db = cluster.empty_database();
    let mut dba = db.superuser();
    dba.run(CREATE);
    let roles: Vec<(String, bool, bool)> = dba
        .query(
            "SELECT rolname::text, rolcanlogin, rolbypassrls FROM pg_roles \
              WHERE rolname IN ('anon', 'authenticated', 'service_role') ORDER BY 1",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let expected = [("anon", false, false), ("authenticated", false, false), ("service_role", false, true)];
    assert_eq!(roles, expected.map(|(name, login, bypass)| (name.to_owned(), login, bypass)));
}

#[test]
fn two_databases_of_a_server_are_installed_at_the_same_time() {
    // The platform has made the roles of the API, or the extension makes them too.
    for roles in ["", "CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS"] {
        let cluster = ClusterOptions::default().platform(Platform::PostgreSql).start();
        cluster.superuser("postgres").run(roles);
        let databases = [cluster.empty_database(), cluster.empty_database()];
        // The first one has made the role, and not committed.
        let mut first = databases[0].superuser();
        let mut dba = cluster.superuser("postgres");
        first.run("BEGIN");
        first.run(CREATE);
        thread::scope(|scope| {
            let second = scope.spawn(|| databases[1].superuser().batch_execute(CREATE));
            while !dba.value::<bool>(&format!(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock')",
                databases[1].name()
            )) {
                assert!(!second.is_finished(), "{:?}", second.join());
                thread::sleep(Duration::from_millis(20));
            }
            first.run("COMMIT");
            second.join().unwrap().unwrap();
        });
        for db in &databases {
            assert_eq!(tables(&mut db.superuser()), public_tables());
        }
    }
}

#[test]
fn drop_without_cascade_is_refused_and_with_cascade_every_row_stays() {
    let db = installed();
    let dentist = db.sign_up("ana@clinica.example");
    let mut dba = db.superuser();
    dba.execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Maria')", &[&dentist]).unwrap();
    refused_with(dba.batch_execute("DROP EXTENSION auria"), "2BP01");

    let ciphertext = "SELECT name_encrypted FROM public.patients";
    let before: Vec<u8> = dba.value(ciphertext);
    dba.run("DROP EXTENSION auria CASCADE");
    assert_eq!(tables(&mut dba), public_tables());
    assert_eq!(dba.value::<Vec<u8>>(ciphertext), before);

    dba.run(CREATE);
    assert_eq!(dba.value::<Vec<u8>>(ciphertext), before);
    assert_eq!(dba.value::<String>("SELECT public.phi_decrypt(name_encrypted) FROM public.patients"), "Maria");
    // The triggers went with the functions and must be back: a new row is encrypted, a new user has a profile.
    let other = db.sign_up("bia@clinica.example");
    dba.execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'João')", &[&other]).unwrap();
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.patients WHERE name_encrypted IS NULL"), 0);
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.profiles"), 2);
    let default: Option<String> = dba.value(
        "SELECT column_default FROM information_schema.columns \
          WHERE table_name = 'shared_links' AND column_name = 'token'",
    );
    assert_eq!(default.as_deref(), Some("auria.new_share_token()"));
}

/// The query of docs/install.md, Remove.
fn tied_functions(dba: &mut Session) -> Vec<String> {
    let page = std::fs::read_to_string(auria_tests::repository().join("docs/install.md")).unwrap();
    let remove = page.split("\n## Remove\n").nth(1).unwrap();
    let query = remove.split("<<'SQL'\n").nth(1).unwrap().split("\nSQL\n").next().unwrap();
    crate::support::catalogue::column(dba, query.trim_end_matches(';'))
}

#[test]
fn drop_extension_takes_the_tied_functions_and_leaves_those_that_a_team_replaced() {
    let db = installed();
    let mut dba = db.superuser();
    let tied = tied_functions(&mut dba);
    assert_eq!(tied.len(), auria_tests::public_functions().len());
    dba.run(
        "CREATE OR REPLACE FUNCTION public.get_credit_cost(p_operation text) RETURNS integer LANGUAGE sql AS 'SELECT 42'; \
         CREATE TABLE public.notes (id uuid, updated_at timestamptz); \
         CREATE TRIGGER touch BEFORE UPDATE ON public.notes FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column()",
    );
    let left: Vec<String> = tied_functions(&mut dba);
    assert_eq!(left.len(), tied.len() - 1);
    assert!(!left.iter().any(|name| name.contains("get_credit_cost")));

    refused_with(dba.batch_execute("DROP EXTENSION auria"), "2BP01");
    dba.run("DROP EXTENSION auria CASCADE");
    let functions = "SELECT oid::regprocedure::text FROM pg_proc p WHERE pronamespace = 'public'::regnamespace \
                      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')";
    assert_eq!(crate::support::catalogue::column(&mut dba, functions), ["get_credit_cost(text)"]);
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM pg_trigger WHERE tgname = 'touch'"), 0);
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.notes"), 0);

    dba.notices();
    dba.run(CREATE);
    let warnings: Vec<String> = dba
        .notices()
        .iter()
        .filter(|notice| notice.severity() == "WARNING")
        .map(|notice| notice.message().to_owned())
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("public.get_credit_cost(text) is not one that AURIA shipped"));
    assert_eq!(dba.value::<i32>("SELECT public.get_credit_cost('case_analysis')"), 42);
    assert_eq!(tied_functions(&mut dba), left);
}

#[test]
fn a_fresh_installation_says_one_line_and_warns_of_a_missing_key() {
    for has_key in [true, false] {
        let db = empty_database();
        let mut dba = db.superuser();
        dba.run("CREATE EXTENSION pg_trgm; LOAD 'auria_pg'");
        if !has_key {
            dba.run("SET auria.phi_key_file = ''");
        }
        dba.notices();
        dba.run(CREATE);
        let notices = dba.notices();
        let (warnings, others): (Vec<_>, Vec<_>) = notices.iter().partition(|notice| notice.severity() == "WARNING");
        assert_eq!(others.len(), 1, "{notices:?}");
        assert!(others[0].message().contains("belong to role \"auria_owner\""));
        assert_eq!(warnings.len(), usize::from(!has_key), "{warnings:?}");
        assert!(has_key || warnings[0].message().contains("patients cannot be stored yet"));
    }
}

#[test]
fn databases_of_one_server_can_be_installed_at_the_same_moment() {
    let cluster = ClusterOptions::default().platform(Platform::PostgreSql).start();
    let databases: Vec<_> = (0..4).map(|_| cluster.empty_database()).collect();
    std::thread::scope(|scope| {
        for db in &databases {
            scope.spawn(|| db.superuser().run(CREATE));
        }
    });
    for db in &databases {
        assert_eq!(tables(&mut db.superuser()), public_tables());
    }
}
