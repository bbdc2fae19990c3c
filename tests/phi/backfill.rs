//! Catching up: `auria.phi_status()` and `auria.phi_backfill()`.

use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{ClusterOptions, Database, Session, database, refused_with};

/// This many patients as they were before there was encryption, with name and phone.
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
    assert!(notices.iter().any(|notice| { notice.message().contains("patients: 2500 rows, 0 values encrypted") }));
    assert_eq!(names(&mut session), [2500, 0, 0, 0]);
    assert!(in_step(&mut session));
    let reported: i64 = session.value("SELECT count(*) FROM auria.phi_status()");
    let columns: i64 = session.value(
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND column_name LIKE '%_encrypted'",
    );
    assert_eq!(reported, columns);
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
    let versions =
        "SELECT md5(string_agg(ctid::text || xmin::text || name_encrypted::text, '' ORDER BY id)) FROM public.patients";
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
    let left: i64 = session.value("SELECT count(*) FROM public.patients WHERE email_encrypted = '\\x5678'");
    assert_eq!(left, 10);
    assert!(session.notices().iter().any(|notice| notice.message().contains("10 unreadable")));
}

#[test]
fn cancelled_half_way_it_keeps_what_it_committed_and_goes_on_from_there() {
    let db = database();
    let mut watcher = plain_patients(&db, 30_000);
    let mut session = db.superuser();
    let pid = session.backend_pid();
    let worker = thread::spawn(move || refused_with(session.batch_execute("CALL auria.phi_backfill(200)"), "57014"));
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
    assert_eq!(watcher.value::<String>(first), before, "what was done is passed over");
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
        assert!(Instant::now() < deadline, "the locked rows hold up the others");
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
    let (old, new) = ("old-secret-of-more-than-sixteen-octets", "new-secret-of-more-than-sixteen-octets");
    let file = |name, secret| cluster.secret_file(name, secret).display().to_string();
    let mut session = db.superuser();
    session.run(&format!("SET auria.phi_key_file = '{}'", file("old.key", old)));
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
    refused_with(
        session.batch_execute(
            "DO $$ BEGIN BEGIN CALL auria.phi_backfill(); EXCEPTION WHEN division_by_zero THEN NULL; END; END $$",
        ),
        "2D000",
    );
    for size in ["0", "-1", "100001"] {
        refused_with(session.batch_execute(&format!("CALL auria.phi_backfill({size})")), "22023");
    }
    refused_with(session.batch_execute("CALL auria.phi_backfill(NULL)"), "22004");
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

/// encrypted, differing, not encrypted of a column of patients.
fn phones(session: &mut Session) -> [i64; 3] {
    let row = session
        .query_one(
            "SELECT encrypted, differing, not_encrypted FROM auria.phi_status()
              WHERE table_name = 'patients' AND column_name = 'phone'",
            &[],
        )
        .unwrap();
    [0, 1, 2].map(|column| row.get(column))
}

#[test]
fn what_was_changed_while_triggers_were_disabled_is_reported_and_encrypted_anew() {
    let db = database();
    let mut session = plain_patients(&db, 10);
    session.run("CALL auria.phi_backfill()");
    session.run(
        "SET session_replication_role = replica;
         UPDATE public.patients SET birth_date = '1980-02-01' WHERE name LIKE '% 5';
         UPDATE public.patients SET phone = 'changed' WHERE name LIKE '% 1' OR name LIKE '% 2';
         UPDATE public.patients SET phone = NULL WHERE name LIKE '% 3';
         RESET session_replication_role",
    );
    assert_eq!(phones(&mut session), [10, 3, 0]);
    let detail = "SELECT detail FROM auria.doctor() WHERE \"check\" = 'PHI encrypted'";
    let doctor: String = session.value(detail);
    for expected in [
        "2 rows of patients.phone have an encrypted value that says something else",
        "1 rows of patients.phone have an encrypted value and no plain one",
        "1 rows of patients.birth_date are not encrypted",
    ] {
        assert!(doctor.contains(expected), "{doctor}");
    }
    let updated = "SELECT string_agg(updated_at::text, ' ' ORDER BY id) FROM public.patients";
    let before: String = session.value(updated);
    session.run("CALL auria.phi_backfill()");
    // A ciphertext without a plain value may be the only copy: the DBA erases it, with the statement that the doctor reports.
    assert_eq!(phones(&mut session), [10, 1, 0]);
    let doctor: String = session.value(detail);
    let erase = doctor.split("erase what was to be erased with ").nth(1).unwrap();
    session.run(erase);
    assert_eq!(phones(&mut session), [9, 0, 0]);
    assert!(session.value::<bool>("SELECT ok FROM auria.doctor() WHERE \"check\" = 'PHI encrypted'"));
    assert!(session.value::<bool>(
        "SELECT bool_and(public.phi_decrypt(phone_encrypted) IS NOT DISTINCT FROM phone) FROM public.patients"
    ));
    // The backfill is no change of a record; the erasure was one.
    let kept: i64 = session
        .value(&format!("SELECT count(*) FROM public.patients WHERE '{before}' LIKE '%' || updated_at::text || '%'"));
    assert_eq!(kept, 9);
    session.run("UPDATE public.patients SET phone = 'later'");
    assert_ne!(session.value::<String>(updated), before);
}

#[test]
fn a_teams_trigger_has_no_more_rights_than_the_owner_of_the_schema() {
    let db = database();
    let mut session = plain_patients(&db, 3);
    let victim = format!("victim_{}", db.name());
    session.run(&format!(
        "CREATE ROLE {victim};
         CREATE FUNCTION public.climb() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
             EXECUTE 'ALTER ROLE {victim} SUPERUSER';
             RETURN NEW;
         END $$"
    ));
    for trigger in [
        "CREATE TRIGGER a_climb BEFORE UPDATE ON public.patients FOR EACH ROW EXECUTE FUNCTION public.climb()",
        "CREATE TRIGGER a_climb AFTER UPDATE ON public.patients FOR EACH ROW EXECUTE FUNCTION public.climb()",
        "CREATE CONSTRAINT TRIGGER a_climb AFTER UPDATE ON public.patients
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.climb()",
    ] {
        session.run(trigger);
        refused_with(session.batch_execute("CALL auria.phi_backfill()"), "42501");
        session.run("DROP TRIGGER a_climb ON public.patients");
        assert!(!session.value::<bool>(&format!("SELECT rolsuper FROM pg_roles WHERE rolname = '{victim}'")));
    }
    // One that does no harm fires, deferred or not.
    session.run(
        "CREATE TABLE public.audit (who text);
         GRANT INSERT ON public.audit TO auria_owner;
         CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO public.audit VALUES (current_user); RETURN NEW; END $$;
         CREATE CONSTRAINT TRIGGER a_note AFTER UPDATE ON public.patients
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.note()",
    );
    session.run("CALL auria.phi_backfill()");
    assert_eq!(
        session.value::<String>("SELECT string_agg(who, ' ') FROM public.audit"),
        "auria_owner auria_owner auria_owner"
    );
    session.run(&format!("DROP ROLE {victim}"));
}

#[test]
fn a_plain_value_too_large_to_encrypt_does_not_stop_the_others() {
    let db = database();
    let mut session = plain_patients(&db, 5);
    session.run(
        "SET session_replication_role = replica;
         UPDATE public.patients SET notes = repeat('x', 17 * 1024 * 1024) WHERE name LIKE '% 3';
         RESET session_replication_role",
    );
    session.run("CALL auria.phi_backfill()");
    assert_eq!(names(&mut session), [5, 0, 0, 0]);
    assert!(session.notices().iter().any(|notice| notice.message().contains("1 unreadable or too large")));
}

/// A server whose key file can be rotated under its sessions.
fn rotate(cluster: &auria_tests::Cluster, session: &mut Session, old: &str, new: &str) {
    let previous = cluster.secret_file("previous.key", old);
    session.run(&format!("ALTER SYSTEM SET auria.phi_previous_key_file = '{}'", previous.display()));
    cluster.reload();
    cluster.secret_file("phi.key", new);
    thread::sleep(Duration::from_millis(300));
}

const OLD: &str = "old-secret-of-more-than-sixteen-octets";
const NEW: &str = "new-secret-of-more-than-sixteen-octets";
const NEEDED: &str = "SELECT bool_or(previous_key_needed) FROM auria.phi_status()";

#[test]
fn a_rotation_waits_for_whoever_may_still_write_with_the_old_key() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let dentist = db.sign_up("ana@clinica.test");
    cluster.secret_file("phi.key", OLD);
    let insert = |name: &str| format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', '{name}')");
    let mut watcher = db.superuser();
    watcher.run(&insert("before"));
    // Three who began under the old key: one has written, one has only read, one has rolled back what it wrote.
    let mut writer = db.superuser();
    writer.run(&format!("BEGIN; {}", insert("written")));
    let mut reader = db.superuser();
    reader.run("BEGIN; SELECT public.phi_decrypt(name_encrypted) FROM public.patients");
    let mut undone = db.superuser();
    undone.run(&format!("BEGIN; SAVEPOINT s; {}; ROLLBACK TO s", insert("undone")));
    rotate(&cluster, &mut watcher, OLD, NEW);
    // A transaction that begins now is not waited for.
    let mut later = db.superuser();
    later.run(&format!("BEGIN; {}", insert("later")));

    let mut backfill = db.superuser();
    let backfill_pid = backfill.backend_pid();
    let worker = thread::spawn(move || backfill.batch_execute("CALL auria.phi_backfill()"));
    let waits = format!("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {backfill_pid}");
    let until_it_waits = |watcher: &mut Session| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while watcher.value::<Option<bool>>(&waits) != Some(true) {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_millis(10));
        }
    };
    until_it_waits(&mut watcher);
    assert!(watcher.value::<bool>(NEEDED));
    assert_eq!(
        watcher.value::<i64>("SELECT sum(outdated)::bigint FROM auria.phi_status()"),
        0,
        "what is committed has been done"
    );
    writer.run("COMMIT");
    reader.run(&format!("{}; COMMIT", insert("read first")));
    until_it_waits(&mut watcher);
    undone.run(&format!("{}; COMMIT", insert("undone")));
    worker.join().unwrap().unwrap();
    assert!(!watcher.value::<bool>(NEEDED));
    later.run("COMMIT");
    watcher.run("ALTER SYSTEM RESET auria.phi_previous_key_file");
    cluster.reload();
    thread::sleep(Duration::from_millis(300));
    let read: i64 =
        db.superuser().value("SELECT count(*) FROM public.patients WHERE public.phi_decrypt(name_encrypted) = name");
    assert_eq!(read, 5);
}

#[test]
fn the_wait_for_old_writers_can_be_cancelled_and_status_goes_on_saying_that_the_key_is_needed() {
    let cluster = ClusterOptions::default().setting("max_prepared_transactions", "2").start();
    let db = cluster.database();
    let dentist = db.sign_up("ana@clinica.test");
    cluster.secret_file("phi.key", OLD);
    let mut session = db.superuser();
    // Prepared: no backend holds it any more.
    session.run(&format!(
        "BEGIN;
         INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria');
         PREPARE TRANSACTION 'old'"
    ));
    rotate(&cluster, &mut session, OLD, NEW);
    let mut backfill = db.superuser();
    backfill.run("SET statement_timeout = '1s'");
    refused_with(backfill.batch_execute("CALL auria.phi_backfill()"), "57014");
    backfill.run("RESET statement_timeout");
    assert!(session.value::<bool>(NEEDED));
    session.run("COMMIT PREPARED 'old'");
    assert!(session.value::<bool>(NEEDED), "its row is still under the old key");
    backfill.run("CALL auria.phi_backfill()");
    assert!(!session.value::<bool>(NEEDED));
}

#[test]
fn progress_is_reported_at_most_every_two_seconds_and_only_to_who_wants_notices() {
    let db = database();
    let mut session = plain_patients(&db, 2000);
    session.notices();
    session.run("SET client_min_messages = warning");
    session.run("CALL auria.phi_backfill(1)");
    session.run("RESET client_min_messages");
    assert_eq!(session.notices().len(), 0);
    session.run("CALL auria.phi_backfill(1)");
    let notices = session.notices();
    assert!((2..20).contains(&notices.len()), "{} of 2000 batches", notices.len());
}
