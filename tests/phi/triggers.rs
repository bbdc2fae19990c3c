//! The triggers that keep encrypted columns in step with the plain ones.

use auria_tests::{As, Database, Session, database, insert_evaluation, refused_with};
use uuid::Uuid;

/// A dentist's session and one of the backend, which may decrypt.
fn practice(db: &Database<'_>) -> (Session, Session, Uuid) {
    let dentist = db.sign_up("ana@clinica.test");
    (db.session(As::User(dentist)), db.service(), dentist)
}

const DECRYPTED: &str = "
    SELECT string_agg(public.phi_decrypt(encrypted), '|' ORDER BY position)
      FROM public.patients,
           unnest(ARRAY[name_encrypted, phone_encrypted, email_encrypted, birth_date_encrypted, notes_encrypted])
               WITH ORDINALITY AS columns (encrypted, position)
     WHERE id = $1 AND encrypted IS NOT NULL";

#[test]
fn a_new_patient_is_encrypted_in_all_five_columns_whatever_date_style_says() {
    let db = database();
    let (mut session, mut service, dentist) = practice(&db);
    for style in ["ISO, DMY", "German", "SQL, MDY", "Postgres, DMY"] {
        session.run(&format!("SET DateStyle = '{style}'"));
        let id: Uuid = session
            .query_one(
                "INSERT INTO public.patients (user_id, name, phone, email, birth_date, notes)
                 VALUES ($1, $2, '(11) 91234-5678', 'joao@x.test', DATE '1980-02-01', E'alergia\\r\\nlátex')
                 RETURNING id",
                &[&dentist, &format!("João {style}")],
            )
            .unwrap()
            .get(0);
        let read: String = service.query_one(DECRYPTED, &[&id]).unwrap().get(0);
        assert_eq!(read, format!("João {style}|(11) 91234-5678|joao@x.test|1980-02-01|alergia\r\nlátex"));
    }
}

#[test]
fn dates_without_an_iso_form_are_encrypted_as_postgresql_writes_them() {
    let db = database();
    let (mut session, mut service, dentist) = practice(&db);
    for date in ["infinity", "-infinity", "0044-03-15 BC", "0001-01-01", "12345-12-31", "2024-02-29"] {
        session
            .execute(
                &format!(
                    "INSERT INTO public.patients (user_id, name, birth_date) VALUES ($1, 'x{date}', DATE '{date}')"
                ),
                &[&dentist],
            )
            .unwrap();
        let read: bool = service.value(&format!(
            "SELECT public.phi_decrypt(birth_date_encrypted) = birth_date::text AND birth_date::text = '{date}'
               FROM public.patients WHERE name = 'x{date}'"
        ));
        assert!(read, "{date}");
    }
}

#[test]
fn a_null_is_not_encrypted_and_leaves_what_the_statement_of_the_backend_gave() {
    let db = database();
    let (_, mut service, dentist) = practice(&db);
    let row = service
        .query_one(
            "INSERT INTO public.patients (user_id, name, phone_encrypted) VALUES ($1, 'Ana', '\\x1234')
             RETURNING phone_encrypted, email_encrypted",
            &[&dentist],
        )
        .unwrap();
    assert_eq!(row.get::<_, Option<Vec<u8>>>(0), Some(vec![0x12, 0x34]));
    assert_eq!(row.get::<_, Option<Vec<u8>>>(1), None);
}

#[test]
fn what_the_backend_gives_for_an_encrypted_column_never_replaces_a_plain_value() {
    let db = database();
    let (_, mut service, dentist) = practice(&db);
    service
        .execute(
            "INSERT INTO public.patients (user_id, name, name_encrypted) VALUES ($1, 'Ana', '\\x1234')",
            &[&dentist],
        )
        .unwrap();
    let read: String = service.value("SELECT public.phi_decrypt(name_encrypted) FROM public.patients");
    assert_eq!(read, "Ana");
}

#[test]
fn an_update_touches_only_the_columns_whose_plain_value_changes() {
    let db = database();
    let (mut session, mut service, dentist) = practice(&db);
    let id: Uuid = session
        .query_one(
            "INSERT INTO public.patients (user_id, name, phone, email) VALUES ($1, 'Ana', '1', 'a@x.test') RETURNING id",
            &[&dentist],
        )
        .unwrap()
        .get(0);
    let mut ciphertexts = || {
        let row = service
            .query_one(
                "SELECT name_encrypted, phone_encrypted, email_encrypted FROM public.patients WHERE id = $1",
                &[&id],
            )
            .unwrap();
        [0, 1, 2].map(|column| row.get::<_, Option<Vec<u8>>>(column))
    };
    let before = ciphertexts();

    session.run("UPDATE public.patients SET name = 'Ana', notes = NULL");
    assert_eq!(ciphertexts(), before, "the same value again is no change");

    session.run("UPDATE public.patients SET phone = '2', email = NULL");
    let after = ciphertexts();
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    assert_eq!(after[2], None, "an erasure is not undone by a stale copy");
    let read: String = service.query_one(DECRYPTED, &[&id]).unwrap().get(0);
    assert_eq!(read, "Ana|2");
}

#[test]
fn a_long_value_stored_out_of_line_is_compared_and_encrypted_whole() {
    let db = database();
    let (mut session, mut service, dentist) = practice(&db);
    session
        .execute(
            "INSERT INTO public.patients (user_id, name, notes)
             SELECT $1, 'Ana', string_agg(md5(i::text), 'é') FROM generate_series(1, 20000) AS i",
            &[&dentist],
        )
        .unwrap();
    let same = "SELECT public.phi_decrypt(notes_encrypted) = notes FROM public.patients";
    assert!(service.value::<bool>(same));
    let digest = "SELECT md5(notes_encrypted) FROM public.patients";
    let before: String = service.value(digest);
    session.run("UPDATE public.patients SET notes = notes || '', name = 'Bia'");
    assert_eq!(service.value::<String>(digest), before);
    session.run("UPDATE public.patients SET notes = notes || '.'");
    assert_ne!(service.value::<String>(digest), before);
    assert!(service.value::<bool>(same));
}

#[test]
fn an_evaluation_keeps_its_patients_name_encrypted() {
    let db = database();
    let (_, mut service, dentist) = practice(&db);
    service.execute(&insert_evaluation("$1", &[("patient_name", "'João'")]), &[&dentist]).unwrap();
    let name = "SELECT public.phi_decrypt(patient_name_encrypted) FROM public.evaluations";
    assert_eq!(service.value::<String>(name), "João");
    service.run("UPDATE public.evaluations SET patient_name = 'Bia'");
    assert_eq!(service.value::<String>(name), "Bia");
    service.run("UPDATE public.evaluations SET patient_name = NULL");
    assert!(service.value::<bool>("SELECT patient_name_encrypted IS NULL FROM public.evaluations"));
}

#[test]
fn without_the_encrypted_column_nothing_is_stored() {
    let db = database();
    let (mut session, _, dentist) = practice(&db);
    let mut dba = db.superuser();
    dba.run("ALTER TABLE public.patients DROP COLUMN notes_encrypted");
    let insert = "INSERT INTO public.patients (user_id, name, notes) VALUES ($1, 'Ana', $2)";
    refused_with(session.execute(insert, &[&dentist, &"nota"]), "42703");
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.patients"), 0);
    session.execute(insert, &[&dentist, &None::<String>]).unwrap();
    dba.run("ALTER TABLE public.patients ADD COLUMN notes_encrypted text");
    refused_with(session.execute("UPDATE public.patients SET notes = 'x'", &[]), "42703");
}

#[test]
fn the_trigger_functions_cannot_be_called_nor_fired_after() {
    let db = database();
    let mut dba = db.superuser();
    refused_with(dba.query("SELECT public.encrypt_patient_phi()", &[]), "39P01");
    dba.run(
        "CREATE TABLE public.other (name text, name_encrypted bytea);
         CREATE TRIGGER late AFTER INSERT ON public.other
            FOR EACH ROW EXECUTE FUNCTION public.encrypt_patient_phi()",
    );
    refused_with(dba.execute("INSERT INTO public.other VALUES ('x')", &[]), "39P01");
}

const OF_EVALUATION: &str = "
    SELECT concat_ws('|', public.phi_decrypt(patient_document_encrypted), public.phi_decrypt(anamnesis_encrypted))
      FROM public.evaluations WHERE id = $1";

#[test]
fn anamnesis_and_document_of_an_evaluation_are_encrypted_and_erased_with_their_plain_values() {
    let db = database();
    let (mut session, mut service, dentist) = practice(&db);
    let id: Uuid = session
        .query_one(
            &(auria_tests::insert_evaluation(
                "$1",
                &[
                    ("anamnesis", "'hipertensa, usa losartana'"),
                    ("patient_document", r#"'{"b": 1.10, "a": "orientações", "n": 12345678901234567890.5}'"#),
                ],
            ) + " RETURNING id"),
            &[&dentist],
        )
        .unwrap()
        .get(0);
    let mut read = || -> String { service.query_one(OF_EVALUATION, &[&id]).unwrap().get(0) };
    // As PostgreSQL writes it: no digit of a number is lost.
    assert_eq!(read(), r#"{"a": "orientações", "b": 1.10, "n": 12345678901234567890.5}|hipertensa, usa losartana"#);
    session.run("UPDATE public.evaluations SET patient_document = '[]', anamnesis = 'nega alergias'");
    assert_eq!(read(), "[]|nega alergias");
    let ciphertexts = "SELECT md5(concat(patient_document_encrypted, anamnesis_encrypted)) FROM public.evaluations";
    let before: String = db.superuser().value(ciphertexts);
    session.run("UPDATE public.evaluations SET status = 'completed'");
    assert_eq!(db.superuser().value::<String>(ciphertexts), before);
    session.run("UPDATE public.evaluations SET patient_document = NULL, anamnesis = NULL");
    let left: bool = db
        .superuser()
        .value("SELECT patient_document_encrypted IS NULL AND anamnesis_encrypted IS NULL FROM public.evaluations");
    assert!(left);
}

#[test]
fn a_draft_is_encrypted_each_time_it_is_saved() {
    let db = database();
    let (mut session, mut service, dentist) = practice(&db);
    for data in [r#"{"step": 1, "name": "João"}"#, r#"{"step": 2, "name": "João"}"#] {
        session
            .execute(
                "INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ($1, $2::text::jsonb)
                 ON CONFLICT (user_id) DO UPDATE SET draft_data = excluded.draft_data",
                &[&dentist, &data],
            )
            .unwrap();
        assert!(service.value::<bool>(
            "SELECT public.phi_decrypt(draft_data_encrypted) = draft_data::text FROM public.evaluation_drafts"
        ));
    }
}

#[test]
fn what_was_not_encrypted_or_says_something_else_is_seen_by_verify_phi_encryption() {
    let db = database();
    let (mut session, mut service, dentist) = practice(&db);
    let mut verified = || -> Vec<(String, i64, i64, i64, Option<bool>)> {
        service
            .query("SELECT * FROM public.verify_phi_encryption()", &[])
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
            .collect()
    };
    let tables = db.superuser().value::<Vec<String>>("SELECT array_agg(DISTINCT table_name) FROM auria.phi_status()");
    let found = verified();
    assert_eq!(found.len(), tables.len());
    assert!(tables.iter().all(|table| found.contains(&(table.clone(), 0, 0, 0, None))), "{found:?}");
    session
        .execute(
            "INSERT INTO public.patients (user_id, name, phone) VALUES ($1, 'Maria', '1'), ($1, 'João', NULL)",
            &[&dentist],
        )
        .unwrap();
    // Nothing in it names the patient.
    session.execute(&auria_tests::insert_evaluation("$1", &[]), &[&dentist]).unwrap();
    assert_eq!(verified()[0], ("patients".to_owned(), 2, 2, 0, Some(true)));
    assert_eq!(verified()[1], ("evaluations".to_owned(), 1, 0, 0, None));
    let mut admin = db.superuser();
    admin.run(
        "SET session_replication_role = replica;
         UPDATE public.patients SET phone_encrypted = NULL WHERE phone IS NOT NULL",
    );
    assert_eq!(verified()[0], ("patients".to_owned(), 2, 1, 1, Some(true)));
    admin.run("UPDATE public.patients SET name = 'Outra' WHERE name = 'João'");
    assert_eq!(verified()[0], ("patients".to_owned(), 2, 1, 1, Some(false)));
    admin.run("UPDATE public.patients SET name_encrypted = 'x' WHERE name = 'Outra'");
    assert_eq!(verified()[0], ("patients".to_owned(), 2, 1, 1, Some(false)));
}
