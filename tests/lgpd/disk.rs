//! The disk and the log after an erasure.

use std::path::Path;
use std::process::Command;

use auria_tests::ClusterOptions;

use super::{count, erase, practice};

/// The files under a directory, WAL left out, that hold these bytes: their longest part without a line break, because grep
/// looks at lines.
fn files_with(directory: &Path, needle: &[u8]) -> Vec<String> {
    let part = needle.split(|byte| *byte == b'\n').max_by_key(|part| part.len()).unwrap();
    let pattern: String = part.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let output = Command::new("grep")
        .args(["-rlaP", "--exclude-dir=pg_wal", &pattern])
        .arg(directory)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    // 1: found nothing.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let found = String::from_utf8(output.stdout).unwrap();
    found.lines().map(str::to_owned).collect()
}

/// What is asked to be erased, and the words that must be gone then.
enum Erased {
    Patient,
    User,
}

/// Texts are made in the server, so that no logged statement has them.
const SECRET_WORDS: [(&str, &str); 3] =
    [("name", "Mabdickreshu Zuleika"), ("notes", "alergia a penicilina xyq"), ("phone", "(11) 97531-8642")];

fn hidden(word: &str) -> String {
    let codes: Vec<String> = word.chars().map(|c| format!("chr({})", c as u32)).collect();
    codes.join(" || ")
}

fn nothing_is_left(sealed: bool, what: &Erased) {
    let cluster = ClusterOptions::default()
        .setting("log_statement", "all")
        .setting("log_min_messages", "debug1")
        .setting("autovacuum", "off")
        .start();
    let db = cluster.database();
    let ana = practice(&db, "zuleika");
    practice(&db, "bia");
    let mut admin = db.superuser();
    let assignments: Vec<String> =
        SECRET_WORDS.iter().map(|(column, word)| format!("{column} = {}", hidden(word))).collect();
    admin.run(&format!(
        "UPDATE public.patients SET {} WHERE id = '{1}';
         UPDATE public.evaluations SET patient_name = {2} WHERE patient_id = '{1}';
         ANALYZE; CHECKPOINT",
        assignments.join(", "),
        ana.patient,
        hidden(SECRET_WORDS[0].1)
    ));
    let mut needles: Vec<Vec<u8>> = SECRET_WORDS.iter().map(|(_, word)| word.as_bytes().to_vec()).collect();
    let data = cluster.data_directory();
    for needle in &needles {
        assert!(!files_with(&data, needle).is_empty());
    }
    if sealed {
        admin.run("CALL auria.phi_seal()");
        admin.run("CHECKPOINT");
        // After sealing, only ciphertexts and the digest of the name are left of a person.
        let stored = admin
            .query_one(
                &format!(
                    "SELECT name_encrypted, notes_encrypted, phone_encrypted, name_digest
                       FROM auria_raw.patients_raw WHERE id = '{}'",
                    ana.patient
                ),
                &[],
            )
            .unwrap();
        needles.extend((0..4).map(|column| stored.get::<_, Vec<u8>>(column)));
        for needle in &needles[SECRET_WORDS.len()..] {
            assert!(!files_with(&data, needle).is_empty());
        }
    }
    needles.push(ana.patient.as_bytes().to_vec());
    needles.push(ana.patient.to_string().into_bytes());

    let call = match what {
        Erased::Patient => format!("erase_patient('{}')", ana.patient),
        Erased::User => format!("erase_user('{}', p_keep_payments => false)", ana.dentist),
    };
    let report = erase(&mut db.service(), &call);
    let patients = match what {
        Erased::Patient => 1,
        Erased::User => 2,
    };
    assert_eq!(count(&report, "removed", "public.patients"), patients);
    if let Erased::User = what {
        admin.run(&format!(
            "DELETE FROM storage.objects WHERE name LIKE '{0}%'; DELETE FROM auth.users WHERE id = '{0}'",
            ana.dentist
        ));
        needles.push(ana.dentist.as_bytes().to_vec());
        needles.extend(["cus_zuleika", "codigo-zuleika"].map(Vec::from));
    }
    admin.run("ANALYZE");
    admin.run("VACUUM FULL");
    admin.run("CHECKPOINT");
    let log = cluster.log();
    for (number, needle) in needles.iter().enumerate() {
        let left = files_with(&data, needle);
        assert!(left.is_empty(), "needle {number}: {left:?}");
    }
    for (_, word) in SECRET_WORDS {
        assert!(!log.contains(word), "{word}");
    }
}

#[test]
fn after_vacuum_and_checkpoint_no_file_and_no_log_line_holds_what_an_erased_patient_was() {
    nothing_is_left(false, &Erased::Patient);
}

#[test]
fn after_vacuum_and_checkpoint_nothing_is_left_of_an_erased_dentist() {
    nothing_is_left(false, &Erased::User);
}

#[test]
fn in_the_sealed_layout_no_ciphertext_and_no_digest_of_an_erased_patient_is_left() {
    nothing_is_left(true, &Erased::Patient);
}

#[test]
fn in_the_sealed_layout_nothing_is_left_of_an_erased_dentist() {
    nothing_is_left(true, &Erased::User);
}
