//! `auria.erase_again()`: erasures are repeated after a backup has brought people back.

use auria_tests::database;

use super::{count, erase, everything, export, practice};
use crate::sealed::seal;

#[test]
fn erasures_are_found_by_their_digests_and_repeated_in_a_restored_database() {
    for sealed in [false, true] {
        let db = database();
        let (ana, bia) = (practice(&db, "ana"), practice(&db, "bia"));
        if sealed {
            seal(&db);
        }
        let restored = db.cluster().empty_database();
        db.dump_into(db.cluster(), restored.name());

        let mut service = db.service();
        erase(&mut service, &format!("erase_user('{}')", ana.dentist));
        erase(&mut service, &format!("erase_patient('{}')", bia.patient));
        assert!(service.value::<bool>(&format!(
            "SELECT array_agg(digest ORDER BY id) = ARRAY[sha256('{}'), sha256('{}')] FROM auria.erasures",
            ana.dentist, bia.patient
        )));
        let digests: String = service.value("SELECT array_agg(digest)::text FROM auria.erasures");

        let mut service = restored.service();
        let of_the_other = export(&mut service, "patient", bia.other_patient)["tables"].clone();
        let report = erase(&mut service, &format!("erase_again('{digests}')"));
        assert_eq!(count(&report, "removed", "public.patients"), 2);
        assert!(report.iter().any(|(did, ..)| did == "delete file"));
        let text = everything(&restored);
        assert!(!text.contains("Maria ana") && !text.contains("Maria bia"), "{text}");
        assert_eq!(export(&mut service, "patient", bia.other_patient)["tables"], of_the_other);
        assert_eq!(service.value::<i64>("SELECT count(*) FROM auria.erasures"), 2);
        assert_eq!(
            service.value::<i64>(&format!(
                "SELECT count(*) FROM public.payment_history WHERE user_id = '{}'",
                ana.dentist
            )),
            1
        );

        let report = erase(&mut service, &format!("erase_again('{digests}', p_keep_payments => false)"));
        assert_eq!(count(&report, "removed", "public.payment_history"), 1);
        let report = erase(&mut service, &format!("erase_again('{digests}')"));
        assert!(report.iter().all(|(did, ..)| did == "not found"), "{report:#?}");
        assert_eq!(report.len(), 2);
    }
}
