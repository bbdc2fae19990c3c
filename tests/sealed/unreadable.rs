//! Values that no key opens: what a statement uses has to be readable, and the rest of the row stays of use.

use auria_tests::database;

use super::{insert_patient, refused_by, sealed_practice, stored};

#[test]
fn an_update_or_delete_that_uses_an_unreadable_value_is_refused_and_changes_nothing() {
    let db = database();
    let (mut session, _, patient, _) = sealed_practice(&db);
    let mut dba = db.superuser();
    dba.run("UPDATE auria_raw.patients_raw SET name_encrypted = '\\xc30d', birth_date_encrypted = '\\xc30d'");
    let before = stored(&db, patient);
    for statement in [
        "UPDATE public.patients SET notes = name",
        "UPDATE public.patients SET notes = upper(name)",
        "UPDATE public.patients SET notes = left(name, 1) || notes",
        "UPDATE public.patients SET notes = coalesce(name, 'ninguém')",
        "UPDATE public.patients SET notes = birth_date::text",
        "UPDATE public.patients SET notes = (SELECT p.name)  FROM public.patients p WHERE p.id = patients.id",
        "UPDATE public.patients SET (notes, phone) = (SELECT name, '1')",
        "UPDATE public.patients SET notes = 'x' WHERE name IS NULL",
        "UPDATE public.patients SET notes = 'x' WHERE EXISTS (SELECT WHERE name IS NULL)",
        "UPDATE public.patients p SET notes = q.name FROM public.patients q WHERE q.id = p.id",
        "UPDATE public.patients SET notes = row_to_json(patients)::text",
        "UPDATE public.patients SET notes = 'x' RETURNING name",
        "UPDATE public.patients SET notes = 'x' RETURNING patients",
        "DELETE FROM public.patients WHERE name IS NULL",
        "DELETE FROM public.patients RETURNING name",
    ] {
        refused_by(&mut session, "39000", statement);
        assert_eq!(stored(&db, patient), before, "{statement}");
    }
}

#[test]
fn a_row_with_an_unreadable_value_is_changed_in_other_columns_and_deleted() {
    let db = database();
    let (mut session, dentist, patient, _) = sealed_practice(&db);
    let other = insert_patient(&mut session, dentist, "Outra");
    db.superuser()
        .run("UPDATE auria_raw.patients_raw SET name_encrypted = '\\xc30d', birth_date_encrypted = '\\xc30d'");
    for statement in [
        format!("UPDATE public.patients SET notes = 'nova' WHERE id = '{patient}' RETURNING id, notes, phone"),
        format!("UPDATE public.patients SET notes = phone || notes WHERE phone IS NOT NULL AND id = '{patient}'"),
        format!(
            "UPDATE public.patients p SET phone = '2' FROM public.evaluations e WHERE e.patient_id = p.id AND p.id = '{patient}'"
        ),
    ] {
        session.run(&statement);
        assert!(stored(&db, patient).starts_with("\\xc30d|"), "{statement}");
    }
    assert_eq!(
        session.value::<String>(&format!("SELECT phone || ' ' || notes FROM public.patients WHERE id = '{patient}'")),
        "2 (11) 91234-5678nova"
    );
    session.run(&format!("UPDATE public.patients SET name = 'Maria' WHERE id = '{patient}' RETURNING name"));
    assert_eq!(session.value::<String>(&format!("SELECT name FROM public.patients WHERE id = '{patient}'")), "Maria");
    assert_eq!(session.execute("DELETE FROM public.patients WHERE id = $1", &[&other]).unwrap(), 1);
}

#[test]
fn the_backend_removes_an_unreadable_value_by_its_encrypted_column() {
    let db = database();
    let (_, _, patient, _) = sealed_practice(&db);
    db.superuser().run("UPDATE auria_raw.patients_raw SET notes_encrypted = '\\xc30d'");
    let mut service = db.service();
    refused_by(&mut service, "39000", "SELECT notes FROM public.patients");
    service.run(&format!("UPDATE public.patients SET notes_encrypted = NULL WHERE id = '{patient}'"));
    assert!(service.value::<bool>("SELECT notes IS NULL FROM public.patients"));
}
