//! Catching up: `auria.phi_status()` and `auria.phi_backfill()`.

use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{ClusterOptions, Database, Session, database, refused_with};

/// So many patients as they were before there was encryption, with name and phone.
fn plain_patients(db: &Database<'_>, rows: i32) -> Session {
    let dentist = db.sign_up("ana@clinica.test");
    let mut session = db.superuser();
    session.run(&format!(
        "SET session_replication_role = replica;
         INSERT INTO public.patients (user_id, name, phone)
            SELECT '{dentist}', 'João ' || i, i::text FROM generate_series(1, {rows}) AS i;
         RESET session_replication_role"
    ));
    session
}

/// encrypted, not encrypted, outdated, unreadable of the patients' names.
fn names(session: &mut Session) -> [i64; 4] {
    let row = session
        .query_one(
            "SELECT encrypted, not_encrypted, outdated, unreadable FROM auria.phi_status()
              WHERE table_name = 'patients' AND column_name = 'name'",
            &[],
        )
        .unwrap();
    [0, 1, 2, 3].map(|column| row.get(column))
}

fn in_step(session: &mut Session) -> bool {
    session.value(
        "SELECT bool_and(public.phi_decrypt(name_encrypted) = name AND public.phi_decrypt(phone_encrypted) = phone)
           FROM public.patients",
    )
}

#[test]
fn backfill_encrypts_what_is_not_yet_and_reports_its_progress() {
    let db = database();
    let mut session = plain_patients(&db, 2500);
    assert_eq!(names(&mut session), [0, 2500, 0, 0]);
    session.notices();
    db.service().run("CALL auria.phi_backfill(1000)");
    session.run("CALL auria.phi_backfill()");
    let notices = session.notices();
    assert!(notices.iter().any(|notice| {
        notice
            .message()
            .contains("table patients, done: 2500 rows, 0 values")
    }));
    assert_eq!(names(&mut session), [2500, 0, 0, 0]);
    assert!(in_step(&mut session));
    let columns: i64 = session.value("SELECT count(*) FROM auria.phi_status()");
    assert_eq!(columns, 6);
}

#[test]
fn backfill_rewrites_what_pgcrypto_wrote_also_where_no_plain_value_is_left() {
    let db = database();
    let mut session = plain_patients(&db, 50);
    session.run(
        "CREATE EXTENSION pgcrypto SCHEMA public;
         UPDATE public.patients SET name_encrypted = public.pgp_sym_encrypt(name,
            split_part(pg_read_file(current_setting('auria.phi_key_file')), E'\\n', 1)),
            email_encrypted = public.pgp_sym_encrypt('only here',
            split_part(pg_read_file(current_setting('auria.phi_key_file')), E'\\n', 1), 'disable-mdc=1')",
    );
    assert_eq!(names(&mut session), [50, 0, 50, 0]);
    session.run("CALL auria.phi_backfill(7)");
    assert_eq!(names(&mut session), [50, 0, 0, 0]);
    assert!(in_step(&mut session));
    let kept: i64 =
        session.value("SELECT count(*) FROM public.patients WHERE public.phi_decrypt(email_encrypted) = 'only here'");
    assert_eq!(kept, 50);
}

#[test]
fn a_second_run_writes_nothing() {
    let db = database();
    let mut session = plain_patients(&db, 300);
    session.run("CALL auria.phi_backfill()");
    let versions = "SELECT md5(string_agg(ctid::text || xmin::text || name_encrypted::text, '' ORDER BY id)) FROM public.patients";
    let before: String = session.value(versions);
    session.run("CALL auria.phi_backfill()");
    assert_eq!(session.value::<String>(versions), before);
}

#[test]
fn unreadable_values_are_counted_and_left_unless_the_plain_value_is_there() {
    let db = database();
    let mut session = plain_patients(&db, 10);
    session.run(
        "SET session_replication_role = replica;
         UPDATE public.patients SET name_encrypted = '\\x1234', email_encrypted = '\\x5678';
         RESET session_replication_role",
    );
    assert_eq!(names(&mut session), [10, 0, 0, 10]);
    session.run("CALL auria.phi_backfill()");
    assert_eq!(names(&mut session), [10, 0, 0, 0]);
    assert!(in_step(&mut session));
    let left: i64 =
        session.value("SELECT count(*) FROM public.patients WHERE email_encrypted = '\\x5678'");
    assert_eq!(left, 10);
    assert!(
        session
            .notices()
            .iter()
            .any(|notice| notice.message().contains("10 unreadable"))
    );
}

#[test]
fn cancelled_half_way_it_keeps_what_it_committed_and_goes_on_from_there() {
    let db = database();
    let mut watcher = plain_patients(&db, 30_000);
    let mut session = db.superuser();
    let pid = session.backend_pid();
    let worker = thread::spawn(move || {
        refused_with(
            session.batch_execute("CALL auria.phi_backfill(200)"),
            "57014",
        )
    });
    let done = "SELECT count(*) FROM public.patients WHERE name_encrypted IS NOT NULL";
    let deadline = Instant::now() + Duration::from_secs(30);
    while watcher.value::<i64>(done) < 2000 {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(5));
    }
    watcher.run(&format!("SELECT pg_cancel_backend({pid})"));
    worker.join().unwrap();
    let half: i64 = watcher.value(done);
    assert!((2000..30_000).contains(&half), "{half}");
    assert_eq!(half % 200, 0, "whole batches");
    let first = "SELECT min(ctid::text || xmin::text) FROM (SELECT ctid, xmin FROM public.patients
                  WHERE name_encrypted IS NOT NULL ORDER BY id LIMIT 1) AS first";
    let before: String = watcher.value(first);
    watcher.run("CALL auria.phi_backfill(5000)");
    assert_eq!(names(&mut watcher), [30_000, 0, 0, 0]);
    assert_eq!(
        watcher.value::<String>(first),
        before,
        "what was done is passed over"
    );
    assert!(in_step(&mut watcher));
}

#[test]
fn it_is_correct_while_other_sessions_write_the_same_rows() {
    let db = database();
    let mut session = plain_patients(&db, 4000);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let mut session = db.superuser();
                scope.spawn(move || {
                    // In the order and in the transactions of their own choice.
                    for round in 0..40 {
                        let order = if (writer + round) % 2 == 0 { "ASC" } else { "DESC" };
                        let update = format!(
                            "UPDATE public.patients SET name = name || '.', phone = CASE WHEN {round} % 3 = 0 THEN NULL ELSE '{writer}' END
                              WHERE id IN (SELECT id FROM public.patients ORDER BY id {order} OFFSET {} LIMIT 60)",
                            round * 50
                        );
                        // Two writers may deadlock with each other; then it is as if one had not been there.
                        let _ = session.batch_execute(&update);
                    }
                })
            })
            .collect();
        let mut backfill = db.superuser();
        backfill.run("CALL auria.phi_backfill(100)");
        for writer in writers {
            writer.join().unwrap();
        }
    });
    session.run("CALL auria.phi_backfill(100)");
    assert_eq!(names(&mut session), [4000, 0, 0, 0]);
    let wrong: i64 = session.value(
        "SELECT count(*) FROM public.patients
          WHERE public.phi_decrypt(name_encrypted) IS DISTINCT FROM name
             OR (phone IS NULL) <> (phone_encrypted IS NULL)
             OR (phone IS NOT NULL AND public.phi_decrypt(phone_encrypted) <> phone)",
    );
    assert_eq!(wrong, 0);
}

#[test]
fn a_row_that_is_locked_is_done_after_the_others() {
    let db = database();
    let mut session = plain_patients(&db, 300);
    session.run("BEGIN; SELECT FROM public.patients WHERE name IN ('João 7', 'João 8') FOR UPDATE");
    let mut backfill = db.superuser();
    let mut watcher = db.superuser();
    let worker = thread::spawn(move || backfill.run("CALL auria.phi_backfill(100)"));
    let left = "SELECT count(*) FROM public.patients WHERE name_encrypted IS NULL";
    let deadline = Instant::now() + Duration::from_secs(20);
    while watcher.value::<i64>(left) != 2 {
        assert!(
            Instant::now() < deadline,
            "the locked rows hold up the others"
        );
        thread::sleep(Duration::from_millis(10));
    }
    session.run("UPDATE public.patients SET name = 'Bia' WHERE name = 'João 7'; COMMIT");
    worker.join().unwrap();
    assert_eq!(watcher.value::<i64>(left), 0);
    assert!(in_step(&mut watcher));
}

#[test]
fn a_rotation_ends_when_status_says_that_nothing_is_outdated() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let dentist = db.sign_up("ana@clinica.test");
    let (old, new) = (
        "old-secret-of-more-than-sixteen-octets",
        "new-secret-of-more-than-sixteen-octets",
    );
    let file = |name, secret| cluster.secret_file(name, secret).display().to_string();
    let mut session = db.superuser();
    session.run(&format!(
        "SET auria.phi_key_file = '{}'",
        file("old.key", old)
    ));
    session
        .execute(
            "INSERT INTO public.patients (user_id, name, phone) SELECT $1, 'João ' || i, i::text FROM generate_series(1, 100) AS i",
            &[&dentist],
        )
        .unwrap();
    session.run(&format!(
        "SET auria.phi_key_file = '{}'; SET auria.phi_previous_key_file = '{}'",
        file("new.key", new),
        file("previous.key", old)
    ));
    assert_eq!(names(&mut session), [100, 0, 100, 0]);
    session.run("CALL auria.phi_backfill()");
    assert_eq!(names(&mut session), [100, 0, 0, 0]);
    session.run("RESET auria.phi_previous_key_file");
    assert!(in_step(&mut session));
}

#[test]
fn it_refuses_where_it_cannot_commit_and_batch_sizes_that_make_no_sense() {
    let db = database();
    let mut session = plain_patients(&db, 3);
    session.run("BEGIN");
    refused_with(session.batch_execute("CALL auria.phi_backfill()"), "2D000");
    session.run("ROLLBACK");
    refused_with(session.batch_execute("DO $$ BEGIN BEGIN CALL auria.phi_backfill(); EXCEPTION WHEN division_by_zero THEN NULL; END; END $$"), "2D000");
    for size in ["0", "-1", "100001"] {
        refused_with(
            session.batch_execute(&format!("CALL auria.phi_backfill({size})")),
            "22023",
        );
    }
    refused_with(
        session.batch_execute("CALL auria.phi_backfill(NULL)"),
        "22004",
    );
    session.run("SET default_transaction_read_only = on");
    refused_with(session.batch_execute("CALL auria.phi_backfill()"), "25006");
    session.run("RESET default_transaction_read_only");
    assert_eq!(names(&mut session), [0, 3, 0, 0]);
    // From PL/pgSQL that may commit itself, it may too.
    session.run("DO $$ BEGIN CALL auria.phi_backfill(); END $$");
    assert_eq!(names(&mut session), [3, 0, 0, 0]);
}

#[test]
fn a_hostile_search_path_changes_nothing() {
    let db = database();
    let mut session = plain_patients(&db, 3);
    session.run(
        "CREATE SCHEMA evil;
         CREATE FUNCTION evil.equal(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'robbed'; END $$;
         CREATE OPERATOR evil.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.equal);
         CREATE OPERATOR evil.>= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = evil.equal);
         SET search_path = evil, public, pg_catalog",
    );
    session.run("CALL auria.phi_backfill()");
    session.run("RESET search_path");
    assert!(in_step(&mut session));
}
