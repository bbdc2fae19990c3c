//! `CALL auria.restore_replaced()`: a database that was adopted leaves the extension again.

use std::collections::BTreeMap;

use auria_tests::{Cluster, Database, RAW_STATES, Session, refused_with};
use uuid::Uuid;

use crate::sealed::seal;
use crate::support::catalogue::column;
use crate::support::legacy::{ANA, LAST, Rows, database_at};

/// Definition and owner of each function of `public`, by its signature.
fn functions(session: &mut Session) -> Functions {
    session
        .query(
            "SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid), p.proowner::regrole::text
               FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
              WHERE p.pronamespace = 'public'::regnamespace AND l.lanname IN ('sql', 'plpgsql')",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect()
}

type Functions = BTreeMap<String, (String, String)>;

/// None of the original's functions is as it was; the clinic's own are.
#[track_caller]
fn assert_replaced(session: &mut Session, before: &Functions) {
    let now = functions(session);
    for (signature, was) in before {
        assert_eq!(now.get(signature) == Some(was), signature.starts_with("clinic_"), "{signature}");
    }
}

/// Each of the functions is as it was, beside those that the extension has added.
#[track_caller]
fn assert_restored(session: &mut Session, before: &Functions) {
    let mut now = functions(session);
    now.retain(|signature, _| before.contains_key(signature));
    assert_eq!(&now, before);
}

fn adopted() -> (Database<'static>, Functions) {
    let db = database_at(LAST);
    let mut admin = db.superuser();
    let before = functions(&mut admin);
    admin.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
    assert_replaced(&mut admin, &before);
    (db, before)
}

#[test]
fn an_adopted_database_leaves_and_the_originals_functions_run_on_what_was_written_meanwhile() {
    let (db, before) = adopted();
    let mut admin = db.superuser();
    let mut service = db.service();
    service.run(&format!(
        "INSERT INTO public.patients (user_id, name) VALUES ('{ANA}', 'Nova Paciente');
         SELECT public.use_credits('{ANA}', 'case_analysis')"
    ));
    let used = format!("SELECT credits_used_this_month FROM public.subscriptions WHERE user_id = '{ANA}'");
    let used_before: i32 = admin.value(&used);
    let rows = Rows::of(&mut admin);

    admin.run("BEGIN; CALL auria.restore_replaced(); DROP EXTENSION auria CASCADE; COMMIT");
    assert_eq!(functions(&mut admin), before);
    rows.assert_unchanged(&mut admin);

    assert!(service.value::<bool>(&format!("SELECT public.use_credits('{ANA}', 'case_analysis')")));
    assert_eq!(admin.value::<i32>(&used), used_before + 1);
    // pgcrypto reads what the extension wrote, and triggers go on encrypting.
    let decrypted = "SELECT public.phi_decrypt(name_encrypted) FROM public.patients WHERE name = ";
    assert_eq!(service.value::<String>(&format!("{decrypted}'Nova Paciente'")), "Nova Paciente");
    service.run(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{ANA}', 'Depois')"));
    assert_eq!(service.value::<String>(&format!("{decrypted}'Depois'")), "Depois");
    // A sign-up still makes a profile.
    let user = db.sign_up("carla@clinica.example");
    assert_eq!(admin.value::<i64>(&format!("SELECT count(*) FROM public.profiles WHERE user_id = '{user}'")), 1);
}

#[test]
fn the_earliest_definition_is_restored_and_the_extension_can_come_back() {
    let (db, before) = adopted();
    let mut admin = db.superuser();
    admin.run(
        "CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RETURN NEW; END $$;
         SELECT auria.restore_function('public.handle_new_user()');
         CALL auria.restore_replaced()",
    );
    assert_restored(&mut admin, &before);
    let notices = admin.notices();
    let replaced: i64 = admin.value("SELECT count(DISTINCT signature) FROM auria.replaced_functions");
    let said = format!("auria: {replaced} functions are as they were");
    assert!(notices.iter().any(|notice| notice.message().starts_with(&said)), "{notices:?}");
    admin.run("SELECT * FROM auria.migrate(again => true)");
    assert_replaced(&mut admin, &before);
}

#[test]
fn an_owner_who_is_gone_is_replaced_by_the_schemas_owner() {
    let db = database_at(LAST);
    let mut admin = db.superuser();
    admin.run(
        "CREATE ROLE way_back_gone; GRANT CREATE ON SCHEMA public TO way_back_gone;
         ALTER FUNCTION public.get_credit_cost(text) OWNER TO way_back_gone;
         LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; SET auria.trusted_owners = 'way_back_gone';
         CREATE EXTENSION auria CASCADE;
         DROP OWNED BY way_back_gone; DROP ROLE way_back_gone",
    );
    admin.notices();
    admin.run("CALL auria.restore_replaced()");
    let warnings = admin.notices();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.severity() == "WARNING" && warning.message().contains("role \"way_back_gone\"")),
        "{warnings:?}"
    );
    assert_eq!(functions(&mut admin)["get_credit_cost(text)"].1, "auria_owner");
}

#[test]
fn only_a_superuser_restores_and_only_from_a_record_that_nobody_else_could_write() {
    let (db, before) = adopted();
    let mut admin = db.superuser();
    refused_with(db.service().batch_execute("CALL auria.restore_replaced()"), "42501");
    // The owner of the schema may grant and change what it owns; the record is not its own.
    refused_with(
        admin.batch_execute("SET ROLE auria_owner; UPDATE auria.replaced_functions SET owner = 'postgres'"),
        "42501",
    );
    admin.run("RESET ROLE");
    for (opened, closed) in [
        ("GRANT UPDATE ON T TO auria_owner", "REVOKE ALL ON T FROM auria_owner"),
        ("GRANT INSERT ON T TO PUBLIC", "REVOKE ALL ON T FROM PUBLIC"),
        ("GRANT UPDATE (definition) ON T TO auria_owner", "REVOKE UPDATE (definition) ON T FROM auria_owner"),
        // Without the earliest entry, a later one would be restored.
        ("GRANT DELETE ON T TO auria_owner", "REVOKE ALL ON T FROM auria_owner"),
        ("GRANT TRUNCATE ON T TO auria_owner", "REVOKE ALL ON T FROM auria_owner"),
        ("GRANT TRIGGER ON T TO auria_owner", "REVOKE ALL ON T FROM auria_owner"),
        ("ALTER TABLE T OWNER TO auria_owner", "ALTER TABLE T OWNER TO postgres"),
    ] {
        let on_the_record = |sql: &str| sql.replace(" T ", " auria.replaced_functions ");
        admin.run(&on_the_record(opened));
        let call = admin.batch_execute("BEGIN; CALL auria.restore_replaced(); ROLLBACK");
        assert!(call.is_err(), "{opened}");
        refused_with(call, "55000");
        admin.run(&format!("ROLLBACK; {}", on_the_record(closed)));
    }
    assert_replaced(&mut admin, &before);
}

/// Calls of the original's functions and triggers on the data as it is.
#[track_caller]
fn assert_the_originals_functions_run(db: &Database<'_>, patients: &[&str]) {
    let (mut service, mut admin) = (db.service(), db.superuser());
    let used = format!("SELECT credits_used_this_month FROM public.subscriptions WHERE user_id = '{ANA}'");
    let used_before: i32 = admin.value(&used);
    assert!(service.value::<bool>(&format!("SELECT public.use_credits('{ANA}', 'case_analysis')")));
    assert_eq!(admin.value::<i32>(&used), used_before + 1);
    assert!(service.value::<bool>(&format!("SELECT public.refund_credits('{ANA}', 'case_analysis')")));
    // As the API: a dentist reads and writes tables, under row-level security.
    let mut dentist = db.authenticated(Uuid::parse_str(ANA).unwrap());
    let names = column(&mut dentist, "SELECT name FROM public.patients");
    for name in patients {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    dentist.run(&format!(
        "INSERT INTO public.patients (user_id, name, phone) VALUES ('{ANA}', 'Depois', '(11) 90000-0000');
         UPDATE public.patients SET email = 'depois@x.test' WHERE name = 'Depois'"
    ));
    // pgcrypto, called by the original, reads all that either has encrypted.
    assert_eq!(
        service.value::<i64>(
            "SELECT count(*) FROM public.patients
              WHERE name IS DISTINCT FROM public.phi_decrypt(name_encrypted)
                 OR phone IS DISTINCT FROM public.phi_decrypt(phone_encrypted)
                 OR email IS DISTINCT FROM public.phi_decrypt(email_encrypted)"
        ),
        0
    );
    assert_eq!(
        service.value::<i64>(
            "SELECT count(*) FROM public.evaluations
              WHERE patient_name IS DISTINCT FROM public.phi_decrypt(patient_name_encrypted)"
        ),
        0
    );
}

/// An adopted database, sealed. An object that the clinic built on names stands in the way of that, and a value whose plain one was
/// erased.
fn adopted_and_sealed() -> (Database<'static>, Functions) {
    let (db, before) = adopted();
    db.service().run("CALL auria.phi_backfill()");
    db.superuser().run(
        "DROP VIEW public.readable_patients; DROP INDEX public.patients_by_phone;
         ALTER TABLE public.patients DROP COLUMN initial;
         DROP POLICY \"Recepção vê tudo\" ON public.patients; DROP POLICY \"Sala de espera\" ON public.evaluations;
         UPDATE public.patients
            SET phone_encrypted = CASE WHEN phone IS NOT NULL THEN phone_encrypted END,
                email_encrypted = CASE WHEN email IS NOT NULL THEN email_encrypted END,
                birth_date_encrypted = CASE WHEN birth_date IS NOT NULL THEN birth_date_encrypted END",
    );
    let ana = Uuid::parse_str(ANA).unwrap();
    db.authenticated(ana).run(&format!(
        "INSERT INTO public.patients (user_id, name, notes) VALUES ('{ANA}', 'Antes do selo', 'hipertensa')"
    ));
    seal(&db);
    (db, before)
}

/// Unseals and leaves, as docs/install.md says.
fn leave(admin: &mut Session) {
    admin.run("CALL auria.phi_unseal()");
    admin.run(
        "BEGIN; CALL auria.restore_replaced(); DROP EXTENSION auria CASCADE;
         DROP SCHEMA auria CASCADE; DROP SCHEMA auria_raw; COMMIT",
    );
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM pg_proc WHERE probin LIKE '%auria_pg%' OR pronamespace = to_regnamespace('auria')"
        ),
        0
    );
}

#[test]
fn a_database_that_was_sealed_and_worked_leaves_and_the_originals_functions_run_on_it() {
    let (db, before) = adopted_and_sealed();
    let mut admin = db.superuser();
    let ana = Uuid::parse_str(ANA).unwrap();
    db.authenticated(ana).run(&format!(
        "INSERT INTO public.patients (user_id, name, phone) VALUES ('{ANA}', 'Sob o selo', '(11) 91111-1111');
         UPDATE public.patients SET name = 'Com selo' WHERE name = 'Antes do selo'"
    ));
    db.service().run(&format!("SELECT public.use_credits('{ANA}', 'case_analysis')"));
    leave(&mut admin);
    assert_eq!(functions(&mut admin), before);
    assert_the_originals_functions_run(&db, &["Com selo", "Sob o selo"]);
    // A sign-up still makes a profile.
    let user = db.sign_up("carla@clinica.example");
    assert_eq!(admin.value::<i64>(&format!("SELECT count(*) FROM public.profiles WHERE user_id = '{user}'")), 1);
}

#[test]
fn a_sealed_database_is_not_restored_before_it_is_unsealed() {
    let (db, before) = adopted_and_sealed();
    let mut admin = db.superuser();
    let refusal = refused_with(admin.batch_execute("CALL auria.restore_replaced()"), "55000");
    assert!(refusal.hint().unwrap().contains("CALL auria.phi_unseal()"), "{refusal:?}");
    assert_replaced(&mut admin, &before);
}

#[test]
fn a_database_that_came_with_raw_tables_leaves_with_plain_ones_and_says_what_it_leaves_out() {
    for state in RAW_STATES {
        let db = Cluster::shared().raw_database(state);
        let mut admin = db.superuser();
        let before = functions(&mut admin);
        admin.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
        db.authenticated(Uuid::parse_str(ANA).unwrap()).run(&format!(
            "INSERT INTO public.patients (user_id, name, notes) VALUES ('{ANA}', 'Sob o selo', 'hipertensa')"
        ));
        admin.notices();
        leave(&mut admin);
        // Functions of views that are tables now would write to tables that are not there.
        let mut expected = before.clone();
        expected.retain(|signature, _| !signature.contains("_view_"));
        assert_ne!(expected, before);
        assert_eq!(functions(&mut admin), expected, "{state}");
        let notices = admin.notices();
        let notice = notices
            .iter()
            .find(|notice| notice.message().starts_with("auria: not restored"))
            .unwrap_or_else(|| panic!("{notices:?}"));
        for object in ["public.patients_view_insert()", "view public.evaluations"] {
            assert!(notice.message().contains(object), "{notice:?}");
        }
        assert_the_originals_functions_run(&db, &["Sob o selo", "João da Conceição"]);
    }
}
