//! Who reads values by a function that opens them: `auria.log_reads`.

use auria_tests::{ClusterOptions, Database, refused_with};

/// The lines that statements leave in the server's log, and all of it.
fn lines_of(db: &Database, work: impl FnOnce()) -> (Vec<String>, String) {
    let from = db.cluster().log().len();
    work();
    let log = db.cluster().log().split_off(from);
    let lines = log.lines().filter_map(|line| Some(line.split_once("auria read: ")?.1.to_owned()));
    (lines.collect(), log)
}

const LINE: &str = "role=\"service_role\" user=none function=phi_decrypt dentist=none";

#[test]
fn a_statement_that_opens_values_leaves_a_line_whatever_becomes_of_it_and_an_api_role_cannot_end_that() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let mut dba = db.superuser();
    dba.run(&format!("ALTER DATABASE {} SET auria.log_reads = on", db.name()));
    let mut service = db.service();
    let value = "public.phi_decrypt(public.phi_encrypt('Maria Segredo'))";
    let three = format!("SELECT {value}, {value}, {value} FROM generate_series(1, 100)");
    let (lines, _) = lines_of(&db, || service.run(&three));
    assert_eq!(lines, [LINE]);
    let (lines, log) = lines_of(&db, || {
        service.run(&format!("BEGIN READ ONLY; SELECT {value}"));
        service.run("ROLLBACK");
        service.run(&format!("SELECT {value}"));
    });
    assert_eq!(lines, [LINE, LINE]);
    // The statement that runs is not beside it.
    assert!(!log.contains("Maria"), "{log}");
    refused_with(service.batch_execute("SET auria.log_reads = off"), "42501");
    let (lines, _) = lines_of(&db, || {
        refused_with(service.batch_execute("SELECT public.phi_decrypt('\\x00')"), "39000");
    });
    assert!(lines.is_empty(), "{lines:?}");
    // Off unless somebody turns it on.
    dba.run(&format!("ALTER DATABASE {} RESET auria.log_reads", db.name()));
    let (lines, _) = lines_of(&db, || db.service().run(&three));
    assert!(lines.is_empty(), "{lines:?}");
}
