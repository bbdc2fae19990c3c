//! Taking over a database in which the original has brought patient data to `public.*_raw`: it is sealed afterwards.

use auria_openpgp::Opener;
use auria_tests::{Cluster, Database, RAW_STATES, Session, refused_with};
use uuid::Uuid;

use crate::support::catalogue::column;
use crate::support::legacy::{ANA, BIA};

const SECRET: &[u8] = b"the secret of the legacy database";

/// The rows that clients read, as text.
const PATIENTS: &str = "SELECT format('%s|%s|%s|%s|%s|%s|%s', id, user_id, name, phone, email, birth_date, notes)
                          FROM public.patients ORDER BY id";
const EVALUATIONS: &str = "SELECT format('%s|%s|%s|%s|%s|%s', id, user_id, patient_id, patient_name, tooth, session_id)
                             FROM public.evaluations ORDER BY id";
const DRAFTS: &str = "SELECT format('%s|%s', user_id, draft_data) FROM public.evaluation_drafts ORDER BY user_id";

fn raw(state: usize) -> Database<'static> {
    Cluster::shared().raw_database(state)
}

/// The original's bodies are known by their checksums alone, which those of the fixtures do not have.
fn adopt(admin: &mut Session) {
    admin.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
}

fn what_clients_read(session: &mut Session) -> Vec<String> {
    [PATIENTS, EVALUATIONS, DRAFTS].iter().flat_map(|query| column(session, query)).collect()
}

#[test]
fn a_database_with_raw_tables_is_sealed_and_its_clients_read_the_same() {
    for state in RAW_STATES {
        let db = raw(state);
        let mut admin = db.superuser();
        let before = what_clients_read(&mut admin);
        assert!(before.iter().any(|row| row.contains("João da Conceição")));
        adopt(&mut admin);
        assert_eq!(what_clients_read(&mut admin), before, "{state}");
        assert_eq!(
            column(
                &mut admin,
                "SELECT c.oid::regclass::text || ' ' || c.relkind::text FROM pg_class c
                  WHERE c.relname ~ '^(patients|evaluations|evaluation_drafts)(_raw)?$' ORDER BY 1"
            ),
            [
                "auria_raw.evaluation_drafts_raw r",
                "auria_raw.evaluations_raw r",
                "auria_raw.patients_raw r",
                "evaluation_drafts v",
                "evaluations v",
                "patients v",
            ],
            "{state}"
        );
        assert_eq!(
            column(
                &mut admin,
                "SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute a
                  WHERE a.attrelid::regclass::text LIKE 'auria_raw.%' AND NOT a.attisdropped
                    AND a.attname IN ('name', 'phone', 'email', 'birth_date', 'notes', 'patient_name', 'patient_document',
                                      'anamnesis', 'draft_data')"
            ),
            [] as [&str; 0]
        );
        // The original's own functions are gone, with their definitions kept.
        assert_eq!(
            column(
                &mut admin,
                "SELECT proname::text FROM pg_proc WHERE proname ~ '_view_(insert|update|delete)$'
                    AND pronamespace = 'public'::regnamespace"
            ),
            [] as [&str; 0]
        );
        let kept: i64 = admin.value(
            "SELECT count(*) FROM auria.replaced_functions WHERE signature ~ '_view_(insert|update|delete)\\(\\)$'",
        );
        assert_eq!(kept, if state < 46 { 6 } else { 9 });
    }
}

#[test]
fn a_dentist_works_on_in_an_adopted_raw_database() {
    let db = raw(51);
    adopt(&mut db.superuser());
    let ana = Uuid::parse_str(ANA).unwrap();
    let mut session = db.authenticated(ana);
    // Written by pgcrypto once.
    assert_eq!(
        column(&mut session, "SELECT left(name, 17) FROM public.patients ORDER BY id"),
        ["João da Conceição", "Zé 🦷 \"O'Dente\" \\ "]
    );
    // The original could not set a value to NULL, nor allow a name only once.
    session.run("UPDATE public.patients SET phone = NULL WHERE name = 'João da Conceição'");
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.patients WHERE phone IS NULL"), 1);
    refused_with(
        session.execute(
            &format!("INSERT INTO public.patients (user_id, name) VALUES ('{ANA}', 'João da Conceição')"),
            &[],
        ),
        "23505",
    );
    session.run(&format!(
        "INSERT INTO public.patients (user_id, name, notes) VALUES ('{ANA}', 'Nova', 'primeira consulta');
         DELETE FROM public.patients WHERE name = 'Nova'"
    ));
    assert_eq!(
        db.authenticated(Uuid::parse_str(BIA).unwrap())
            .value::<i64>(&format!("SELECT count(*) FROM public.patients WHERE user_id = '{ANA}'")),
        0
    );
}

#[test]
fn a_backfill_binds_every_value_of_pgcrypto_to_its_owner() {
    let db = raw(51);
    let mut admin = db.superuser();
    adopt(&mut admin);
    let before = what_clients_read(&mut admin);
    db.service().run("CALL auria.phi_backfill(100)");
    assert_eq!(what_clients_read(&mut admin), before);
    let mut opener = Opener::new(SECRET);
    let mut values = 0;
    for (table, columns) in [
        ("patients", "name phone email birth_date notes"),
        ("evaluations", "patient_name patient_document anamnesis"),
        ("evaluation_drafts", "draft_data"),
    ] {
        for name in columns.split(' ') {
            let query = format!(
                "SELECT user_id, {name}_encrypted FROM auria_raw.{table}_raw WHERE {name}_encrypted IS NOT NULL"
            );
            for row in admin.query(&query, &[]).unwrap() {
                let (owner, message): (Uuid, Vec<u8>) = (row.get(0), row.get(1));
                let opened = opener.open(&message, &mut || true).unwrap();
                assert_eq!(opened.owner(), Some(owner.as_bytes()), "{table}.{name}");
                values += 1;
            }
        }
    }
    assert!(values > 20, "{values}");
}

#[test]
fn plain_columns_that_a_raw_table_still_has_are_encrypted_and_go() {
    let db = raw(51);
    let mut admin = db.superuser();
    admin.run(&format!(
        "ALTER TABLE public.patients_raw ADD COLUMN name text, ADD COLUMN notes text;
         -- An old copy that nobody kept in step, and the one value of a row that no view has written.
         UPDATE public.patients_raw SET name = 'Nome Antigo', notes = 'antes' WHERE id = '00000000-0000-4000-8000-0000000000a1';
         UPDATE public.patients_raw SET name = 'Márcia Araújo', name_encrypted = NULL WHERE id = '00000000-0000-4000-8000-0000000000a2';
         UPDATE public.evaluations_raw SET patient_document = '{{\"texto\": \"repouso\"}}', anamnesis = 'asma' WHERE user_id = '{ANA}'"
    ));
    adopt(&mut admin);
    assert_eq!(
        column(
            &mut admin,
            "SELECT format('%s %s', name, notes) FROM public.patients WHERE right(id::text, 2) IN ('a1', 'a2') ORDER BY id"
        ),
        ["João da Conceição alergia a penicilina", "Márcia Araújo "]
    );
    assert_eq!(
        column(
            &mut db.authenticated(Uuid::parse_str(ANA).unwrap()),
            "SELECT DISTINCT format('%s %s', patient_document, anamnesis) FROM public.evaluations"
        ),
        ["{\"texto\": \"repouso\"} asma"]
    );
    let plain: i64 = admin.value(
        "SELECT count(*) FROM (SELECT row_to_json(r)::text FROM auria_raw.patients_raw AS r
                               UNION ALL SELECT row_to_json(r)::text FROM auria_raw.evaluations_raw AS r) AS rows (text)
          WHERE text ~ 'Márcia|João|repouso|asma'",
    );
    assert_eq!(plain, 0);
}

#[test]
fn keys_policies_publications_and_manual_grants_go_with_the_tables() {
    let db = raw(51);
    let mut admin = db.superuser();
    admin.run(
        "DO $$ BEGIN CREATE ROLE reporting; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         CREATE TABLE public.recalls (patient_id uuid REFERENCES public.patients_raw ON DELETE CASCADE);
         INSERT INTO public.recalls VALUES ('00000000-0000-4000-8000-0000000000a1');
         CREATE POLICY \"fora do expediente\" ON public.patients_raw AS RESTRICTIVE TO authenticated USING (true);
         CREATE PUBLICATION mirror FOR TABLE public.patients_raw;
         GRANT SELECT ON public.evaluations TO reporting;
         GRANT SELECT (id) ON public.evaluations_raw TO reporting",
    );
    adopt(&mut admin);
    assert_eq!(
        column(
            &mut admin,
            "SELECT confrelid::regclass::text FROM pg_constraint WHERE conrelid = 'public.recalls'::regclass"
        ),
        ["auria_raw.patients_raw"]
    );
    assert_eq!(
        column(&mut admin, "SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'fora do expediente'"),
        ["auria_raw.patients_raw"]
    );
    assert_eq!(
        column(&mut admin, "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = 'mirror'"),
        ["auria_raw.patients_raw"]
    );
    assert!(admin.value::<bool>("SELECT has_table_privilege('reporting', 'public.evaluations', 'SELECT')"));
    admin.run(&format!("DELETE FROM public.patients WHERE user_id = '{ANA}'"));
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.recalls"), 0);
}

#[test]
fn what_depends_on_a_view_of_the_original_stops_the_adoption_by_name() {
    for (object, make) in [
        ("view public.names", "CREATE VIEW public.names AS SELECT id, name FROM public.patients"),
        (
            "function public.latest()",
            "CREATE FUNCTION public.latest() RETURNS public.evaluations LANGUAGE sql AS 'SELECT * FROM public.evaluations LIMIT 1'",
        ),
        (
            "trigger audit on view public.patients",
            "CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER audit INSTEAD OF INSERT ON public.patients FOR EACH ROW EXECUTE FUNCTION public.audit()",
        ),
    ] {
        let db = raw(26);
        let mut admin = db.superuser();
        admin.run(make);
        let before = what_clients_read(&mut admin);
        let error = refused_with(admin.batch_execute("CREATE EXTENSION auria CASCADE"), "2BP01");
        assert!(error.message().contains(object), "{error}");
        assert_eq!(what_clients_read(&mut admin), before);
    }
}

#[test]
fn a_raw_table_of_somebody_who_is_not_trusted_is_not_taken_over() {
    let db = raw(26);
    let mut admin = db.superuser();
    admin.run(
        "DO $$ BEGIN CREATE ROLE stranger; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         ALTER TABLE public.patients_raw OWNER TO stranger",
    );
    let error = refused_with(admin.batch_execute("CREATE EXTENSION auria CASCADE"), "42501");
    assert!(error.message().contains("table public.patients_raw"), "{error}");
}

#[test]
fn a_function_of_a_view_that_the_team_changed_stays_and_is_reported() {
    let db = raw(26);
    let mut admin = db.superuser();
    admin.run("SET client_min_messages = warning; CREATE EXTENSION auria CASCADE");
    let warnings: Vec<_> = admin.notices().iter().map(|notice| notice.message().to_owned()).collect();
    for function in ["patients_view_insert()", "evaluations_view_delete()"] {
        let text = format!("function public.{function} is not one that AURIA shipped");
        assert!(warnings.iter().any(|warning| warning.contains(&text)), "{warnings:#?}");
        let oid: Option<u32> = admin.value(&format!("SELECT to_regprocedure('public.{function}')::oid"));
        assert!(oid.is_some());
    }
}

#[test]
fn a_raw_database_without_a_key_is_not_taken_over() {
    let db = raw(26);
    let mut admin = db.superuser();
    admin.run("DELETE FROM vault.secrets; SET auria.phi_key_file = ''");
    refused_with(admin.batch_execute("CREATE EXTENSION auria CASCADE"), "55000");
    assert_eq!(
        admin.value::<String>("SELECT relkind::text FROM pg_class WHERE oid = 'public.patients_raw'::regclass"),
        "r"
    );
}
