//! A self-hosted Supabase: whose schemas and roles are whose, what it grants by default, its services.

use std::sync::LazyLock;

use auria_tests::{As, Database, Services, Session, Supabase};
use uuid::Uuid;

/// One server for all tests here: roles belong to it.
static SUPABASE: LazyLock<Supabase> = LazyLock::new(Supabase::start);

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
    SUPABASE.run_services(db);
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
    auria_tests::refused_with(restored.anon().query("SELECT public.add_bonus_credits($1, 10)", &[&bia]), "42501");
    a_dentist_works(&restored, "bia@clinica.example");
}
