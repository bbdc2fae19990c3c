//! The values that each role may write into an encrypted column.

use auria_tests::{As, ClusterOptions, Database, Session, database, refused_with};
use uuid::Uuid;

/// A dentist with two patients, one without a phone.
struct Practice {
    dentist: Uuid,
    session: Session,
    service: Session,
    maria: Uuid,
    jose: Uuid,
}

fn practice(db: &Database<'_>) -> Practice {
    let dentist = db.sign_up("ana@clinica.test");
    let mut session = db.session(As::User(dentist));
    let mut insert = |name: &str, phone: Option<&str>| -> Uuid {
        session
            .query_one(
                "INSERT INTO public.patients (user_id, name, phone, birth_date)
                 VALUES ($1, $2, $3, '1980-02-01') RETURNING id",
                &[&dentist, &name, &phone],
            )
            .unwrap()
            .get(0)
    };
    let (maria, jose) = (insert("Maria", Some("11 91234")), insert("José", None));
    Practice { dentist, session, service: db.service(), maria, jose }
}

fn encrypted(session: &mut Session, column: &str, id: Uuid) -> Option<Vec<u8>> {
    session.query_one(&format!("SELECT {column} FROM public.patients WHERE id = $1"), &[&id]).unwrap().get(0)
}

#[test]
fn a_user_cannot_update_a_ciphertext_to_what_is_not_its_plain_value() {
    let db = database();
    let mut p = practice(&db);
    let others_name = encrypted(&mut p.session, "name_encrypted", p.jose).unwrap();
    let own_phone = encrypted(&mut p.session, "phone_encrypted", p.maria).unwrap();
    let mut damaged = encrypted(&mut p.session, "name_encrypted", p.maria).unwrap();
    damaged[40] ^= 1;
    let before = encrypted(&mut p.session, "name_encrypted", p.maria);
    for forged in [vec![], vec![0x12, 0x34], others_name.clone(), own_phone.clone(), damaged] {
        refused_with(
            p.session.execute("UPDATE public.patients SET name_encrypted = $1 WHERE id = $2", &[&forged, &p.maria]),
            "42501",
        );
    }
    // Swapped between columns, and together with a change of another plain value.
    refused_with(
        p.session.execute(
            "UPDATE public.patients SET name_encrypted = phone_encrypted, phone_encrypted = name_encrypted WHERE id = $1",
            &[&p.maria],
        ),
        "42501",
    );
    refused_with(
        p.session.execute(
            "UPDATE public.patients SET phone = '2', birth_date_encrypted = $1 WHERE id = $2",
            &[&others_name, &p.maria],
        ),
        "42501",
    );
    // A new plain value together with the ciphertext of another one.
    refused_with(
        p.session.execute(
            "UPDATE public.patients SET name = 'Bia', name_encrypted = $1 WHERE id = $2",
            &[&others_name, &p.maria],
        ),
        "42501",
    );
    // Where there is no plain value, none at all.
    refused_with(
        p.session.execute("UPDATE public.patients SET phone_encrypted = $1 WHERE id = $2", &[&own_phone, &p.jose]),
        "42501",
    );
    refused_with(
        p.session.execute(
            "UPDATE public.patients SET phone = NULL, phone_encrypted = $1 WHERE id = $2",
            &[&others_name, &p.maria],
        ),
        "42501",
    );
    assert_eq!(encrypted(&mut p.session, "name_encrypted", p.maria), before);
}

#[test]
fn a_user_cannot_insert_a_ciphertext_of_something_else() {
    let db = database();
    let mut p = practice(&db);
    let name = encrypted(&mut p.session, "name_encrypted", p.maria).unwrap();
    for (plain, forged) in
        [(Some("Bia"), name.clone()), (Some("Bia"), vec![0x12, 0x34]), (None, name.clone()), (None, vec![0x12, 0x34])]
    {
        refused_with(
            p.session.execute(
                "INSERT INTO public.patients (user_id, name, notes, notes_encrypted) VALUES ($1, 'Bia', $2, $3)",
                &[&p.dentist, &plain, &forged],
            ),
            "42501",
        );
    }
    refused_with(
        p.session.execute(
            "INSERT INTO public.evaluations (user_id, session_id, patient_name, patient_age, tooth, region, cavity_class,
                 restoration_size, substrate, aesthetic_level, tooth_color, longevity_expectation, budget, patient_name_encrypted)
             VALUES ($1, gen_random_uuid(), 'João', 30, '11', 'x', 'I', 'x', 'x', 'x', 'A2', 'x', 'x', $2)",
            &[&p.dentist, &name],
        ),
        "42501",
    );
    assert_eq!(p.service.value::<i64>("SELECT count(*) FROM public.patients"), 2);
}

#[test]
fn a_clients_whole_row_upsert_works_whether_or_not_it_changes_the_name() {
    let db = database();
    let mut p = practice(&db);
    let upsert = "INSERT INTO public.patients SELECT (jsonb_populate_record(p, jsonb_build_object('name', $2::text, 'phone', $3::text))).*
                    FROM public.patients AS p WHERE id = $1
                  ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, phone = EXCLUDED.phone,
                     name_encrypted = EXCLUDED.name_encrypted, phone_encrypted = EXCLUDED.phone_encrypted,
                     birth_date_encrypted = EXCLUDED.birth_date_encrypted";
    let before = encrypted(&mut p.session, "birth_date_encrypted", p.maria);
    for (name, phone) in [
        ("Maria", Some("11 91234")),
        ("Maria Clara", Some("11 91234")),
        ("Maria Clara", None),
        ("Maria Clara", Some("12")),
    ] {
        p.session.execute(upsert, &[&p.maria, &name, &phone]).unwrap();
        let row = p
            .service
            .query_one(
                "SELECT public.phi_decrypt(name_encrypted), public.phi_decrypt(phone_encrypted) FROM public.patients WHERE id = $1",
                &[&p.maria],
            )
            .unwrap();
        assert_eq!(row.get::<_, &str>(0), name);
        assert_eq!(row.get::<_, Option<&str>>(1), phone);
    }
    assert_eq!(encrypted(&mut p.session, "birth_date_encrypted", p.maria), before);
    // A row of somebody else is not looked into.
    let other = db.sign_up("bia@clinica.test");
    let cipher = encrypted(&mut p.session, "name_encrypted", p.maria).unwrap();
    refused_with(
        db.session(As::User(other)).execute(
            "INSERT INTO public.patients (id, user_id, name, name_encrypted) VALUES ($1, $2, 'Bia', $3)",
            &[&p.maria, &other, &cipher],
        ),
        "42501",
    );
}

#[test]
fn a_ciphertext_that_opens_to_the_plain_value_is_accepted_and_stays_as_it_is() {
    let db = database();
    let mut p = practice(&db);
    let own: Vec<u8> = p.service.value("SELECT public.phi_encrypt('Maria')");
    p.session.execute("UPDATE public.patients SET name_encrypted = $1 WHERE id = $2", &[&own, &p.maria]).unwrap();
    assert_eq!(encrypted(&mut p.session, "name_encrypted", p.maria), Some(own));
    let date: Vec<u8> = p.service.value("SELECT public.phi_encrypt('1980-02-01')");
    let id: Uuid = p
        .session
        .query_one(
            "INSERT INTO public.patients (user_id, name, birth_date, birth_date_encrypted)
             VALUES ($1, 'Bia', '1980-02-01', $2) RETURNING id",
            &[&p.dentist, &date],
        )
        .unwrap()
        .get(0);
    assert_eq!(encrypted(&mut p.session, "birth_date_encrypted", id), Some(date));
}

#[test]
fn a_user_cannot_take_a_ciphertext_away_from_its_plain_value_but_erases_one_without() {
    let db = database();
    let mut p = practice(&db);
    let before = encrypted(&mut p.session, "name_encrypted", p.maria);
    p.session.run("UPDATE public.patients SET name_encrypted = NULL");
    assert_eq!(encrypted(&mut p.session, "name_encrypted", p.maria), before);
    p.service.run("UPDATE public.patients SET phone_encrypted = public.phi_encrypt('only here') WHERE name = 'José'");
    p.session.run("UPDATE public.patients SET phone_encrypted = NULL WHERE name = 'José'");
    assert_eq!(encrypted(&mut p.session, "phone_encrypted", p.jose), None);
}

#[test]
fn the_backend_the_owner_its_members_and_superusers_may_write_any() {
    let db = database();
    let mut p = practice(&db);
    let mut dba = db.superuser();
    dba.run(
        "CREATE ROLE app_migrator;
         GRANT auria_owner TO app_migrator",
    );
    let update =
        "UPDATE public.patients SET email_encrypted = '\\x1234'; UPDATE public.patients SET email_encrypted = NULL";
    p.service.run(update);
    dba.run(update);
    for role in ["auria_owner", "app_migrator"] {
        dba.run(&format!("SET ROLE {role}; {update}; RESET ROLE"));
    }
    // A ciphertext that they write beside a plain value that changes is replaced by a new one all the same.
    p.service.run("UPDATE public.patients SET name = 'Bia', name_encrypted = '\\x1234' WHERE name = 'Maria'");
    let name: String = p
        .service
        .query_one("SELECT public.phi_decrypt(name_encrypted) FROM public.patients WHERE id = $1", &[&p.maria])
        .unwrap()
        .get(0);
    assert_eq!(name, "Bia");
    dba.run("DROP ROLE app_migrator");
}

#[test]
fn a_data_only_restore_keeps_every_ciphertext_byte_for_byte() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    practice(&db);
    let mut dba = db.superuser();
    let all = "SELECT string_agg(p::text, ' ' ORDER BY id) FROM public.patients AS p";
    let before: String = dba.value(all);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    cluster.client_succeeds("pg_dump", &["--data-only", "-t", "public.patients", "-f", path, db.name()]);
    dba.run("DELETE FROM public.patients");
    cluster.client_succeeds("psql", &["-q", "-X", "-v", "ON_ERROR_STOP=1", "-f", path, db.name()]);
    assert_eq!(dba.value::<String>(all), before);
}
