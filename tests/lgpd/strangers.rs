//! Tables of roles that nobody trusts, and columns that cannot be compared.

use auria_tests::{Database, database};
use uuid::Uuid;

use super::{count, erase, export, practice, rows};

/// A role that owns a schema and, in it, a table whose triggers and casts give her the patients.
fn table_of_mallory(db: &Database, dentist: Uuid) {
    db.superuser().run(&format!(
        "DO $$ BEGIN CREATE ROLE lgpd_mallory; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         CREATE SCHEMA mallory AUTHORIZATION lgpd_mallory;
         SET ROLE lgpd_mallory;
         CREATE FUNCTION mallory.take() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
             GRANT ALL ON TABLE public.patients TO lgpd_mallory;
         EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;
         CREATE TYPE mallory.shown AS (a int);
         CREATE FUNCTION mallory.as_json(mallory.shown) RETURNS json LANGUAGE plpgsql AS
             $$ BEGIN PERFORM mallory.take(); RETURN '1'::json; END $$;
         CREATE CAST (mallory.shown AS json) WITH FUNCTION mallory.as_json(mallory.shown);
         CREATE FUNCTION mallory.on_delete() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM mallory.take(); RETURN NULL; END $$;
         CREATE TABLE mallory.trap (user_id uuid, patient_id uuid, said mallory.shown);
         INSERT INTO mallory.trap VALUES ('{dentist}', NULL, ROW(1));
         CREATE TRIGGER trap BEFORE DELETE ON mallory.trap EXECUTE FUNCTION mallory.on_delete();
         GRANT USAGE ON SCHEMA mallory TO PUBLIC;
         GRANT ALL ON mallory.trap TO PUBLIC;
         RESET ROLE"
    ));
}

fn took_the_patients(db: &Database) -> bool {
    db.superuser().value("SELECT has_table_privilege('lgpd_mallory', 'public.patients', 'SELECT')")
}

#[test]
fn the_table_of_a_role_that_nobody_trusts_runs_no_code_with_the_owners_rights() {
    let db = database();
    let ana = practice(&db, "ana");
    table_of_mallory(&db, ana.dentist);
    let mut service = db.service();
    for call in [format!("export_user('{}')", ana.dentist), format!("export_patient('{}')", ana.patient)] {
        service.run(&format!("SELECT auria.{call}"));
        assert!(!took_the_patients(&db), "{call}");
    }
    let document = export(&mut service, "user", ana.dentist);
    assert_eq!(rows(&document, "mallory.trap"), 0);
    let named = document["not_included"].to_string();
    assert!(named.contains("mallory.trap") && named.contains("lgpd_mallory"), "{named}");

    for call in [format!("erase_patient('{}')", ana.patient), format!("erase_user('{}')", ana.dentist)] {
        let detail: String = service.value(&format!(
            "SELECT detail FROM auria.{call} WHERE action = 'not reached' AND object = 'mallory.trap'"
        ));
        assert!(detail.contains("lgpd_mallory"), "{detail}");
        assert!(!took_the_patients(&db), "{call}");
    }
    assert_eq!(db.superuser().value::<i64>("SELECT count(*) FROM mallory.trap"), 1);
}

#[test]
fn a_table_of_the_owner_with_a_type_trigger_or_child_of_somebody_else_is_not_reached() {
    let db = database();
    let ana = practice(&db, "ana");
    table_of_mallory(&db, ana.dentist);
    db.superuser().run(&format!(
        "CREATE TABLE public.com_tipo (user_id uuid, said mallory.shown);
         CREATE TABLE public.com_gatilho (user_id uuid);
         CREATE TRIGGER g BEFORE DELETE ON public.com_gatilho EXECUTE FUNCTION mallory.on_delete();
         CREATE TABLE public.com_filha (user_id uuid);
         CREATE TABLE mallory.filha () INHERITS (public.com_filha);
         ALTER TABLE mallory.filha OWNER TO lgpd_mallory;
         CREATE TRIGGER g BEFORE DELETE ON mallory.filha FOR EACH ROW EXECUTE FUNCTION mallory.on_delete();
         INSERT INTO public.com_tipo VALUES ('{dentist}', ROW(1));
         INSERT INTO public.com_gatilho VALUES ('{dentist}');
         INSERT INTO mallory.filha VALUES ('{dentist}');
         ALTER TABLE public.com_tipo OWNER TO auria_owner;
         ALTER TABLE public.com_gatilho OWNER TO auria_owner;
         ALTER TABLE public.com_filha OWNER TO auria_owner;
         GRANT ALL ON mallory.filha TO PUBLIC",
        dentist = ana.dentist
    ));
    let mut service = db.service();
    export(&mut service, "user", ana.dentist);
    let report = erase(&mut service, &format!("erase_user('{}')", ana.dentist));
    assert!(!took_the_patients(&db));
    for table in ["public.com_tipo", "public.com_gatilho", "public.com_filha"] {
        assert!(
            report.iter().any(|(did, object, _)| did == "not reached" && object == table),
            "{table} in {report:#?}"
        );
    }
}

#[test]
fn the_table_of_a_role_in_trusted_owners_is_exported_and_erased() {
    let db = database();
    let ana = practice(&db, "ana");
    let mut admin = db.superuser();
    admin.run(&format!(
        "DO $$ BEGIN CREATE ROLE lgpd_agency; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         CREATE TABLE public.da_agencia (user_id uuid);
         INSERT INTO public.da_agencia VALUES ('{}');
         ALTER TABLE public.da_agencia OWNER TO lgpd_agency;
         GRANT ALL ON public.da_agencia TO auria_owner;
         LOAD 'auria_pg';
         ALTER DATABASE {} SET auria.trusted_owners = 'lgpd_agency'",
        ana.dentist,
        db.name()
    ));
    let mut service = db.service();
    assert_eq!(rows(&export(&mut service, "user", ana.dentist), "public.da_agencia"), 1);
    let report = erase(&mut service, &format!("erase_user('{}')", ana.dentist));
    assert_eq!(count(&report, "removed", "public.da_agencia"), 1);
}

#[test]
fn a_column_of_another_type_is_named_and_disturbs_no_other_table() {
    let db = database();
    let ana = practice(&db, "ana");
    db.superuser().run(&format!(
        "SET ROLE auria_owner;
         CREATE TABLE public.logs (session_id text);
         CREATE TABLE public.sessions_by_number (session_id bigint, user_id varchar(36));
         CREATE TABLE public.by_name (patient_id char(36));
         CREATE TABLE public.by_date (patient_id date, user_id jsonb);
         CREATE DOMAIN public.person AS uuid;
         CREATE DOMAIN public.dentist AS public.person;
         CREATE TABLE public.by_domain (user_id public.dentist);
         INSERT INTO public.logs SELECT session_id::text FROM public.evaluations WHERE patient_id = '{patient}';
         INSERT INTO public.logs VALUES ('another');
         INSERT INTO public.by_name VALUES ('{patient}');
         INSERT INTO public.by_domain VALUES ('{dentist}')",
        patient = ana.patient,
        dentist = ana.dentist,
    ));
    let mut service = db.service();
    let document = export(&mut service, "patient", ana.patient);
    assert_eq!(rows(&document, "public.by_name"), 1);
    assert!(document["not_included"].to_string().contains("public.by_date"), "{document}");
    let report = erase(&mut service, &format!("erase_patient('{}')", ana.patient));
    assert_eq!(count(&report, "removed", "public.logs"), 1);
    assert_eq!(count(&report, "removed", "public.by_name"), 1);
    let report = erase(&mut service, &format!("erase_user('{}')", ana.dentist));
    assert_eq!(count(&report, "removed", "public.by_domain"), 1);
    let detail: String = service.value(&format!(
        "SELECT detail FROM auria.erase_user('{}') WHERE action = 'not reached' AND object = 'public.by_date'",
        ana.dentist
    ));
    assert!(detail.contains("user_id") && detail.contains("jsonb"), "{detail}");
    assert_eq!(db.superuser().value::<i64>("SELECT count(*) FROM public.logs"), 1);
}

#[test]
fn names_with_commas_quotes_and_line_feeds_are_exported_and_erased() {
    let db = database();
    let ana = practice(&db, "ana");
    db.superuser().run(&format!(
        "SET ROLE auria_owner;
         CREATE TABLE public.\"a,b \"\"c'\nd%s\" (\"id, \"\"x'\ny\" int PRIMARY KEY, \"user_id\" uuid, \"patient_id,user_id\" int);
         CREATE TABLE public.\"e,f\" (\"g, \"\"h'\n\" int REFERENCES public.\"a,b \"\"c'\nd%s\");
         CREATE TABLE public.joined (\"x,session_id\" int, patient_id uuid);
         INSERT INTO public.\"a,b \"\"c'\nd%s\" VALUES (1, '{dentist}', 1);
         INSERT INTO public.\"e,f\" VALUES (1);
         INSERT INTO public.joined VALUES (1, '{patient}')",
        dentist = ana.dentist,
        patient = ana.patient,
    ));
    let mut service = db.service();
    let name = "public.\"a,b \"\"c'\nd%s\"";
    assert_eq!(rows(&export(&mut service, "user", ana.dentist), name), 1);
    let report = erase(&mut service, &format!("erase_patient('{}')", ana.patient));
    assert_eq!(count(&report, "removed", "public.joined"), 1);
    let report = erase(&mut service, &format!("erase_user('{}')", ana.dentist));
    assert_eq!(count(&report, "removed", name), 1);
    assert_eq!(count(&report, "removed", "public.\"e,f\""), 1);
}

#[test]
fn materialized_views_and_foreign_tables_with_such_a_column_are_to_do() {
    let db = database();
    let ana = practice(&db, "ana");
    db.superuser().run(
        "CREATE MATERIALIZED VIEW public.resumo AS SELECT user_id, name FROM public.patients;
         CREATE UNLOGGED TABLE public.copia AS SELECT user_id, name FROM public.patients;
         ALTER TABLE public.copia OWNER TO auria_owner;
         CREATE FOREIGN DATA WRAPPER fora; CREATE SERVER fora FOREIGN DATA WRAPPER fora;
         CREATE FOREIGN TABLE public.longe (user_id uuid) SERVER fora",
    );
    let mut service = db.service();
    let named = export(&mut service, "user", ana.dentist)["not_included"].to_string();
    assert!(named.contains("public.resumo") && named.contains("public.longe"), "{named}");
    let report = erase(&mut service, &format!("erase_user('{}')", ana.dentist));
    assert_eq!(count(&report, "removed", "public.copia"), 2);
    for object in ["public.resumo", "public.longe"] {
        assert!(report.iter().any(|(did, named, _)| did == "to do" && named == object), "{object} in {report:#?}");
    }
}
