//! `auria.export_user()`, `auria.export_patient()`.

use auria_tests::{Session, database, public_tables, refused_with};

use super::{ABOUT_NOBODY, export, files, practice, rows};
use crate::access::matrix::row_of;

#[test]
fn an_export_of_a_user_has_rows_of_every_table_about_people_and_no_ciphertext() {
    let db = database();
    let ana = practice(&db, "ana");
    // A table that came later has the row of the access matrix.
    let first = export(&mut db.service(), "user", ana.dentist);
    for table in public_tables() {
        let name = format!("public.{table}");
        if !ABOUT_NOBODY.contains(&table.as_str()) && rows(&first, &name) == 0 {
            db.superuser().run(&row_of(&name, ana.dentist));
        }
    }
    let document = export(&mut db.service(), "user", ana.dentist);
    for table in public_tables() {
        let name = format!("public.{table}");
        if ABOUT_NOBODY.contains(&table.as_str()) {
            assert!(document["tables"].get(&name).is_none(), "{name}");
        } else {
            assert!(
                rows(&document, &name) > 0,
                "{name} is not exported: it needs a column that refers to auth.users, or a line in ABOUT_NOBODY of \
                 tests/lgpd/mod.rs"
            );
        }
    }
    assert_eq!(rows(&document, "public.evaluations"), 3);
    assert_eq!(document["subject"]["id"], ana.dentist.to_string());
    assert_eq!(files(&document).len(), 7);
    let text = document.to_string();
    assert!(!text.contains("_encrypted"), "{text}");
    for stored in ["Maria ana", "João ana", "nota ana", "anamnese ana"] {
        assert!(text.contains(stored), "{stored}");
    }
    assert!(text.contains("auth.users"), "the account is named");
}

#[test]
fn an_export_has_nothing_of_another_user() {
    let db = database();
    let (ana, bia) = (practice(&db, "ana"), practice(&db, "bia"));
    let mut service = db.service();
    // Bia uses the number of one of Ana's sessions.
    service.run(&format!(
        "UPDATE public.session_detected_teeth SET tooth = '48', session_id =
                (SELECT session_id FROM public.evaluations WHERE patient_id = '{}')
          WHERE ctid = (SELECT min(ctid) FROM public.session_detected_teeth WHERE user_id = '{}')",
        ana.patient, bia.dentist
    ));
    for (kind, id) in [("user", ana.dentist), ("patient", ana.patient)] {
        let text = export(&mut service, kind, id).to_string();
        assert!(text.contains("Maria ana"));
        for foreign in ["bia", &bia.dentist.to_string()] {
            assert!(!text.contains(foreign), "{kind}: {text}");
        }
    }
}

#[test]
fn an_export_of_a_patient_has_what_is_about_them_and_not_what_is_about_another_patient() {
    let db = database();
    let ana = practice(&db, "ana");
    let document = export(&mut db.service(), "patient", ana.patient);
    for (table, expected) in [
        ("patients", 1),
        ("evaluations", 2),
        ("shared_links", 1),
        ("session_detected_teeth", 1),
        ("evaluation_drafts", 1),
        ("payment_history", 0),
    ] {
        assert_eq!(rows(&document, &format!("public.{table}")), expected, "{table}");
    }
    let mut found = files(&document);
    found.sort();
    let session = document["tables"]["public.shared_links"][0]["session_id"].as_str().unwrap();
    let mut expected = [
        format!("clinical-photos/{}/fotos/maria.jpg", ana.dentist),
        format!("clinical-photos/{}/fotos/sem-id.jpg", ana.dentist),
        format!("clinical-photos/{}/{session}/extra.jpg", ana.dentist),
        format!("dsd-simulations/{}/maria.png", ana.dentist),
    ];
    expected.sort();
    assert_eq!(found, expected);
    assert!(!document.to_string().contains("João"));
}

#[test]
fn a_draft_about_another_patient_whose_name_begins_alike_is_not_the_patients() {
    let db = database();
    let ana = practice(&db, "ana");
    let mut service = db.service();
    service.run("UPDATE public.evaluation_drafts SET draft_data = '{\"patientName\": \"Mariana\"}'");
    let rename = |service: &mut Session, name: &str| {
        service.run(&format!("UPDATE public.patients SET name = '{name}' WHERE id = '{}'", ana.patient));
    };
    let drafts = |service: &mut _| rows(&export(service, "patient", ana.patient), "public.evaluation_drafts");
    rename(&mut service, "Maria");
    assert_eq!(drafts(&mut service), 0);
    // A character that is special in a pattern is not special in a name.
    rename(&mut service, "Mar.*");
    assert_eq!(drafts(&mut service), 0);
    rename(&mut service, "Maria (filha)");
    service.run("UPDATE public.evaluation_drafts SET draft_data = '{\"a\": [{\"b\": \"sobre maria (filha), hoje\"}]}'");
    assert_eq!(drafts(&mut service), 1);
}

#[test]
fn a_value_that_is_only_encrypted_is_exported_decrypted() {
    let db = database();
    let ana = practice(&db, "ana");
    db.superuser().run(
        "SET session_replication_role = replica; UPDATE public.patients SET notes = NULL;
         UPDATE public.evaluation_drafts SET draft_data = '{}'",
    );
    let document = export(&mut db.service(), "patient", ana.patient);
    assert_eq!(document["tables"]["public.patients"][0]["notes"], "nota ana");
}

#[test]
fn an_export_is_for_the_backend_and_refuses_null() {
    let db = database();
    let ana = practice(&db, "ana");
    for call in [
        format!("SELECT auria.export_user('{}')", ana.dentist),
        format!("SELECT auria.export_patient('{}')", ana.patient),
        format!("SELECT auria.erase_user('{}')", ana.dentist),
        format!("SELECT auria.erase_patient('{}')", ana.patient),
    ] {
        refused_with(db.authenticated(ana.dentist).batch_execute(&call), "42501");
        refused_with(db.anon().batch_execute(&call), "42501");
    }
    for call in [
        "export_user(NULL)",
        "export_patient(NULL)",
        "erase_user(NULL)",
        "erase_patient(NULL)",
        "erase_user(gen_random_uuid(), NULL)",
    ] {
        refused_with(db.service().batch_execute(&format!("SELECT auria.{call}")), "22004");
    }
}
