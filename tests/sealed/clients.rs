//! What clients write and read through the views.

use auria_tests::{As, database, insert_evaluation};
use uuid::Uuid;

use crate::access::matrix::row_of;

use super::{insert_patient, refused_by, seal, sealed_practice, stored};

const PATIENT: &str = "SELECT concat_ws('|', name, phone, email, birth_date, notes) FROM public.patients";

#[test]
fn what_was_stored_before_is_read_as_before() {
    let db = database();
    let (mut session, ..) = sealed_practice(&db);
    assert_eq!(session.value::<String>(PATIENT), "Maria Oliveira|(11) 91234-5678|maria@x.test|1980-02-01|hipertensa");
    assert_eq!(
        session.value::<String>(
            "SELECT concat_ws('|', patient_name, anamnesis, patient_document ->> 'texto') FROM public.evaluations"
        ),
        "Maria Oliveira|Alergia a látex|Cuidados"
    );
    assert_eq!(session.value::<String>("SELECT draft_data ->> 'patientName' FROM public.evaluation_drafts"), "Maria");
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.patients WHERE name ILIKE '%oliv%'"), 1);
}

#[test]
fn a_view_has_the_columns_of_the_table_in_their_order_with_types_and_defaults() {
    const COLUMNS: &str = "
        SELECT string_agg(concat_ws(' ', attrelid::regclass, attname, format_type(atttypid, atttypmod),
                                    pg_get_expr(adbin, adrelid)), E'\n' ORDER BY attrelid::regclass::text, attnum)
          FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE attrelid IN ('public.patients'::regclass, 'public.evaluations'::regclass, 'public.evaluation_drafts'::regclass)
           AND attnum > 0 AND NOT attisdropped";
    let db = database();
    let open: String = db.superuser().value(COLUMNS);
    seal(&db);
    assert_eq!(db.superuser().value::<String>(COLUMNS), open);
}

/// Also of a table that is new to the encrypted ones.
#[test]
fn a_row_of_every_view_is_inserted_changed_and_deleted_by_its_owner() {
    let db = database();
    seal(&db);
    let views: Vec<String> = db.superuser().value(
        "SELECT array_agg(relname::text) FROM pg_class
          WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
            AND to_regclass('auria_raw.' || relname || '_raw') IS NOT NULL",
    );
    assert!(views.len() >= 3, "{views:?}");
    for view in views {
        let dentist = db.sign_up(&format!("{view}@clinica.example"));
        let view = format!("public.{view}");
        db.superuser().run(&row_of(&view, dentist));
        let mut session = db.authenticated(dentist);
        let read = format!("SELECT count(*) FROM {view}");
        let rows: i64 = session.value(&read);
        assert!(rows > 0, "{view}");
        let changed = session.execute(&format!("UPDATE {view} SET user_id = user_id, id = id"), &[]).unwrap();
        assert_eq!(changed as i64, rows, "{view}");
        let deleted = session.execute(&format!("DELETE FROM {view}"), &[]).unwrap();
        assert_eq!(deleted as i64, rows, "{view}");
        assert_eq!(session.value::<i64>(&read), 0, "{view}");
    }
}

#[test]
fn inserts_return_the_stored_row_with_its_defaults() {
    let db = database();
    let (mut session, dentist, ..) = sealed_practice(&db);
    let row = session
        .query_one(
            "INSERT INTO public.patients (user_id, name, birth_date) VALUES ($1, 'João', '1990-05-04')
             RETURNING id, name, birth_date::text, phone, created_at = now(), name_encrypted IS NOT NULL",
            &[&dentist],
        )
        .unwrap();
    assert_eq!(row.get::<_, String>(1), "João");
    assert_eq!(row.get::<_, String>(2), "1990-05-04");
    assert_eq!(row.get::<_, Option<String>>(3), None);
    assert!(row.get::<_, bool>(4) && row.get::<_, bool>(5));
}

#[test]
fn an_update_encrypts_what_changed_and_nothing_else() {
    let db = database();
    let (mut session, _, patient, _) = sealed_practice(&db);
    let before = stored(&db, patient);
    let fields = |text: &str| -> Vec<String> { text.split('|').map(str::to_owned).collect() };

    session.run("UPDATE public.patients SET name = name, phone = '(11) 91234-5678'");
    assert_eq!(stored(&db, patient), before, "nothing changed");

    session.run("UPDATE public.patients SET phone = '(11) 90000-0000'");
    let after = fields(&stored(&db, patient));
    let before = fields(&before);
    for (place, (old, new)) in before.iter().zip(&after).enumerate() {
        assert_eq!(old != new, place == 1, "{place}");
    }

    session.run(
        "UPDATE public.patients SET name = 'Maria Souza', phone = NULL, email = NULL, birth_date = NULL, notes = NULL",
    );
    assert_eq!(session.value::<String>(PATIENT), "Maria Souza");
    assert_eq!(fields(&stored(&db, patient)).len(), 2, "a name and its digest are left");
    assert!(session.value::<bool>("SELECT updated_at >= created_at FROM public.patients"));
}

#[test]
fn a_row_that_moves_to_another_dentist_is_encrypted_for_that_dentist() {
    let db = database();
    let (_, _, patient, _) = sealed_practice(&db);
    let bruno = db.sign_up("bruno@clinica.test");
    let mut service = db.service();
    service.execute("UPDATE public.patients SET user_id = $1 WHERE id = $2", &[&bruno, &patient]).unwrap();
    let mut session = db.session(As::User(bruno));
    assert_eq!(session.value::<String>(PATIENT), "Maria Oliveira|(11) 91234-5678|maria@x.test|1980-02-01|hipertensa");
}

#[test]
fn a_dentist_has_one_patient_of_a_name_and_another_dentist_may_have_the_same() {
    let db = database();
    let (mut session, dentist, ..) = sealed_practice(&db);
    let refusal = refused_by(
        &mut session,
        "23505",
        &format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria Oliveira')"),
    );
    assert!(refusal.message().contains("patients_user_id_name_key"), "{refusal:?}");
    assert!(!format!("{refusal:?}").contains("digest"), "{refusal:?}");
    let bruno = db.sign_up("bruno@clinica.test");
    insert_patient(&mut db.session(As::User(bruno)), bruno, "Maria Oliveira");
}

#[test]
fn errors_carry_the_names_of_the_open_layout() {
    let db = database();
    let (mut session, dentist, ..) = sealed_practice(&db);
    let bruno = db.sign_up("bruno@clinica.test");
    let long = "a".repeat(20_000);
    for (code, statement, text) in [
        (
            "23502",
            format!("INSERT INTO public.patients (user_id) VALUES ('{dentist}')"),
            "null value in column \"name\" of relation \"patients\" violates not-null constraint",
        ),
        (
            "23502",
            "UPDATE public.patients SET name = NULL".to_owned(),
            "null value in column \"name\" of relation \"patients\" violates not-null constraint",
        ),
        (
            "42501",
            format!("INSERT INTO public.patients (user_id, name) VALUES ('{bruno}', 'x')"),
            "new row violates row-level security policy for table \"patients\"",
        ),
        ("54000", format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', '{long}')"), ""),
        (
            "23514",
            "UPDATE public.evaluations SET status = 'perdida'".to_owned(),
            "relation \"evaluations\" violates check constraint \"evaluations_status_not_unknown\"",
        ),
        (
            "23503",
            "UPDATE public.evaluations SET ideal_resin_id = gen_random_uuid()".to_owned(),
            "table \"evaluations\" violates foreign key constraint \"evaluations_ideal_resin_id_fkey\"",
        ),
    ] {
        let refusal = refused_by(&mut session, code, &statement);
        assert!(refusal.message().contains(text), "{refusal:?}");
        assert!(!format!("{refusal:?}").contains("_raw\""), "{refusal:?}");
    }
}

#[test]
fn an_insert_that_is_to_do_nothing_on_a_conflict_meets_it() {
    let db = database();
    let (mut session, dentist, patient, _) = sealed_practice(&db);
    let insert = |name: &str| {
        format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', '{name}') ON CONFLICT DO NOTHING")
    };
    let before = stored(&db, patient);
    let refusal = refused_by(&mut session, "23505", &insert("Maria Oliveira"));
    assert_eq!(refusal.constraint(), Some("patients_user_id_name_key"));
    session.run(&insert("Outra"));
    assert_eq!(stored(&db, patient), before);
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.patients"), 2);
}

#[test]
fn upserts_with_a_target_are_refused_and_a_second_draft_replaces_the_first() {
    let db = database();
    let (mut session, dentist, ..) = sealed_practice(&db);
    refused_by(
        &mut session,
        "42P10",
        &format!(
            "INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'x')
             ON CONFLICT (user_id, name) DO UPDATE SET phone = '1'"
        ),
    );
    session
        .execute(
            r#"INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ($1, '{"patientName": "José"}')"#,
            &[&dentist],
        )
        .unwrap();
    assert_eq!(
        session.value::<String>("SELECT string_agg(draft_data ->> 'patientName', ',') FROM public.evaluation_drafts"),
        "José"
    );
    // PostgreSQL merges into a view from 17 on.
    let merge = "MERGE INTO public.patients p USING (VALUES ('Maria Oliveira')) v (name) ON p.name = v.name
        WHEN MATCHED THEN UPDATE SET phone = '2' WHEN NOT MATCHED THEN DO NOTHING";
    if session.value::<i32>("SELECT current_setting('server_version_num')::int") < 170_000 {
        refused_by(&mut session, "0A000", merge);
    } else {
        session.run(merge);
        assert_eq!(session.value::<i64>("SELECT count(*) FROM public.patients WHERE phone = '2'"), 1);
    }
}

#[test]
fn compare_and_swap_has_one_winner() {
    let db = database();
    let (_, dentist, patient, _) = sealed_practice(&db);
    for round in 0..10 {
        db.superuser().run(&format!("UPDATE public.patients SET notes = 'livre' WHERE id = '{patient}'"));
        let outcomes = db.concurrently(8, As::User(dentist), |place, session| {
            session
                .execute(
                    "UPDATE public.patients SET notes = $1 WHERE id = $2 AND notes = 'livre'",
                    &[&format!("tomado {place}"), &patient],
                )
                .map_err(|error| error.code().unwrap().code().to_owned())
        });
        let winners = outcomes.iter().filter(|outcome| **outcome == Ok(1)).count();
        assert_eq!(winners, 1, "round {round}: {outcomes:?}");
        for outcome in outcomes {
            assert!(matches!(outcome, Ok(0 | 1)) || outcome == Err("40001".to_owned()), "{outcome:?}");
        }
    }
}

#[test]
fn a_row_with_an_unreadable_value_can_be_changed_and_deleted() {
    let db = database();
    let (mut session, dentist, patient, _) = sealed_practice(&db);
    let other = insert_patient(&mut session, dentist, "Outra");
    db.superuser().run(&format!(
        "UPDATE auria_raw.patients_raw SET notes_encrypted = '\\xc30d' WHERE id IN ('{patient}', '{other}')"
    ));
    refused_by(&mut session, "39000", "SELECT notes FROM public.patients");
    session.execute("UPDATE public.patients SET phone = '1' WHERE id = $1", &[&patient]).unwrap();
    assert_eq!(session.value::<String>(&format!("SELECT phone FROM public.patients WHERE id = '{patient}'")), "1");
    assert!(stored(&db, patient).contains("|\\xc30d|"), "the value stays as it is");
    session.execute("UPDATE public.patients SET notes = 'nova' WHERE id = $1", &[&patient]).unwrap();
    assert_eq!(session.execute("DELETE FROM public.patients WHERE id = $1", &[&other]).unwrap(), 1);
    assert_eq!(session.value::<String>("SELECT notes FROM public.patients"), "nova");
}

#[test]
fn an_unreadable_value_that_a_statement_needs_is_an_error_and_never_taken_for_null() {
    let db = database();
    let (mut session, dentist, patient, evaluation) = sealed_practice(&db);
    let other = insert_patient(&mut session, dentist, "Outra");
    db.superuser().run(&format!(
        "UPDATE auria_raw.patients_raw SET name_encrypted = '\\xc30d', birth_date_encrypted = '\\xc30d' WHERE id = '{patient}'"
    ));
    let before = (stored(&db, patient), stored(&db, other));
    let one = format!("WHERE id = '{patient}'");
    for statement in [
        format!("UPDATE public.patients SET notes = name {one}"),
        format!("UPDATE public.patients SET notes = 'Sra. ' || name {one}"),
        format!("UPDATE public.patients SET notes = coalesce(name, 'sem nome') {one}"),
        format!("UPDATE public.patients SET birth_date = birth_date + 1 {one}"),
        format!("UPDATE public.patients p SET notes = (SELECT p.name || count(*) FROM public.evaluations) {one}"),
        format!("UPDATE public.patients SET phone = '1' {one} AND name <> 'x'"),
        format!(
            "UPDATE public.patients SET phone = '1' {one} AND EXISTS (SELECT FROM public.evaluations e WHERE e.patient_name <> name)"
        ),
        format!("DELETE FROM public.patients {one} AND name IS NULL"),
        format!(
            "UPDATE public.patients a SET name = b.name FROM public.patients b
              WHERE a.id = '{other}' AND b.id = '{patient}'"
        ),
        format!(
            "UPDATE public.evaluations e SET patient_name = p.name FROM public.patients p
              WHERE e.id = '{evaluation}' AND p.id = '{patient}'"
        ),
        format!(
            "WITH c AS (SELECT name FROM public.patients {one}) UPDATE public.patients SET notes = c.name FROM c WHERE id = '{other}'"
        ),
    ] {
        refused_by(&mut session, "39000", &statement);
    }
    assert_eq!(before, (stored(&db, patient), stored(&db, other)));
    // A value that no key opens disturbs no statement that does not need it.
    session.run(&format!("UPDATE public.patients SET notes = phone {one} AND email IS DISTINCT FROM 'x'"));
    session.run(&format!("UPDATE public.patients SET name = 'Maria' {one}"));
    session.run(&format!("DELETE FROM public.patients {one}"));
}

#[test]
fn ciphertexts_that_are_not_the_plain_value_are_refused_to_clients() {
    let db = database();
    let (mut session, dentist, patient, _) = sealed_practice(&db);
    refused_by(
        &mut session,
        "42501",
        &format!("UPDATE public.patients SET notes_encrypted = name_encrypted WHERE id = '{patient}'"),
    );
    refused_by(
        &mut session,
        "42501",
        &format!("INSERT INTO public.patients (user_id, name, notes_encrypted) VALUES ('{dentist}', 'x', '\\x00')"),
    );
    // A client that sends the whole row back writes what it read.
    session.run("UPDATE public.patients SET (name, name_encrypted, phone) = (name, name_encrypted, '2')");
}

#[test]
fn sharing_dashboard_and_clean_ups_work_on_sealed_tables() {
    let db = database();
    let (mut session, dentist, _, evaluation) = sealed_practice(&db);
    let token: String = session
        .query_one(
            "INSERT INTO public.shared_links (user_id, session_id)
             SELECT user_id, session_id FROM public.evaluations WHERE id = $1 RETURNING token",
            &[&evaluation],
        )
        .unwrap()
        .get(0);
    let mut visitor = db.anon();
    assert_eq!(
        visitor
            .query_one("SELECT patient_document ->> 'texto' FROM public.get_shared_evaluation($1)", &[&token])
            .unwrap()
            .get::<_, String>(0),
        "Cuidados"
    );
    visitor.run(&format!("SET request.headers = '{{\"x-share-token\": \"{token}\"}}'"));
    assert_eq!(visitor.value::<i64>("SELECT count(tooth) FROM public.evaluations"), 1);
    refused_by(&mut visitor, "42501", "SELECT patient_name FROM public.evaluations");
    refused_by(&mut visitor, "42501", "SELECT tooth FROM auria_raw.evaluations_raw");

    let metrics: String =
        session.value(&format!("SELECT public.get_dashboard_metrics('{dentist}')::jsonb ->> 'total_patients'"));
    assert_eq!(metrics, "1");

    let mut owner = db.superuser();
    owner.run(
        "ALTER TABLE auria_raw.evaluations_raw DISABLE TRIGGER update_evaluations_updated_at;
         UPDATE auria_raw.evaluations_raw SET status = 'analyzing', updated_at = now() - interval '1 hour';
         ALTER TABLE auria_raw.evaluations_raw ENABLE TRIGGER update_evaluations_updated_at;
         ALTER TABLE auria_raw.evaluation_drafts_raw DISABLE TRIGGER update_evaluation_drafts_updated_at;
         UPDATE auria_raw.evaluation_drafts_raw SET updated_at = now() - interval '31 days';
         ALTER TABLE auria_raw.evaluation_drafts_raw ENABLE TRIGGER update_evaluation_drafts_updated_at",
    );
    let mut service = db.service();
    assert_eq!(service.value::<i32>("SELECT public.cleanup_stuck_evaluations()"), 1);
    assert_eq!(service.value::<i32>("SELECT public.cleanup_stale_drafts()"), 1);
    assert_eq!(session.value::<String>("SELECT status FROM public.evaluations"), "error");
    assert_eq!(session.value::<String>("SELECT anamnesis FROM public.evaluations"), "Alergia a látex");
}

#[test]
fn bytes_of_another_dentist_open_nowhere() {
    let db = database();
    let (_, _, patient, _) = sealed_practice(&db);
    let mallory = db.sign_up("mallory@clinica.test");
    let mut session = db.session(As::User(mallory));
    let own: Uuid = insert_patient(&mut session, mallory, "Própria");
    let mut dba = db.superuser();
    let stolen: String =
        dba.value(&format!("SELECT name_encrypted::text FROM auria_raw.patients_raw WHERE id = '{patient}'"));
    // No API role can name what is in the schema; were it allowed to, a value is still its owner's.
    refused_by(&mut session, "42501", &format!("SELECT auria.open_text('{stolen}'::bytea)"));
    dba.run("GRANT USAGE ON SCHEMA auria TO authenticated");
    refused_by(&mut session, "39000", &format!("SELECT auria.open_text('{stolen}'::bytea)"));
    refused_by(
        &mut session,
        "42501",
        &format!("UPDATE auria_raw.patients_raw SET notes_encrypted = '{stolen}' WHERE id = '{own}'"),
    );
    // Even if somebody puts it there.
    dba.run(&format!("UPDATE auria_raw.patients_raw SET notes_encrypted = '{stolen}' WHERE id = '{own}'"));
    refused_by(&mut session, "39000", "SELECT notes FROM public.patients");
    assert_eq!(
        dba.value::<i64>(
            "SELECT differing FROM auria.phi_status() WHERE table_name = 'patients' AND column_name = 'notes'"
        ),
        1
    );
    dba.run("CALL auria.phi_backfill(100)");
    refused_by(&mut session, "39000", "SELECT notes FROM public.patients");
    let mut visitor = db.anon();
    refused_by(&mut visitor, "42501", &format!("SELECT auria.open_text('{stolen}'::bytea)"));
}

#[test]
fn a_query_reads_for_the_user_it_began_with_and_the_next_one_for_the_next() {
    let db = database();
    let dentists = ["ana@clinica.test", "bia@clinica.test"].map(|email| db.sign_up(email));
    let [ana, bia] = dentists;
    for dentist in dentists {
        for name in ["Um", "Dois"] {
            insert_patient(&mut db.service(), dentist, &format!("{name} de {dentist}"));
        }
    }
    let claims =
        |user: Uuid| format!(r#"set_config('request.jwt.claims', '{{"sub":"{user}","role":"authenticated"}}', false)"#);
    let own = |user: Uuid| format!("Dois de {user}, Um de {user}");
    const NAMES: &str = "SELECT string_agg(name, ', ' ORDER BY name) FROM public.patients";
    for layout in ["open", "sealed"] {
        if layout == "sealed" {
            seal(&db);
        }
        let mut session = db.authenticated(ana);
        // A cursor is one query, also when the claims change between its rows.
        session.run("BEGIN; DECLARE names CURSOR FOR SELECT name FROM public.patients ORDER BY created_at, name");
        assert_eq!(session.value::<String>("FETCH names"), format!("Um de {ana}"), "{layout}");
        session.run(&format!("SELECT {}", claims(bia)));
        assert_eq!(session.value::<String>("FETCH names"), format!("Dois de {ana}"), "{layout}");
        assert_eq!(session.value::<String>(NAMES), own(bia), "{layout}");
        session.run("COMMIT");
        // Several queries in one statement, each with the same plan.
        session.run(&format!(
            "CREATE TEMP TABLE seen (names text);
             DO $$ DECLARE dentist uuid; BEGIN
                 FOREACH dentist IN ARRAY ARRAY['{ana}', '{bia}', '{ana}']::uuid[] LOOP
                     PERFORM set_config('request.jwt.claims', json_build_object('sub', dentist)::text, false);
                     INSERT INTO seen {NAMES};
                 END LOOP;
             END $$"
        ));
        assert_eq!(
            session.value::<String>("SELECT string_agg(names, '; ') FROM seen"),
            [own(ana), own(bia), own(ana)].join("; "),
            "{layout}"
        );
    }
    // An expression that PL/pgSQL keeps over its statements is no query.
    let mut dba = db.superuser();
    dba.run(
        "GRANT USAGE ON SCHEMA auria TO authenticated;
         CREATE TABLE public.bytes AS SELECT user_id, name_encrypted FROM auria_raw.patients_raw;
         GRANT SELECT ON public.bytes TO authenticated",
    );
    let mut session = db.authenticated(ana);
    session.run(&format!(
        "DO $$ DECLARE stored record; opened text; BEGIN
             FOR stored IN SELECT * FROM public.bytes LOOP
                 PERFORM set_config('request.jwt.claims', json_build_object('sub', stored.user_id)::text, false);
                 opened := auria.open_text(stored.name_encrypted);
                 IF opened NOT LIKE '% de ' || stored.user_id THEN
                     RAISE EXCEPTION 'read something else';
                 END IF;
             END LOOP;
             PERFORM {};
         END $$",
        claims(bia)
    ));
    refused_by(&mut session, "39000", "SELECT auria.open_text(name_encrypted) FROM public.bytes");
}

#[test]
fn a_dump_of_data_can_be_copied_back_through_the_views() {
    let db = database();
    let (_, dentist, ..) = sealed_practice(&db);
    let mut service = db.service();
    service.run(&insert_evaluation(&format!("'{dentist}'"), &[("patient_name", "'Copiada'"), ("anamnesis", "''")]));
    assert_eq!(
        service.value::<String>("SELECT anamnesis FROM public.evaluations WHERE patient_name = 'Copiada'"),
        "",
        "an empty text is read back as one"
    );
    let mut writer = service.copy_in("COPY public.patients (user_id, name, phone) FROM STDIN").unwrap();
    std::io::Write::write_all(&mut writer, format!("{dentist}\tCopiado\t123\n").as_bytes()).unwrap();
    writer.finish().unwrap();
    assert_eq!(service.value::<String>("SELECT phone FROM public.patients WHERE name = 'Copiado'"), "123");
}
