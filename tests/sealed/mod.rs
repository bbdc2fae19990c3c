//! The sealed layout: no plaintext patient data at rest, and clients that do not notice.

mod audit;
mod binding;
mod clients;
mod errors;
pub mod lifecycle;
mod obstacles;
mod replica_role;
mod rotation;
mod secrecy;
mod unreadable;

use auria_tests::{As, Database, Session};
use uuid::Uuid;

/// Seals the database.
pub fn seal(db: &Database<'_>) {
    db.superuser().run("CALL auria.phi_seal()");
}

/// A dentist with a patient and an evaluation, sealed; the dentist's session, and the ids of both rows.
pub fn sealed_practice(db: &Database<'_>) -> (Session, Uuid, Uuid, Uuid) {
    let dentist = db.sign_up("ana@clinica.test");
    let mut session = db.session(As::User(dentist));
    let patient = insert_patient(&mut session, dentist, "Maria Oliveira");
    let evaluation: Uuid = session
        .query_one(
            &format!(
                "{} RETURNING id",
                auria_tests::insert_evaluation(
                    &format!("'{dentist}'"),
                    &[
                        ("patient_id", &format!("'{patient}'")),
                        ("patient_name", "'Maria Oliveira'"),
                        ("anamnesis", "'Alergia a látex'"),
                        ("patient_document", r#"'{"texto": "Cuidados"}'"#),
                    ],
                )
            ),
            &[],
        )
        .unwrap()
        .get(0);
    session
        .execute(
            r#"INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ($1, '{"patientName": "Maria"}')"#,
            &[&dentist],
        )
        .unwrap();
    seal(db);
    (session, dentist, patient, evaluation)
}

/// A patient with all five values; its id.
pub fn insert_patient(session: &mut Session, dentist: Uuid, name: &str) -> Uuid {
    session
        .query_one(
            "INSERT INTO public.patients (user_id, name, phone, email, birth_date, notes)
             VALUES ($1, $2, '(11) 91234-5678', 'maria@x.test', DATE '1980-02-01', 'hipertensa') RETURNING id",
            &[&dentist, &name],
        )
        .unwrap()
        .get(0)
}

/// The columns of a patient in the stored table: ciphertexts and digest, as hex.
pub fn stored(db: &Database<'_>, patient: Uuid) -> String {
    db.superuser().value(&format!(
        "SELECT concat_ws('|', name_encrypted, phone_encrypted, email_encrypted, birth_date_encrypted, notes_encrypted, name_digest)
           FROM auria_raw.patients_raw WHERE id = '{patient}'"
    ))
}

/// The server's error of statements that must fail with this SQLSTATE.
#[track_caller]
pub fn refused_by(session: &mut Session, sqlstate: &str, statements: &str) -> postgres::error::DbError {
    auria_tests::refused_with(session.batch_execute(statements), sqlstate)
}
