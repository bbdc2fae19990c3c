//! The log of erasures: what an auditor reads, and nobody changes.

use auria_tests::{As, Session, database, refused_with};
use serde_json::{Value, json};

use super::{erase, everything, practice};
use crate::sealed::seal;

/// The entries, oldest first, without the time and the digest.
fn entries(session: &mut Session) -> Vec<Value> {
    session
        .query("SELECT to_jsonb(e) - 'erased_at' - 'digest' FROM auria.erasures e ORDER BY id", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[test]
fn an_erasure_is_recorded_with_counts_and_without_the_person() {
    for sealed in [false, true] {
        let db = database();
        let ana = practice(&db, "ana");
        if sealed {
            seal(&db);
        }
        let mut service = db.service();
        let before: String = service.value("SELECT now()::text");
        let report = erase(&mut service, &format!("erase_patient('{}')", ana.patient));
        let detail: String = service.value(&format!(
            "SELECT detail FROM auria.erase_user('{}') WHERE action = 'recorded' AND object = 'auria.erasures'",
            ana.dentist
        ));
        assert!(detail.starts_with("entry 2: "), "{detail}");

        let entries = entries(&mut service);
        assert_eq!(entries.len(), 2);
        // The counts are those of the report.
        let reported = |action: &str| -> Value {
            report
                .iter()
                .filter(|(did, ..)| did == action)
                .map(|(_, table, count)| (table.clone(), json!(count)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        assert_eq!(
            entries[0],
            json!({
                "id": 1, "subject": "patient", "login": "authenticator", "role": "service_role",
                "removed": reported("removed"), "kept": {}, "not_reached": {}, "files": 4,
                "complete": true,
            })
        );
        assert_eq!(entries[0]["removed"]["public.patients"], 1);
        assert_eq!(entries[0]["removed"]["public.evaluations"], 2);
        assert_eq!(entries[1]["subject"], "user");
        assert_eq!(entries[1]["removed"]["public.patients"], 1);
        assert_eq!(entries[1]["kept"]["public.payment_history"], 1);
        assert!(service.value::<bool>(&format!(
            "SELECT bool_and(erased_at BETWEEN '{before}' AND clock_timestamp()) FROM auria.erasures"
        )));
        // Neither an id nor a word of what was erased.
        let text: String = service.value("SELECT string_agg(to_jsonb(e)::text, ' ') FROM auria.erasures e");
        for word in [ana.dentist.to_string(), ana.patient.to_string(), "Maria".to_owned(), "ana@".to_owned()] {
            assert!(!text.contains(&word), "{word}: {text}");
        }
    }
}

#[test]
fn the_log_is_read_by_the_backend_and_written_by_nothing_but_an_erasure() {
    let db = database();
    let ana = practice(&db, "ana");
    let mut service = db.service();
    erase(&mut service, &format!("erase_patient('{}')", ana.patient));
    let before = entries(&mut service);
    let mut admin = db.superuser();
    for role in ["service_role", "auria_owner"] {
        for statement in [
            "INSERT INTO auria.erasures (subject, login, role, removed, kept, not_reached, files)
             VALUES ('patient', 'x', 'x', '{}', '{}', '{}', 0)",
            "UPDATE auria.erasures SET removed = '{}'",
            "DELETE FROM auria.erasures",
            "TRUNCATE auria.erasures",
            "ALTER TABLE auria.erasures DISABLE ROW LEVEL SECURITY",
            "DROP TABLE auria.erasures",
            "CREATE TRIGGER t BEFORE INSERT ON auria.erasures EXECUTE FUNCTION public.update_updated_at_column()",
        ] {
            refused_with(admin.batch_execute(&format!("SET ROLE {role}; {statement}")), "42501");
            admin.run("RESET ROLE");
        }
    }
    for role in [As::Anon, As::User(ana.dentist)] {
        refused_with(db.session(role).query("SELECT FROM auria.erasures", &[]), "42501");
    }
    assert_eq!(entries(&mut service), before);
    // It outlives what it is about, and another erasure adds to it.
    erase(&mut service, &format!("erase_user('{}', p_keep_payments => false)", ana.dentist));
    let now = entries(&mut service);
    assert_eq!(now[0], before[0]);
    assert_eq!(now.len(), 2);
}

#[test]
fn an_erasure_that_is_rolled_back_is_not_recorded_and_one_without_a_log_is_refused() {
    let db = database();
    let ana = practice(&db, "ana");
    let (mut service, mut admin) = (db.service(), db.superuser());
    let call = format!("SELECT FROM auria.erase_patient('{}')", ana.patient);
    service.run(&format!("BEGIN; {call}; ROLLBACK"));
    assert_eq!(entries(&mut service), [] as [Value; 0]);
    admin.run("ALTER TABLE auria.erasures RENAME TO erasures_away");
    let refusal = refused_with(service.query(&call, &[]), "55000");
    assert!(refusal.hint().unwrap().contains("auria.migrate()"));
    assert!(everything(&db).contains("Maria ana"));
    admin.run("SELECT FROM auria.migrate()");
    service.run(&call);
    assert_eq!(entries(&mut service).len(), 1);
}

#[test]
fn the_log_is_in_a_dump() {
    let db = database();
    let ana = practice(&db, "ana");
    let mut service = db.service();
    erase(&mut service, &format!("erase_patient('{}')", ana.patient));
    let restored = db.cluster().empty_database();
    db.dump_into(db.cluster(), restored.name());
    assert_eq!(entries(&mut restored.service()), entries(&mut service));
}
