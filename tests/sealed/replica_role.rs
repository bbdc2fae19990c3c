//! `session_replication_role = replica`, the first line of a dump of data as Supabase's tools write it: no trigger of a view
//! fires.

use std::io::Write;

use auria_tests::{As, Session, database, insert_evaluation};

use super::{refused_by, sealed_practice, stored};

const COPY: &str = "COPY public.patients (user_id, name) FROM STDIN";

fn copy(session: &mut Session, line: &str) -> Result<u64, postgres::Error> {
    let mut writer = session.copy_in(COPY)?;
    writer.write_all(line.as_bytes()).unwrap();
    writer.finish()
}

#[test]
fn writes_to_the_views_that_would_be_stored_nowhere_are_refused_once_the_library_is_loaded() {
    let db = database();
    let (mut session, dentist, patient, evaluation) = sealed_practice(&db);
    let before = stored(&db, patient);
    let mut dba = db.superuser();
    dba.run(
        "CREATE FUNCTION public.writes(dentist uuid) RETURNS void LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO public.patients (user_id, name) VALUES (dentist, 'x'); END $$",
    );
    let mut restore = db.superuser();
    restore.run("LOAD 'auria_pg'; SET session_replication_role = replica");
    for (view, statement) in [
        ("patients", format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'x')")),
        ("patients", format!("INSERT INTO public.patients (user_id, name) SELECT '{dentist}', 'x' WHERE false")),
        ("patients", format!("UPDATE public.patients SET notes = 'x' WHERE id = '{patient}'")),
        ("patients", format!("DELETE FROM public.patients WHERE id = '{patient}'")),
        (
            "patients",
            format!("WITH p AS (INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'x')) SELECT 1"),
        ),
        ("patients", format!("SELECT public.writes('{dentist}')")),
        ("patients", format!("EXPLAIN ANALYZE DELETE FROM public.patients WHERE id = '{patient}'")),
        ("evaluations", insert_evaluation(&format!("'{dentist}'"), &[])),
        ("evaluations", format!("UPDATE public.evaluations SET tooth = '21' WHERE id = '{evaluation}'")),
        ("evaluation_drafts", "DELETE FROM public.evaluation_drafts".to_owned()),
    ] {
        let refusal = refused_by(&mut restore, "55000", &statement);
        assert!(refusal.message().contains(&format!("\"{view}\"")), "{statement}: {refusal:?}");
        assert!(refusal.hint().unwrap_or_default().contains("session_replication_role = origin"), "{refusal:?}");
    }
    let line = format!("{dentist}\tCopiada\n");
    // The client does not go on after a COPY that is refused before it begins.
    let mut copying = db.superuser();
    copying.run("LOAD 'auria_pg'; SET session_replication_role = replica");
    let refusal = copy(&mut copying, &line).unwrap_err();
    assert_eq!(refusal.code().unwrap().code(), "55000", "{refusal:?}");
    assert_eq!(stored(&db, patient), before);
    // What is stored is not refused, nor what only reads.
    for statement in [
        "SELECT name FROM public.patients".to_owned(),
        "EXPLAIN DELETE FROM public.patients".to_owned(),
        format!("UPDATE auria_raw.patients_raw SET updated_at = now() WHERE id = '{patient}'"),
        "UPDATE public.profiles SET clinic_name = 'Clínica'".to_owned(),
        "CREATE TABLE public.teams (id int)".to_owned(),
    ] {
        restore.run(&statement);
    }
    drop(restore.copy_out("COPY (SELECT name FROM public.patients) TO STDOUT").unwrap());
    drop(restore.copy_out("COPY public.teams TO STDOUT").unwrap());
    // Nor under the other roles of replication, in which the triggers fire.
    for role in ["local", "origin"] {
        restore.run(&format!("SET session_replication_role = {role}"));
        copy(&mut restore, &line).unwrap();
        assert_eq!(session.execute("DELETE FROM public.patients WHERE name = 'Copiada'", &[]).unwrap(), 1, "{role}");
    }
    // Nor in the open layout.
    dba.run("CALL auria.phi_unseal()");
    restore.run("SET session_replication_role = replica");
    copy(&mut restore, &line).unwrap();
    let mut session = db.session(As::User(dentist));
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.patients WHERE name = 'Copiada'"), 1);
}

#[test]
fn hooks_of_others_are_called_on_either_side_of_the_librarys() {
    let db = database();
    let (_, dentist, ..) = sealed_practice(&db);
    for order in ["LOAD 'auria_pg'; LOAD 'auto_explain'", "LOAD 'auto_explain'; LOAD 'auria_pg'"] {
        let mut session = db.superuser();
        session.run(&format!(
            "{order}; SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = notice; SET session_replication_role = replica"
        ));
        refused_by(
            &mut session,
            "55000",
            &format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'x')"),
        );
        session.notices();
        session.run("SELECT 1; SET session_replication_role = origin");
        assert!(session.notices().iter().any(|notice| notice.message().contains("SELECT 1")), "{order}");
        session.run(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', '{}')", order.len()));
        session.run("DELETE FROM public.patients WHERE name <> 'Maria Oliveira'");
    }
}
