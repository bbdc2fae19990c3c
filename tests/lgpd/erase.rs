//! `auria.erase_user()`, `auria.erase_patient()`.

use std::thread;
use std::time::Duration;

use auria_tests::{database, refused_with};

use super::{count, erase, everything, export, practice, rows};
use crate::sealed::seal;

/// The rows of a user that stay when payments do.
const KEPT: [&str; 3] = ["public.payment_history", "public.credit_pack_purchases", "public.webhook_events"];

#[test]
fn erasing_a_user_keeps_payments_and_nothing_else_and_leaves_others_alone() {
    let db = database();
    let (ana, bia) = (practice(&db, "ana"), practice(&db, "bia"));
    let mut service = db.service();
    let of_bia = export(&mut service, "user", bia.dentist)["tables"].clone();

    let report = erase(&mut service, &format!("erase_user('{}')", ana.dentist));
    assert_eq!(count(&report, "removed", "public.patients"), 2);
    assert_eq!(count(&report, "removed", "public.evaluations"), 3);
    assert_eq!(count(&report, "removed", "public.shared_links"), 2);
    assert_eq!(count(&report, "removed", "public.evaluation_drafts"), 1);
    let files = report.iter().filter(|(did, ..)| did == "delete file");
    assert_eq!(files.count(), 7);
    assert!(report.iter().any(|(did, object, _)| did == "to do" && object == "auth.users"));

    let left = export(&mut service, "user", ana.dentist);
    for (table, found) in left["tables"].as_object().unwrap() {
        let kept = KEPT.contains(&table.as_str());
        // Without the subscription, nothing says whose the event is.
        let expected = usize::from(kept && table != "public.webhook_events");
        assert_eq!(found.as_array().unwrap().len(), expected, "{table}");
        if kept {
            assert_eq!(count(&report, "kept", table), 1, "{table}");
        }
    }
    assert_eq!(export(&mut service, "user", bia.dentist)["tables"], of_bia);

    let again = erase(&mut service, &format!("erase_user('{}')", ana.dentist));
    for (did, object, rows) in again {
        assert!(did != "removed" || rows == Some(0), "{object} {rows:?}");
    }
}

#[test]
fn a_dentist_who_was_erased_gets_no_profile_again() {
    let db = database();
    let ana = practice(&db, "ana");
    erase(&mut db.service(), &format!("erase_user('{}')", ana.dentist));
    let mut admin = db.superuser();
    admin.run(&format!(
        "UPDATE auth.users SET raw_user_meta_data = '{{\"full_name\": \"Ana\"}}' WHERE id = '{}'",
        ana.dentist
    ));
    // The account is there, for the payments that are kept.
    assert_eq!(admin.value::<i64>(&format!("SELECT count(*) FROM auth.users WHERE id = '{}'", ana.dentist)), 1);
    let profiles = "SELECT ok FROM auria.doctor() WHERE \"check\" = 'profiles'";
    assert!(admin.value::<bool>(profiles));
    assert_eq!(admin.value::<i32>("SELECT auria.create_missing_profiles()"), 0);
    // Somebody else who has none does get one; and so it is in a database whose record is of an older version.
    admin.run("DELETE FROM public.profiles; ALTER TABLE auria.erasures DROP COLUMN digest");
    assert!(!admin.value::<bool>(profiles));
    assert_eq!(admin.value::<i32>("SELECT auria.create_missing_profiles()"), 2);
}

#[test]
fn erasing_a_user_with_payments_leaves_no_row_and_no_word() {
    let db = database();
    let ana = practice(&db, "ana");
    practice(&db, "bia");
    let report = erase(&mut db.service(), &format!("erase_user('{}', p_keep_payments => false)", ana.dentist));
    for table in KEPT {
        assert_eq!(count(&report, "removed", table), 1, "{table}");
    }
    let text = everything(&db);
    for word in [" ana", "cus_ana", &ana.dentist.to_string()] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert!(text.contains("Maria bia"));
}

#[test]
fn erasing_a_patient_leaves_the_other_patient_of_the_dentist() {
    let db = database();
    let ana = practice(&db, "ana");
    let mut service = db.service();
    let call = format!("erase_patient('{}')", ana.patient);
    let report = erase(&mut service, &call);
    for (table, expected) in [
        ("patients", 1),
        ("evaluations", 2),
        ("shared_links", 1),
        ("session_detected_teeth", 1),
        ("evaluation_drafts", 1),
    ] {
        assert_eq!(count(&report, "removed", &format!("public.{table}")), expected, "{table}");
    }
    let files = report.iter().filter(|(did, ..)| did == "delete file");
    assert_eq!(files.count(), 4);
    assert!(!everything(&db).contains("Maria"));
    let other = export(&mut service, "patient", ana.other_patient);
    for table in ["patients", "evaluations", "shared_links", "session_detected_teeth"] {
        assert_eq!(rows(&other, &format!("public.{table}")), 1, "{table}");
    }
    let again = erase(&mut service, &call);
    assert!(again.iter().all(|(did, _, rows)| did != "removed" || *rows == Some(0)));
}

#[test]
fn an_evaluation_that_is_being_added_is_erased_with_its_patient_or_refused() {
    let db = database();
    let ana = practice(&db, "ana");
    let evaluation = auria_tests::insert_evaluation(
        &format!("'{}'", ana.dentist),
        &[("patient_id", &format!("'{}'::uuid", ana.patient)), ("patient_name", "'Maria ana'")],
    );
    let mut other = db.service();
    other.run("BEGIN");
    other.run(&evaluation);
    let erasing = std::thread::scope(|scope| {
        let erasing = scope.spawn(|| erase(&mut db.service(), &format!("erase_patient('{}')", ana.patient)));
        let mut admin = db.superuser();
        while admin.value::<i64>("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        other.run("COMMIT");
        erasing.join().unwrap()
    });
    assert_eq!(count(&erasing, "removed", "public.evaluations"), 3);
    assert!(!everything(&db).contains("Maria"));
}

/// The names that are looked for are in a table that somebody has locked, for as long as the erasure waits there and no
/// longer: what it does afterwards meets no lock.
#[test]
fn an_erasure_that_could_not_look_for_the_patients_name_in_time_fails_and_may_be_repeated() {
    for sealed in [false, true] {
        let db = database();
        let ana = practice(&db, "ana");
        if sealed {
            seal(&db);
        }
        let table = if sealed { "auria_raw.evaluation_drafts_raw" } else { "public.evaluation_drafts" };
        let call = format!("SELECT FROM auria.erase_patient('{}')", ana.patient);
        let mut service = db.service();
        service.run("SET lock_timeout = '500ms'");
        let pid = service.backend_pid();
        let mut other = db.superuser();
        other.run(&format!("BEGIN; LOCK TABLE {table}"));
        let mut admin = db.superuser();
        let mut waits_since = || -> Option<String> {
            admin.value(&format!(
                "SELECT (SELECT waitstart::text FROM pg_locks WHERE pid = {pid} AND NOT granted LIMIT 1)"
            ))
        };
        let erased = thread::scope(|scope| {
            let erasing = scope.spawn(|| service.batch_execute(&call));
            let mut first = None;
            while !erasing.is_finished() {
                let now = waits_since();
                if first.is_some() && now.is_some() && now != first {
                    break;
                }
                first = first.or(now);
                thread::sleep(Duration::from_millis(5));
            }
            assert!(first.is_some(), "the erasure met no lock");
            other.run("COMMIT");
            erasing.join().unwrap()
        });
        refused_with(erased, "55P03");

        service.run("RESET lock_timeout");
        let report = erase(&mut service, &format!("erase_patient('{}')", ana.patient));
        assert_eq!(count(&report, "removed", "public.evaluations"), 2);
        assert_eq!(count(&report, "removed", "public.evaluation_drafts"), 1);
        assert!(!report.iter().any(|(did, object, _)| did == "to do" && object == "public.evaluations"), "{report:?}");
    }
}
