//! A sealed value is opened only for the dentist whose row it is.

use auria_tests::{As, database};

use super::{export, practice};
use crate::sealed::seal;

#[test]
fn neither_an_export_nor_a_shared_link_shows_another_dentists_value() {
    let db = database();
    let (ana, bia) = (practice(&db, "ana"), practice(&db, "bia"));
    let mut service = db.service();
    let session: uuid::Uuid =
        service.value(&format!("SELECT session_id FROM public.evaluations WHERE patient_id = '{}'", bia.patient));
    service.run(&format!(
        "UPDATE public.evaluations SET patient_document = '\"segredo ana\"' WHERE patient_id = '{}'",
        ana.patient
    ));
    seal(&db);
    // Somebody with rights on the table, a replica or a dump can copy the bytes.
    db.superuser().run(&format!(
        "SET session_replication_role = replica;
         UPDATE auria_raw.patients_raw SET notes_encrypted = (SELECT notes_encrypted FROM auria_raw.patients_raw WHERE id = '{ana}')
          WHERE id = '{bia}';
         UPDATE auria_raw.evaluations_raw
            SET patient_document_encrypted = (SELECT patient_document_encrypted FROM auria_raw.evaluations_raw WHERE patient_id = '{ana}')
          WHERE patient_id = '{bia}'",
        ana = ana.patient,
        bia = bia.patient,
    ));
    for (kind, id) in [("patient", bia.patient), ("user", bia.dentist)] {
        let document = export(&mut service, kind, id);
        let text = document.to_string();
        assert!(!text.contains("nota ana") && !text.contains("segredo ana"), "{text}");
        assert!(text.contains("Maria bia"), "{text}");
        let named = document["not_included"].to_string();
        assert!(named.contains("notes") && named.contains("patient_document"), "{named}");
        assert!(named.contains(&bia.patient.to_string()), "{named}");
    }
    let token: String = service.value(&format!(
        "SELECT token FROM public.shared_links WHERE session_id = '{session}' AND user_id = '{}'",
        bia.dentist
    ));
    let mut visitor = db.session(As::Anon);
    let shown: String = visitor.value(&format!(
        "SELECT COALESCE(string_agg(to_jsonb(s)::text, ' '), '') FROM public.get_shared_evaluation('{token}') s"
    ));
    assert!(shown.contains("created_at") && !shown.contains("segredo"), "{shown}");
    visitor.run(&format!("SELECT FROM public.get_shared_dsd('{token}')"));
    // The dentist's own link shows her value still.
    let token: String = service.value(&format!(
        "SELECT l.token FROM public.shared_links l JOIN public.evaluations e USING (session_id, user_id) WHERE e.patient_id = '{}'",
        ana.patient
    ));
    let shown: String = visitor
        .value(&format!("SELECT string_agg(to_jsonb(s)::text, ' ') FROM public.get_shared_evaluation('{token}') s"));
    assert!(shown.contains("segredo ana"), "{shown}");
}
