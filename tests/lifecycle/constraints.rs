//! Managed constraints and indexes that could not be made, or were dropped later, in both layouts.

use auria_tests::{Cluster, Database, Session, database};

use super::doctor::complaints;

/// The report of the check "constraints".
fn missing(session: &mut Session) -> String {
    complaints(session).into_iter().filter(|(check, _)| check == "constraints").map(|(_, detail)| detail).collect()
}

fn seal(db: &Database) {
    db.superuser().run("CALL auria.phi_seal()");
}

/// Every managed key, CHECK constraint and index of the tables of public, or of the stored ones: the relation, its name, and
/// the statement that drops it.
const MANAGED: &str = "
    SELECT format('%s.%s', n.nspname, c.relname), k.conname::text,
           format('ALTER TABLE %I.%I DROP CONSTRAINT %I CASCADE', n.nspname, c.relname, k.conname)
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('public', 'auria_raw') AND k.contype IN ('u', 'f', 'c', 'p')
    UNION ALL
    SELECT format('%s.%s', n.nspname, c.relname), x.relname::text, format('DROP INDEX %I.%I', n.nspname, x.relname)
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class x ON x.oid = i.indexrelid
     WHERE n.nspname IN ('public', 'auria_raw') AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)";

fn every_dropped_one_is_reported(db: &Database) {
    let mut dba = db.superuser();
    assert_eq!(complaints(&mut dba), []);
    let managed: Vec<(String, String, String)> =
        dba.query(MANAGED, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert!(managed.len() > 60, "{managed:?}");
    for (relation, name, drop) in managed {
        dba.run(&format!("BEGIN; {drop}"));
        let said = missing(&mut dba);
        dba.run("ROLLBACK");
        assert!(said.contains(&name) && said.contains(&relation), "after {drop}: {said:?}");
    }
}

#[test]
fn every_managed_constraint_and_index_that_is_dropped_is_reported() {
    every_dropped_one_is_reported(&database());
}

#[test]
fn every_managed_constraint_and_index_that_is_dropped_is_reported_in_the_sealed_layout() {
    let db = database();
    seal(&db);
    every_dropped_one_is_reported(&db);
}

#[test]
fn what_the_doctor_says_of_a_dropped_constraint_brings_it_back() {
    let db = database();
    let mut dba = db.superuser();
    for (relation, name) in [
        ("public.patients", "patients_user_id_name_key"),
        ("public.subscriptions", "subscriptions_user_unique"),
        ("public.credit_usage", "credit_usage_user_id_fkey"),
        ("public.profiles", "profiles_pkey"),
        ("public.credit_packs", "credit_packs_price_not_negative"),
        ("public.credit_pack_purchases", "credit_pack_purchases_pack_id_fkey"),
        ("public.credit_pack_purchases", "credit_pack_purchases_stripe_session_id_key"),
    ] {
        dba.run(&format!("ALTER TABLE {relation} DROP CONSTRAINT {name} CASCADE"));
        let said = missing(&mut dba);
        let statement = said.split("run ").nth(1).unwrap_or_else(|| panic!("{name}: {said}"));
        dba.run(statement);
        assert_eq!(missing(&mut dba), "", "after {statement}");
    }
}

/// Two patients of one name, as an adopted database has them, and the key over them gone.
fn two_patients_of_one_name(db: &Database, relation: &str) -> uuid::Uuid {
    let user = db.sign_up("twice@clinica.example");
    let mut dba = db.superuser();
    dba.run(&format!("ALTER TABLE {relation} DROP CONSTRAINT patients_user_id_name_key"));
    db.authenticated(user)
        .run(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{user}', 'Ana'), ('{user}', 'Ana')"));
    user
}

#[test]
fn a_key_over_names_comes_back_once_the_rows_are_corrected_in_the_open_layout() {
    comes_back(&database(), "public.patients");
}

#[test]
fn a_key_over_names_comes_back_once_the_rows_are_corrected_in_the_sealed_layout() {
    let db = database();
    seal(&db);
    comes_back(&db, "auria_raw.patients_raw");
}

fn comes_back(db: &Database, relation: &str) {
    let user = two_patients_of_one_name(db, relation);
    let mut dba = db.superuser();
    assert!(missing(&mut dba).contains("patients_user_id_name_key"));
    let warnings: Vec<String> = dba
        .query("SELECT warnings FROM auria.migrate(again => true) WHERE warnings ~ 'patients_user_id_name_key'", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    // The statement that shows the duplicates shows them.
    let shows = warnings[0].split("See them with ").nth(1).unwrap().split("; once").next().unwrap();
    assert!(shows.contains(relation), "{shows}");
    assert_eq!(dba.query(shows, &[]).unwrap().len(), 1, "{shows}");
    assert!(missing(&mut dba).contains("patients_user_id_name_key"));
    dba.run(&format!("DELETE FROM {relation} WHERE id = (SELECT id FROM {relation} ORDER BY id LIMIT 1)"));
    dba.run("SELECT auria.migrate(again => true)");
    assert_eq!(complaints(&mut dba), []);
    let twice = db
        .authenticated(user)
        .execute(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{user}', 'Ana')"), &[]);
    let refusal = auria_tests::refused_with(twice, "23505");
    assert_eq!(refusal.constraint(), Some("patients_user_id_name_key"));
}

#[test]
fn sealing_names_the_stored_table_when_names_are_duplicates() {
    let db = database();
    two_patients_of_one_name(&db, "public.patients");
    let mut dba = db.superuser();
    dba.notices();
    dba.run("CALL auria.phi_seal()");
    let said: Vec<String> = dba.notices().iter().map(|notice| notice.message().to_owned()).collect();
    let warning = said.iter().find(|text| text.contains("patients_user_id_name_key")).unwrap();
    assert!(warning.contains("FROM auria_raw.patients_raw "), "{warning}");
    assert!(missing(&mut dba).contains("patients_user_id_name_key"));
}

#[test]
fn the_doctor_and_its_advice_hold_under_every_setting_of_the_session() {
    for sealed in [false, true] {
        let db = database();
        if sealed {
            seal(&db);
        }
        for setting in [
            "quote_all_identifiers = on",
            "search_path = public, auria",
            "search_path = ''",
            "DateStyle = 'German'",
            "IntervalStyle = 'iso_8601'",
            "standard_conforming_strings = off",
            "bytea_output = 'escape'",
            "transform_null_equals = on",
            "TimeZone = 'America/Sao_Paulo'",
            "enable_seqscan = off",
        ] {
            let mut dba = db.superuser();
            dba.run(&format!("SET {setting}"));
            assert_eq!(complaints(&mut dba), [], "{setting}");
            let before: Vec<String> = indexes(&mut dba);
            dba.run("SELECT auria.migrate(again => true)");
            assert_eq!(indexes(&mut dba), before, "{setting}");
            assert_eq!(complaints(&mut dba), [], "{setting}");
        }
    }
}

fn indexes(session: &mut Session) -> Vec<String> {
    session
        .query(
            "SELECT format('%s %s', indexrelid, relname) FROM pg_index JOIN pg_class c ON c.oid = indexrelid \
              WHERE relnamespace IN ('public'::regnamespace, 'auria_raw'::regnamespace) ORDER BY relname",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[test]
fn the_doctor_is_green_under_turkish_rules_of_case() {
    let cluster = Cluster::shared();
    let name = format!("turkish_{}", std::process::id());
    // The locale of the database's collation is what lower() asks.
    let mut maker = cluster.superuser("postgres");
    maker.run(&format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C'"
    ));
    let db = cluster.existing_database(&name);
    let mut dba = db.superuser();
    assert_eq!(dba.value::<String>("SELECT lower('INSERT')"), "ınsert");
    dba.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(complaints(&mut dba), []);
    dba.run("CALL auria.phi_seal()");
    dba.run("SELECT auria.migrate(again => true)");
    assert_eq!(complaints(&mut dba), []);
}

/// What to run after everything of the schema belongs to a superuser, as after REASSIGN OWNED, or after a restore with
/// --no-owner: as the doctor says it.
fn follow_the_owners_advice(dba: &mut Session) {
    let said = complaints(dba);
    let owners = said.iter().find(|(check, _)| check == "owners").unwrap_or_else(|| panic!("{said:?}"));
    let advice = "run SELECT * FROM auria.migrate(again => true)";
    assert!(owners.1.contains(advice), "{owners:?}");
    // Nothing sends the DBA elsewhere.
    for (check, detail) in &said {
        assert!(!detail.contains("the check itself failed"), "{check}: {detail}");
    }
    dba.run("SELECT * FROM auria.migrate(again => true)");
    assert_eq!(complaints(dba), []);
}

#[test]
fn after_reassign_owned_the_doctor_names_the_command_that_helps() {
    for sealed in [false, true] {
        let db = database();
        if sealed {
            seal(&db);
        }
        let mut dba = db.superuser();
        dba.run("REASSIGN OWNED BY auria_owner TO CURRENT_USER");
        follow_the_owners_advice(&mut dba);
    }
}

#[test]
fn after_a_restore_without_owners_the_doctor_names_the_command_that_helps() {
    for sealed in [false, true] {
        let db = database();
        if sealed {
            seal(&db);
        }
        let restored = auria_tests::empty_database();
        let output = db.cluster().shell(
            "pg_dump --no-owner -d \"$from\" | psql -X -q -v ON_ERROR_STOP=1 --single-transaction -d \"$to\"",
            &[("from", db.name()), ("to", restored.name())],
        );
        assert!(output.status.success(), "{output:?}");
        follow_the_owners_advice(&mut restored.superuser());
    }
}
