//! The sealed layout through migrations, dumps, upgrades, replicas, DROP and CREATE, crashes, and back.

use std::thread;
use std::time::Duration;

use auria_tests::{As, ClusterOptions, Database, Session, database, empty_database, insert_evaluation, refused_with};
use uuid::Uuid;

use super::{insert_patient, seal, sealed_practice, stored};
use crate::support::release::next_release;

const PATIENT: &str = "SELECT concat_ws('|', name, phone, email, birth_date, notes) FROM public.patients";
const MARIA: &str = "Maria Oliveira|(11) 91234-5678|maria@x.test|1980-02-01|hipertensa";

/// The checks of the doctor that fail.
fn failures(session: &mut Session) -> String {
    session
        .value("SELECT coalesce(string_agg(\"check\" || ': ' || detail, E'\\n'), '') FROM auria.doctor() WHERE NOT ok")
}

/// Columns, grants, triggers, policies, constraints and indexes of views and stored tables.
pub fn catalogue(session: &mut Session) -> Vec<String> {
    let rows = session
        .query(
            "SELECT line FROM (
                SELECT concat_ws(' ', 'column', c.oid::regclass, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum),
                                 a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
                                 (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(a.attacl) x)) AS line
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
                 WHERE n.nspname = 'auria_raw' AND c.relkind = 'r' OR n.nspname = 'public' AND c.relkind = 'v'
                UNION ALL
                SELECT concat_ws(' ', 'relation', c.oid::regclass, c.relkind, c.relowner::regrole, c.reloptions, c.relrowsecurity,
                                 (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(c.relacl) x))
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'auria_raw' AND c.relkind = 'r' OR n.nspname = 'public' AND c.relkind = 'v'
                UNION ALL
                SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                  JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE NOT t.tgisinternal AND (n.nspname = 'auria_raw' OR c.relkind = 'v')
                UNION ALL
                SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
                 WHERE connamespace = 'auria_raw'::regnamespace AND contype <> 'n'
                UNION ALL
                SELECT indexdef FROM pg_indexes WHERE schemaname = 'auria_raw'
                UNION ALL
                SELECT concat_ws(' ', 'policy', polrelid::regclass, polname, pg_get_expr(polqual, polrelid))
                  FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE c.relnamespace = 'auria_raw'::regnamespace
                UNION ALL
                SELECT concat_ws(' ', 'comment', pg_describe_object(classoid, objoid, objsubid), description)
                  FROM pg_description WHERE classoid = 'pg_class'::regclass
                   AND objoid IN (SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'auria_raw'::regnamespace OR c.relkind = 'v')
             ) AS lines ORDER BY line COLLATE \"C\"",
            &[],
        )
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[track_caller]
fn assert_same(found: &[String], expected: &[String]) {
    let lacks: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
    let more: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
    assert!(lacks.is_empty() && more.is_empty(), "lacks {lacks:#?}, has {more:#?}");
}

#[test]
fn the_doctor_finds_nothing_wrong_and_says_that_the_database_is_sealed() {
    let db = database();
    sealed_practice(&db);
    let mut service = db.service();
    assert_eq!(failures(&mut service), "");
    let layout: String = service.value("SELECT detail FROM auria.doctor() WHERE \"check\" = 'layout'");
    assert!(layout.contains("sealed"), "{layout}");
    let counts: String = service.value(
        "SELECT string_agg(concat_ws(' ', table_name, total_rows, encrypted_rows, unencrypted_rows, sample_match), ',' ORDER BY table_name)
           FROM public.verify_phi_encryption() WHERE total_rows > 0",
    );
    assert_eq!(counts, "evaluation_drafts 1 1 0 t,evaluations 1 1 0 t,patients 1 1 0 t");
    let sums: String = service.value(
        "SELECT concat_ws(' ', sum(encrypted), sum(not_encrypted), sum(differing), sum(unreadable), sum(outdated),
                          bool_or(previous_key_needed)) FROM auria.phi_status()",
    );
    assert_eq!(sums, "9 0 0 0 0 f");
}

#[test]
fn the_doctor_finds_what_is_wrong_with_a_view_and_its_advice_works() {
    let db = database();
    sealed_practice(&db);
    let mut dba = db.superuser();
    for (breakage, check, text) in [
        ("DROP TRIGGER update_sealed ON public.patients", "layout", "trigger for UPDATE on view public.patients"),
        ("ALTER VIEW public.patients RESET (security_invoker)", "layout", "view public.patients"),
        ("DROP TRIGGER refuse_direct_write ON auria_raw.patients_raw", "layout", "refuse_direct_write"),
        ("GRANT SELECT ON auria_raw.patients_raw TO anon", "layout", "anon may SELECT"),
        ("DROP POLICY patients_select_own ON auria_raw.patients_raw", "policies", "patients_select_own"),
        ("ALTER TABLE auria_raw.patients_raw DISABLE ROW LEVEL SECURITY", "row security", "patients_raw"),
        ("GRANT SELECT ON public.patients TO anon", "grants", "anon may select from public.patients"),
        ("CREATE POLICY alle ON auria_raw.patients_raw FOR SELECT TO anon USING (true)", "other policies", "alle"),
        ("DROP TRIGGER update_patients_updated_at ON auria_raw.patients_raw", "triggers", "update_patients_updated_at"),
    ] {
        dba.run(breakage);
        let detail: String = dba
            .query_one("SELECT detail FROM auria.doctor() WHERE \"check\" = $1 AND NOT ok", &[&check])
            .unwrap_or_else(|error| panic!("{breakage}: {error}"))
            .get(0);
        assert!(detail.contains(text), "{breakage}: {detail}");
        dba.run("SELECT * FROM auria.migrate(again => true)");
        dba.run("DROP POLICY IF EXISTS alle ON auria_raw.patients_raw");
        dba.run("REVOKE SELECT ON auria_raw.patients_raw FROM anon; ALTER VIEW public.patients SET (security_invoker = true)");
        assert_eq!(failures(&mut dba), "", "{breakage}");
    }
}

#[test]
fn migrations_that_run_again_change_nothing_and_rewrite_no_value() {
    let db = database();
    let (mut session, _, patient, _) = sealed_practice(&db);
    let mut dba = db.superuser();
    dba.run(
        "CREATE VIEW public.lista WITH (security_invoker = true) AS SELECT id, name FROM public.patients;
         GRANT SELECT ON public.lista TO authenticated",
    );
    let before = (catalogue(&mut dba), stored(&db, patient));
    dba.run("SELECT * FROM auria.migrate(again => true)");
    assert_same(&catalogue(&mut dba), &before.0);
    assert_eq!(stored(&db, patient), before.1);
    assert_eq!(failures(&mut dba), "");
    assert_eq!(session.value::<String>("SELECT name FROM public.lista"), "Maria Oliveira");
    assert_eq!(session.value::<String>(PATIENT), MARIA);
}

#[test]
fn a_column_that_a_team_adds_to_a_stored_table_appears_in_the_view() {
    let db = database();
    let (mut session, ..) = sealed_practice(&db);
    let mut dba = db.superuser();
    dba.run(
        "SET ROLE auria_owner;
         ALTER TABLE auria_raw.patients_raw ADD COLUMN convenio text NOT NULL DEFAULT 'particular';
         RESET ROLE;
         SELECT * FROM auria.migrate()",
    );
    assert_eq!(session.value::<String>("SELECT convenio FROM public.patients"), "particular");
    session.run("UPDATE public.patients SET convenio = 'Unimed'");
    assert_eq!(session.value::<String>("SELECT name || ' ' || convenio FROM public.patients"), "Maria Oliveira Unimed");
    session.run("INSERT INTO public.patients (user_id, name) VALUES (auth.uid(), 'Outra')");
    assert_eq!(session.value::<String>("SELECT convenio FROM public.patients WHERE name = 'Outra'"), "particular");
    assert_eq!(failures(&mut dba), "");
}

#[test]
fn a_pending_migration_is_applied_by_an_update_of_a_sealed_database() {
    let (stage, release) = next_release("999.0.0");
    let cluster = ClusterOptions::default().on(&stage).start();
    let db = cluster.database();
    let mut dba = db.superuser();
    let (mut session, _, patient, _) = sealed_practice(&db);
    let before = stored(&db, patient);
    release();
    dba.run(
        "DELETE FROM auria.migrations WHERE number = 25;
         ALTER EXTENSION auria UPDATE",
    );
    assert_eq!(session.value::<String>(PATIENT), MARIA);
    assert_eq!(stored(&db, patient), before);
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM auria.migrations WHERE number = 25"), 1);
    let others: String = dba.value(
        "SELECT coalesce(string_agg(detail, ' '), '') FROM auria.doctor() WHERE NOT ok AND \"check\" <> 'versions'",
    );
    assert_eq!(others, "");
}

#[test]
fn a_dump_restored_is_the_same_sealed_database() {
    let db = database();
    let (_, dentist, patient, _) = sealed_practice(&db);
    let before = (catalogue(&mut db.superuser()), stored(&db, patient));
    let check = |copy: &Database<'_>| {
        assert_same(&catalogue(&mut copy.superuser()), &before.0);
        assert_eq!(stored(copy, patient), before.1, "byte for byte, and encrypted once");
        let mut session = copy.session(As::User(dentist));
        assert_eq!(session.value::<String>(PATIENT), MARIA);
        session.run("UPDATE public.patients SET notes = 'nova'");
        assert_eq!(session.value::<String>("SELECT notes FROM public.patients"), "nova");
        assert_eq!(failures(&mut copy.superuser()), "");
    };
    let plain = empty_database();
    db.dump_into(plain.cluster(), plain.name());
    check(&plain);

    let parallel = empty_database();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    db.cluster().client_succeeds("pg_dump", &["-Fc", "-f", path, db.name()]);
    db.cluster().client_succeeds("pg_restore", &["--exit-on-error", "-j", "2", "-d", parallel.name(), path]);
    check(&parallel);
}

#[test]
fn dropping_the_extension_leaves_the_stored_rows_and_creating_it_recognises_them() {
    let db = database();
    let (_, dentist, patient, _) = sealed_practice(&db);
    let mut dba = db.superuser();
    let before = (catalogue(&mut dba), stored(&db, patient));
    dba.run("DROP EXTENSION auria CASCADE");
    assert_eq!(dba.value::<Option<String>>("SELECT to_regclass('public.patients')::text"), None);
    assert_eq!(stored(&db, patient), before.1);
    dba.run("CREATE EXTENSION auria CASCADE");
    assert_same(&catalogue(&mut dba), &before.0);
    assert_eq!(stored(&db, patient), before.1);
    assert_eq!(failures(&mut dba), "");
    assert_eq!(db.session(As::User(dentist)).value::<String>(PATIENT), MARIA);
}

#[test]
fn a_standby_reads_sealed_values_and_refuses_writes() {
    let primary = ClusterOptions::default().start();
    let db = primary.database();
    let (_, dentist, ..) = sealed_practice(&db);
    let standby = primary.standby();
    standby.catch_up_with(&primary);
    let mut session = standby.session(db.name(), As::User(dentist));
    assert_eq!(session.value::<String>(PATIENT), MARIA);
    refused_with(session.batch_execute("UPDATE public.patients SET notes = 'x'"), "25006");
    refused_with(session.batch_execute("DELETE FROM public.patients"), "25006");
}

#[test]
fn a_standby_follows_sealing_and_unsealing() {
    let primary = ClusterOptions::default().start();
    let db = primary.database();
    let dentist = db.sign_up("ana@clinica.test");
    insert_patient(&mut db.session(As::User(dentist)), dentist, "Maria Oliveira");
    let standby = primary.standby();
    let mut session = standby.session(db.name(), As::User(dentist));
    for (command, kind) in [("phi_seal", "v"), ("phi_unseal", "r")] {
        db.superuser().run(&format!("CALL auria.{command}()"));
        standby.catch_up_with(&primary);
        assert_eq!(
            session.value::<String>("SELECT relkind::text FROM pg_class WHERE oid = 'public.patients'::regclass"),
            kind
        );
        assert_eq!(session.value::<String>(PATIENT), MARIA, "{command}");
    }
}

#[test]
fn columns_come_last_after_unsealing_and_at_their_places_after_sealing_again() {
    const COLUMNS: &str = "
        SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = 'public.patients'::regclass AND a.attnum > 0 AND NOT a.attisdropped";
    let db = database();
    let mut dba = db.superuser();
    let open: String = dba.value(COLUMNS);
    let plain: Vec<&str> = open.split(' ').filter_map(|name| name.strip_suffix("_encrypted")).collect();
    assert!(plain.len() >= 5, "{open}");
    seal(&db);
    dba.run("CALL auria.phi_unseal()");
    let unsealed: String = dba.value(COLUMNS);
    assert!(unsealed.ends_with(&format!(" {}", plain.join(" "))), "{unsealed}");
    seal(&db);
    assert_eq!(dba.value::<String>(COLUMNS), open);
}

#[test]
fn unsealing_restores_the_open_layout() {
    let open = database();
    let mut expected: Vec<String> = crate::support::catalogue::tables(&mut open.superuser());
    let db = database();
    let (mut session, dentist, ..) = sealed_practice(&db);
    let mut dba = db.superuser();
    dba.run("CALL auria.phi_unseal()");
    assert_eq!(session.value::<String>(PATIENT), MARIA);
    assert_eq!(failures(&mut dba), "");
    let mut found = crate::support::catalogue::tables(&mut dba);
    // Plain columns come last now.
    expected.sort();
    found.sort();
    assert_same(&found, &expected);
    session.run("INSERT INTO public.patients (user_id, name) VALUES (auth.uid(), 'Outra')");
    refused_with(
        session.batch_execute(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Outra')")),
        "23505",
    );
    assert_eq!(
        dba.value::<String>(
            "SELECT concat_ws(' ', sum(not_encrypted), sum(differing), sum(outdated)) FROM auria.phi_status()"
        ),
        "0 0 0"
    );
    seal(&db);
    assert_eq!(
        session.value::<i64>("SELECT count(*) FROM public.patients WHERE name IN ('Outra', 'Maria Oliveira')"),
        2
    );
    assert_eq!(failures(&mut dba), "");
}

#[test]
fn a_crash_while_sealing_leaves_the_database_open_or_sealed_and_nothing_between() {
    let cluster = ClusterOptions::default().durable().start();
    let db = cluster.database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    service.run(&format!(
        "INSERT INTO public.patients (user_id, name, notes) SELECT '{dentist}', 'Paciente ' || n, 'nota' FROM generate_series(1, 20000) n"
    ));
    service.run(&insert_evaluation(&format!("'{dentist}'"), &[("patient_name", "'x'")]));
    for delay in [20, 60, 120, 200] {
        let name = db.name().to_owned();
        thread::scope(|scope| {
            let mut dba = cluster.superuser(&name);
            scope.spawn(move || drop(dba.batch_execute("CALL auria.phi_seal()")));
            thread::sleep(Duration::from_millis(delay));
            cluster.kill();
        });
        cluster.start();
        let mut dba = cluster.superuser(&name);
        let kinds: String = dba.value(
            "SELECT string_agg(DISTINCT relkind::text, '') FROM pg_class
              WHERE relnamespace = 'public'::regnamespace AND relname IN ('patients', 'evaluations', 'evaluation_drafts')",
        );
        assert!(kinds == "r" || kinds == "v", "{kinds}");
        assert_eq!(failures(&mut dba), "");
        assert_eq!(dba.value::<i64>("SELECT count(name) FROM public.patients"), 20_000);
        if kinds == "v" {
            dba.run("CALL auria.phi_unseal()");
        }
    }
}

#[test]
fn a_dentists_id_of_another_is_seen_by_nobody_through_the_views() {
    let db = database();
    let (_, _, patient, _) = sealed_practice(&db);
    let bruno = db.sign_up("bruno@clinica.test");
    let mut session = db.session(As::User(bruno));
    for statement in [
        "SELECT count(*) FROM public.patients",
        "SELECT count(*) FROM public.evaluations",
        "SELECT count(*) FROM public.evaluation_drafts",
        "SELECT count(*) FROM auria_raw.patients_raw",
    ] {
        assert_eq!(session.value::<i64>(statement), 0, "{statement}");
    }
    for statement in
        ["UPDATE public.patients SET name = 'x' WHERE id = $1", "DELETE FROM public.patients WHERE id = $1"]
    {
        assert_eq!(session.execute(statement, &[&patient]).unwrap(), 0, "{statement}");
    }
    let _: Uuid = patient;
}

#[test]
fn a_snapshot_from_before_sealing_sees_no_patient_and_the_next_one_sees_all() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut reader = db.session(As::User(dentist));
    insert_patient(&mut reader, dentist, "Maria Oliveira");
    reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.profiles");
    seal(&db);
    assert_eq!(reader.value::<i64>("SELECT count(*) FROM public.patients"), 0);
    reader.run("COMMIT");
    assert_eq!(reader.value::<String>(PATIENT), MARIA);
}
