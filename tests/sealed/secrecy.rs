//! No patient's name in any file or dump.

use std::process::Command;

use auria_tests::{Cluster, ClusterOptions, database, insert_evaluation};

use super::{insert_patient, seal};

const NAME: &str = "Zulmira Quitéria Xavantes";

/// The files of the data directory, without pg_wal, that hold the name.
fn files_with_the_name(cluster: &Cluster) -> Vec<String> {
    let found = Command::new("grep")
        .args(["-rlaF", "--exclude-dir=pg_wal", "--exclude-dir=log", NAME])
        .arg(cluster.data_directory())
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn after_sealing_no_file_outside_of_the_wal_holds_a_name() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    for number in 0..200 {
        insert_patient(&mut service, dentist, &format!("{NAME} {number}"));
    }
    service.run(&insert_evaluation(
        &format!("'{dentist}'"),
        &[("patient_name", &format!("'{NAME}'")), ("anamnesis", &format!("'{NAME}'"))],
    ));
    let mut dba = db.superuser();
    dba.run("ANALYZE; CHECKPOINT");
    assert!(!files_with_the_name(&cluster).is_empty(), "open, it is there");
    seal(&db);
    for statement in ["VACUUM FULL pg_catalog.pg_statistic", "CHECKPOINT", "ANALYZE", "CHECKPOINT"] {
        dba.run(statement);
    }
    assert_eq!(files_with_the_name(&cluster), Vec::<String>::new());
    assert_eq!(service.value::<i64>(&format!("SELECT count(*) FROM public.patients WHERE name LIKE '{NAME}%'")), 200);
    service.run("UPDATE public.patients SET notes = name");
    dba.run("ANALYZE; CHECKPOINT");
    assert_eq!(files_with_the_name(&cluster), Vec::<String>::new());
}

#[test]
fn a_dump_of_a_sealed_database_holds_ciphertext_only() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    insert_patient(&mut db.service(), dentist, NAME);
    seal(&db);
    let dump = db.cluster().client("pg_dump", &[db.name()]).stdout;
    let dump = String::from_utf8(dump).unwrap();
    assert!(dump.contains("patients_raw"));
    assert!(!dump.contains(NAME));
}
