//! What is left on the disk and in the log after an erasure.

use std::fs;
use std::path::{Path, PathBuf};

use auria_tests::ClusterOptions;

use super::{count, erase, practice};

/// The files under a directory, WAL left out, that hold these bytes.
fn files_with(directory: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("pg_wal") {
            continue;
        }
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if fs::read(&path)
            .is_ok_and(|content| content.windows(needle.len()).any(|bytes| bytes == needle))
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn after_vacuum_and_checkpoint_no_file_and_no_log_line_holds_an_erased_patients_name() {
    let cluster = ClusterOptions::default()
        .setting("log_statement", "all")
        .setting("log_min_messages", "debug1")
        .setting("autovacuum", "off")
        .start();
    let db = cluster.database();
    let ana = practice(&db, "zuleika");
    practice(&db, "bia");
    let mut admin = db.superuser();
    // Not in one of the statements above, which the log has.
    admin.run(&format!(
        "UPDATE public.patients SET name = translate('Znoqvp Xrefpuxr', 'Znoqvpxrefu', 'Mabdickreshu') WHERE id = '{0}';
         UPDATE public.evaluations SET patient_name = (SELECT name FROM public.patients WHERE id = '{0}')
          WHERE patient_id = '{0}';
         ANALYZE; CHECKPOINT",
        ana.patient
    ));
    let name: String = admin.value(&format!(
        "SELECT name FROM public.patients WHERE id = '{}'",
        ana.patient
    ));
    let data = cluster.data_directory();
    assert!(!files_with(&data, name.as_bytes()).is_empty());

    let report = erase(
        &mut db.service(),
        &format!("erase_patient('{}')", ana.patient),
    );
    assert_eq!(count(&report, "removed", "public.patients"), 1);
    admin.run("ANALYZE");
    admin.run("VACUUM FULL");
    admin.run("CHECKPOINT");
    let left = files_with(&data, name.as_bytes());
    assert!(left.is_empty(), "{left:?}");
    assert!(!cluster.log().contains(&name));
}
