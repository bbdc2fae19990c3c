//! Who read which patient: the log of pgAudit, as docs/phi.md sets it up.

use auria_tests::{As, Cluster, ClusterOptions, Stage, audit_recipe};

use super::sealed_practice;

const NAMES: [&str; 3] = ["Maria Oliveira", "hipertensa", "Joana Segredo"];

/// The lines of pgAudit after this place in the log.
fn audited(cluster: &Cluster, from: usize) -> Vec<String> {
    let log = cluster.log();
    let lines = log[from..].lines().filter(|line| line.contains("AUDIT: "));
    lines.map(str::to_owned).collect::<Vec<_>>()
}

#[test]
fn pgaudit_records_who_read_which_patient_and_no_patient_data() {
    let (settings, statements) = audit_recipe();
    let control = Stage::shared().scripts().join("pgaudit.control");
    assert!(control.exists(), "pgAudit is missing: scripts/setup test installs it");
    let mut options = ClusterOptions::default().setting("shared_preload_libraries", "pgaudit");
    for (name, value) in &settings {
        options = options.setting(name, value);
    }
    let cluster = options.start();
    let db = cluster.database();
    let mut dba = db.superuser();
    let (_, dentist, patient, evaluation) = sealed_practice(&db);
    dba.run(&statements);

    let from = cluster.log().len();
    let mut session = db.session(As::User(dentist));
    // As PostgREST runs a request.
    session.run("BEGIN; SELECT audit.name_the_user()");
    session.query("SELECT name, notes FROM public.patients WHERE id = $1", &[&patient]).unwrap();
    session.query("SELECT name FROM public.patients WHERE name = $1", &[&"Maria Oliveira"]).unwrap();
    session
        .execute("INSERT INTO public.patients (user_id, name) VALUES ($1, $2)", &[&dentist, &"Joana Segredo"])
        .unwrap();
    session
        .execute("UPDATE public.patients SET notes = $1 WHERE id = $2", &[&"hipertensa, medicada", &patient])
        .unwrap();
    session.query("SELECT patient_name FROM public.evaluations WHERE id = $1", &[&evaluation]).unwrap();
    session.execute("DELETE FROM public.patients WHERE id = $1", &[&patient]).unwrap();
    session.query("SELECT id FROM public.profiles", &[]).unwrap();

    let lines = audited(&cluster, from);
    for (command, table) in [
        ("READ,SELECT", "auria_raw.patients_raw"),
        ("WRITE,INSERT", "auria_raw.patients_raw"),
        ("WRITE,UPDATE", "auria_raw.patients_raw"),
        ("WRITE,DELETE", "auria_raw.patients_raw"),
        ("READ,SELECT", "auria_raw.evaluations_raw"),
    ] {
        let found = lines
            .iter()
            .any(|line| line.contains("AUDIT: OBJECT") && line.contains(&format!("{command},TABLE,{table},")));
        assert!(found, "{command} of {table} in {lines:#?}");
    }
    // Who.
    for line in &lines {
        assert!(line.contains(&format!("authenticator {dentist} ")), "{line}");
    }
    assert!(!lines.iter().any(|line| line.contains("profiles")), "{lines:#?}");
    let log = cluster.log().split_off(from);
    for name in NAMES {
        assert!(!log.contains(name), "{name} in {log}");
    }
    // An id in the text of a statement says which patient.
    session.run(&format!("ROLLBACK; SELECT name FROM public.patients WHERE id = '{patient}'"));
    let lines = audited(&cluster, from);
    assert!(lines.iter().any(|line| line.contains("READ,SELECT") && line.contains(&patient.to_string())), "{lines:#?}");
}
