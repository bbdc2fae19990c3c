//! The same in the sealed layout, where only ciphertexts are stored.

use auria_tests::database;

use super::{count, erase, everything, export, practice};
use crate::sealed::seal;

#[test]
fn a_sealed_database_exports_what_the_open_one_does_and_erases_it() {
    let db = database();
    let ana = practice(&db, "ana");
    let mut service = db.service();
    let mut tables = |kind: &str, id| export(&mut service, kind, id)["tables"].clone();
    let before = [tables("patient", ana.patient), tables("user", ana.dentist)];
    seal(&db);
    assert_eq!([tables("patient", ana.patient), tables("user", ana.dentist)], before);

    let report = erase(&mut service, &format!("erase_patient('{}')", ana.patient));
    for (table, expected) in [("patients", 1), ("evaluations", 2), ("evaluation_drafts", 1), ("shared_links", 1)] {
        assert_eq!(count(&report, "removed", &format!("public.{table}")), expected, "{table}");
    }
    assert!(!everything(&db).contains("Maria"));
    assert_eq!(report.iter().filter(|(did, ..)| did == "delete file").count(), 4);
    let report = erase(&mut service, &format!("erase_user('{}')", ana.dentist));
    assert_eq!(count(&report, "removed", "public.patients"), 1);
    assert_eq!(db.superuser().value::<i64>("SELECT count(*) FROM auria_raw.patients_raw"), 0);
}

#[test]
fn a_value_that_cannot_be_decrypted_does_not_keep_a_patient_from_being_erased() {
    let db = database();
    let ana = practice(&db, "ana");
    seal(&db);
    db.superuser().run(
        "SET session_replication_role = replica;
         UPDATE auria_raw.evaluations_raw SET patient_name_encrypted = 'no message' WHERE patient_id IS NULL",
    );
    let report = erase(&mut db.service(), &format!("erase_patient('{}')", ana.patient));
    assert_eq!(count(&report, "removed", "public.patients"), 1);
    assert_eq!(count(&report, "removed", "public.evaluations"), 1);
    assert!(report.iter().any(|(did, object, _)| did == "to do" && object == "public.evaluations"), "{report:#?}");
}
