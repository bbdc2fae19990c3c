//! A self-hosted Supabase: whose schemas and roles are whose, what it grants by default, its services.

use std::fs;
use std::sync::LazyLock;

use auria_tests::{As, Cluster, ClusterOptions, Database, Platform, Services, Session, refused_with};
use uuid::Uuid;

/// One server for all tests here: roles belong to it.
static SUPABASE: LazyLock<Cluster> = LazyLock::new(|| ClusterOptions::default().platform(Platform::Supabase).start());

/// As README says for Supabase: pg_trgm into `extensions`, where no client calls its functions.
fn install(db: &Database) -> Vec<String> {
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION pg_trgm SCHEMA extensions; CREATE EXTENSION auria CASCADE");
    admin.notices().iter().map(|notice| notice.message().to_owned()).collect()
}

/// A sign-up as the service makes it.
fn sign_up(db: &Database, email: &str) -> Uuid {
    let id = Uuid::new_v4();
    db.session(As::Role("supabase_auth_admin"))
        .execute(
            "INSERT INTO auth.users (id, aud, role, email, raw_user_meta_data, created_at)
             VALUES ($1, 'authenticated', 'authenticated', $2, '{\"full_name\": \"Ana\"}', now())",
            &[&id, &email],
        )
        .unwrap();
    id
}

fn owners(admin: &mut Session, schema: &str) -> Vec<String> {
    let rows = admin
        .query(
            "SELECT DISTINCT pg_get_userbyid(owner) FROM (
                 SELECT relowner AS owner FROM pg_class WHERE relnamespace = $1::text::regnamespace
                 UNION SELECT proowner FROM pg_proc WHERE pronamespace = $1::text::regnamespace) AS objects",
            &[&schema],
        )
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What the doctor complains of.
fn complaints(admin: &mut Session) -> Vec<(String, String)> {
    let rows = admin.query("SELECT \"check\", detail FROM auria.doctor() WHERE NOT ok", &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// A dentist's day, in a few statements, through the roles that PostgREST has.
fn a_dentist_works(db: &Database, email: &str) {
    let ana = sign_up(db, email);
    let mut dentist = db.authenticated(ana);
    let profile: String = dentist.query_one("SELECT full_name FROM public.profiles", &[]).unwrap().get(0);
    assert_eq!(profile, "Ana");
    dentist.execute("INSERT INTO public.patients (user_id, name, phone) VALUES ($1, 'Maria', '11')", &[&ana]).unwrap();
    let mut service = db.service();
    service
        .execute(
            "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ($1, 'starter', 'active')",
            &[&ana],
        )
        .unwrap();
    let charged: bool = service.query_one("SELECT public.use_credits($1, 'case_analysis')", &[&ana]).unwrap().get(0);
    assert!(charged);
    let stored: bool = db
        .superuser()
        .query_one("SELECT bool_and(name_encrypted IS NOT NULL) FROM public.patients", &[])
        .unwrap()
        .get(0);
    assert!(stored);
    let file = format!("{ana}/photo.jpg");
    dentist.execute("INSERT INTO storage.objects (bucket_id, name) VALUES ('clinical-photos', $1)", &[&file]).unwrap();
}

#[test]
fn it_is_installed_in_a_supabase_in_use_and_a_dentist_works() {
    let db = SUPABASE.supabase_database(Services::Ran);
    install(&db);
    let mut admin = db.superuser();
    assert_eq!(complaints(&mut admin), []);
    a_dentist_works(&db, "ana@clinica.example");
    assert_eq!(complaints(&mut admin), []);
}

/// Installs before the services have run, and then runs them.
fn services_go_on_over_what_it_makes(db: &Database) {
    install(db);
    let mut admin = db.superuser();
    assert_eq!(owners(&mut admin, "auth"), ["supabase_auth_admin"]);
    assert_eq!(owners(&mut admin, "storage"), ["supabase_storage_admin"]);
    db.run_services();
    assert_eq!(complaints(&mut admin), []);
    a_dentist_works(db, "ana@clinica.example");
}

#[test]
fn what_it_makes_before_supabases_services_have_run_is_theirs_to_go_on_with() {
    services_go_on_over_what_it_makes(&SUPABASE.supabase_database(Services::NotYet));
}

#[test]
fn what_it_makes_without_any_of_supabases_tables_is_theirs_to_go_on_with() {
    let db = SUPABASE.supabase_database(Services::NotYet);
    db.superuser().run("DROP SCHEMA auth, storage CASCADE");
    services_go_on_over_what_it_makes(&db);
}

#[test]
fn buckets_of_an_older_file_store_get_their_rows_and_become_public_once_they_can() {
    for migrate in ["SELECT * FROM auria.migrate()", "SELECT * FROM auria.migrate(again => true)"] {
        let db = SUPABASE.supabase_database(Services::Ran);
        let mut admin = db.superuser();
        admin.run("ALTER TABLE storage.buckets DROP COLUMN public");
        let said = install(&db);
        assert!(said.iter().any(|text| text.contains("storage.buckets") && text.contains("public")), "{said:?}");
        assert_eq!(admin.value::<i64>("SELECT count(*) FROM storage.buckets"), 3);
        admin.run(migrate);
        db.session(As::Role("supabase_storage_admin"))
            .run("ALTER TABLE storage.buckets ADD COLUMN public boolean DEFAULT false");
        admin.run(migrate);
        let public = "SELECT array_agg(id) FROM storage.buckets WHERE public";
        assert_eq!(admin.value::<Vec<String>>(public), ["avatars"], "{migrate}");
        // A team that closes it later has the last word.
        admin.run("UPDATE storage.buckets SET public = false");
        admin.run(migrate);
        assert_eq!(admin.value::<Option<Vec<String>>>(public), None, "{migrate}");
    }
}

#[test]
fn a_dump_is_restored_into_another_supabase_and_hands_nothing_to_visitors() {
    let db = SUPABASE.supabase_database(Services::Ran);
    install(&db);
    a_dentist_works(&db, "ana@clinica.example");
    let restored = SUPABASE.empty_database();
    db.dump_into(&SUPABASE, restored.name());
    let mut admin = restored.superuser();
    admin.run("SELECT * FROM auria.migrate(again => true)");
    assert_eq!(complaints(&mut admin), []);
    let bia = Uuid::new_v4();
    refused_with(restored.anon().query("SELECT public.add_bonus_credits($1, 10)", &[&bia]), "42501");
    a_dentist_works(&restored, "bia@clinica.example");
}

const PAGE: &str = include_str!("../../docs/supabase.md");

/// The blocks of a section of docs/supabase.md, each with the role that its first line names.
fn blocks(section: &str) -> Vec<(&'static str, &'static str)> {
    let found: Vec<_> = PAGE
        .split("\n## ")
        .filter(|text| text.starts_with(section))
        .flat_map(|text| text.split("```sql\n-- as ").skip(1))
        .map(|rest| rest.split("```").next().unwrap().split_once('\n').unwrap())
        .collect();
    assert!(!found.is_empty(), "no blocks under {section}");
    found
}

/// Runs statements with psql as this role; what it prints on both outputs, and whether all succeeded.
fn psql(db: &Database, role: &str, statements: &str) -> (bool, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, statements).unwrap();
    let path = file.path().to_str().unwrap();
    let arguments = ["-X", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", db.name(), "-f", path];
    let output = db.cluster().client("psql", &arguments);
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).unwrap())
}

fn follow(db: &Database, section: &str) {
    for (role, statements) in blocks(section) {
        let (succeeded, printed) = psql(db, role, statements);
        assert!(succeeded, "{section}, as {role}: {statements}\n{printed}");
    }
}

const RESET: &str = include_str!("../fixtures/supabase/reset.sql");

#[test]
fn whoever_follows_the_page_from_its_first_command_to_its_last_meets_nothing_else() {
    let cluster = ClusterOptions::default().platform(Platform::Supabase).start();
    let db = cluster.supabase_database(Services::Ran);
    follow(&db, "Install");
    let mut admin = db.superuser();
    assert_eq!(complaints(&mut admin), []);
    a_dentist_works(&db, "ana@clinica.example");
    db.session(As::Role("postgres")).run(
        "ALTER TABLE public.patients ADD COLUMN chart_number text; CREATE INDEX patients_chart ON public.patients (chart_number)",
    );

    follow(&db, "Lists of libraries");
    let shown = "SELECT current_setting('session_preload_libraries')";
    assert_eq!(db.superuser().value::<String>(shown), "supautils, auria_pg");
    // Both of its list are loaded: one refuses, the other hides where a key file is.
    let mut client = db.service();
    client.run("SET safeupdate.enabled = on");
    refused_with(client.batch_execute("DELETE FROM public.patients"), "21000");
    refused_with(client.batch_execute("SHOW auria.phi_key_file"), "42501");

    let (succeeded, printed) = psql(&db, "postgres", RESET);
    assert!(!succeeded && printed.contains("must be owner of "), "{printed}");
    drop(admin);
    follow(&db, "Reset");
    let (succeeded, printed) = psql(&db, "postgres", RESET);
    assert!(succeeded, "{printed}");
    follow(&db, "Install");
    let mut admin = db.superuser();
    assert_eq!(complaints(&mut admin), []);
    a_dentist_works(&db, "bia@clinica.example");
    let sections = PAGE.split("\n## ").filter(|text| text.contains("```sql"));
    assert_eq!(sections.count(), 3, "a section of the page is not followed");
}

#[test]
fn the_first_steps_of_the_readme_run_there() {
    let db = SUPABASE.supabase_database(Services::Ran);
    db.session(As::Role("postgres")).run("CREATE EXTENSION pg_trgm SCHEMA extensions");
    let mut admin = db.superuser();
    let block = include_str!("../../README.md").split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    admin.run(block);
    assert_eq!(admin.value::<String>("SELECT full_name FROM public.profiles"), "Ana Souza");
    assert_eq!(complaints(&mut admin), []);
}

#[test]
fn postgres_creates_updates_and_drops_it_where_supautils_has_it_on_its_list() {
    let privileged = "pg_trgm, pgcrypto, auria";
    let options = ClusterOptions::default().setting("supautils.privileged_extensions", privileged);
    let cluster = options.platform(Platform::Supabase).start();
    let db = cluster.supabase_database(Services::Ran);
    let mut postgres = db.session(As::Role("postgres"));
    postgres.run("CREATE EXTENSION pg_trgm SCHEMA extensions; CREATE EXTENSION auria CASCADE");
    assert_eq!(complaints(&mut db.superuser()), []);
    a_dentist_works(&db, "ana@clinica.example");
    refused_with(postgres.batch_execute("ALTER TABLE public.patients ADD COLUMN chart_number text"), "42501");
    postgres.run("ALTER EXTENSION auria UPDATE; DROP EXTENSION auria CASCADE; CREATE EXTENSION auria");
    assert_eq!(complaints(&mut db.superuser()), []);
    a_dentist_works(&db, "bia@clinica.example");

    let other = SUPABASE.supabase_database(Services::Ran);
    let refused = "CREATE EXTENSION auria CASCADE";
    refused_with(other.session(As::Role("postgres")).batch_execute(refused), "42501");
}

#[test]
fn jobs_are_scheduled_where_postgres_has_created_pg_cron_and_an_event_trigger_grants_its_objects() {
    // pg_cron works in one database: the first of this server.
    let options = ClusterOptions::default().setting("cron.database_name", "auria_0");
    let cluster = options.platform(Platform::Supabase).start();
    let db = cluster.supabase_database(Services::Ran);
    assert_eq!(db.name(), "auria_0");
    install(&db);
    let mut postgres = db.session(As::Role("postgres"));
    postgres.run("CREATE EXTENSION pg_cron");
    let mut admin = db.superuser();
    let scheduled = admin.value::<i64>("SELECT count(*) FROM auria.schedule()");
    assert!(scheduled > 0);
    assert_eq!(complaints(&mut admin), []);
    assert!(postgres.value::<bool>("SELECT has_table_privilege('cron.job', 'SELECT')"));
}

/// How many functions of pg_trgm the API serves to a visitor.
const TRIGRAM_RPCS: &str = "SELECT count(*) FROM pg_proc f JOIN pg_depend d ON d.objid = f.oid AND d.deptype = 'e'
      JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_trgm'
     WHERE f.pronamespace = 'public'::regnamespace AND has_function_privilege('anon', f.oid, 'EXECUTE')";

#[test]
fn pg_trgm_in_extensions_keeps_its_functions_from_visitors() {
    let db = SUPABASE.supabase_database(Services::Ran);
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(admin.value::<i64>(TRIGRAM_RPCS), 31);
    let first = SUPABASE.supabase_database(Services::Ran);
    install(&first);
    assert_eq!(first.superuser().value::<i64>(TRIGRAM_RPCS), 0);
}

#[test]
fn vault_grants_the_backend_its_view_and_nothing_needs_that() {
    let db = SUPABASE.supabase_database(Services::Ran);
    let mut admin = db.superuser();
    admin.run("INSERT INTO vault.secrets (name, secret) VALUES ('phi_encryption_key', 'the secret of this database')");
    install(&db);
    let reads = "SELECT decrypted_secret FROM vault.decrypted_secrets WHERE name = 'phi_encryption_key'";
    assert_eq!(db.service().value::<String>(reads), "the secret of this database");
    for (mut session, who) in [(db.anon(), "anon"), (db.authenticated(Uuid::new_v4()), "authenticated")] {
        assert_eq!(session.query(reads, &[]).unwrap_err().code().unwrap().code(), "42501", "{who}");
    }
    admin.run("REVOKE ALL ON vault.secrets, vault.decrypted_secrets FROM service_role");
    refused_with(db.service().query(reads, &[]), "42501");
    a_dentist_works(&db, "ana@clinica.example");
    let opened = "SELECT bool_and(public.phi_decrypt(name_encrypted) = 'Maria') FROM public.patients";
    assert!(db.service().value::<bool>(opened));
}

/// What a publication publishes of a table, as Realtime reads it: its columns.
fn published(admin: &mut Session, table: &str) -> Vec<String> {
    let rows = admin
        .query(
            "SELECT unnest(attnames)::text FROM pg_publication_tables
              WHERE pubname = 'supabase_realtime' AND format('%s.%s', schemaname, tablename) = $1",
            &[&table],
        )
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn realtime_publishes_plain_names_in_the_open_layout_and_ciphertext_in_the_sealed_one() {
    let db = SUPABASE.supabase_database(Services::Ran);
    install(&db);
    a_dentist_works(&db, "ana@clinica.example");
    a_dentist_works(&db, "bia@clinica.example");
    let mut admin = db.superuser();
    let publications = "SELECT count(*) FROM pg_publication_tables WHERE pubname = 'supabase_realtime'";
    assert_eq!(admin.value::<i64>(publications), 0);
    admin.run("ALTER PUBLICATION supabase_realtime ADD TABLE public.patients, public.credit_usage");
    let columns = published(&mut admin, "public.patients");
    assert!(columns.contains(&"name".to_owned()) && columns.contains(&"name_encrypted".to_owned()), "{columns:?}");

    admin.run("CALL auria.phi_seal()");
    assert_eq!(published(&mut admin, "public.patients"), [] as [&str; 0]);
    let columns = published(&mut admin, "auria_raw.patients_raw");
    assert!(columns.contains(&"name_encrypted".to_owned()) && !columns.contains(&"name".to_owned()), "{columns:?}");
    assert!(published(&mut admin, "public.credit_usage").contains(&"credits_used".to_owned()));
    // Realtime asks the policies as the subscriber, with the claims of the subscription.
    let bia: Uuid = admin.query_one("SELECT id FROM auth.users WHERE email LIKE 'bia%'", &[]).unwrap().get(0);
    let mut subscriber = db.authenticated(bia);
    let own: bool = subscriber
        .query_one("SELECT count(*) = 1 AND bool_and(user_id = $1) FROM auria_raw.patients_raw", &[&bia])
        .unwrap()
        .get(0);
    assert!(own);
    refused_with(db.anon().query("SELECT id FROM auria_raw.patients_raw", &[]), "42501");
}
