//! However large the values are, memory stays bounded, and its end is an error of one statement.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use auria_tests::{ClusterOptions, Database, Session, limit_memory, private_memory};

const MIB: u64 = 1 << 20;

/// Forty patients with notes of 12 MB each, which do not compress well, as they were before there was encryption.
fn forty_large_notes(db: &Database<'_>) -> Session {
    let dentist = db.sign_up("ana@clinica.test");
    let mut session = db.superuser();
    session.run(&format!(
        "CREATE TEMP TABLE large AS
            SELECT string_agg(md5(i::text), '') AS notes FROM generate_series(1, 12 * 1024 * 1024 / 32) AS i;
         SET session_replication_role = replica;
         INSERT INTO public.patients (user_id, name, notes)
            SELECT '{dentist}', 'João ' || i, notes FROM large, generate_series(1, 40) AS i;
         RESET session_replication_role"
    ));
    session
}

/// The most memory of its own that the session's backend held while `work` ran, beyond what it held before.
fn grown(session: &mut Session, work: impl FnOnce(&mut Session)) -> u64 {
    let pid = session.backend_pid();
    let before = private_memory(pid);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(private_memory(pid));
                thread::sleep(Duration::from_millis(1));
            }
            most
        });
        work(session);
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap().saturating_sub(before)
    })
}

#[test]
fn status_backfill_and_doctor_hold_at_most_64_mib_of_values() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    drop(forty_large_notes(&db));
    for call in ["CALL auria.phi_backfill()", "SELECT auria.phi_status()", "SELECT auria.doctor()"] {
        let mut session = db.superuser();
        session.run("SELECT public.phi_encrypt('warm')");
        let grown = grown(&mut session, |session| session.run(call));
        // Up to 64 MiB of values, and the copies that PostgreSQL makes of one to store it.
        assert!(grown < 100 * MIB, "{call}: {} MiB", grown / MIB);
    }
    let mut session = db.superuser();
    assert!(session.value::<bool>("SELECT bool_and(public.phi_decrypt(notes_encrypted) = notes) FROM public.patients"));
}

#[test]
fn with_too_little_memory_a_call_fails_with_53200_and_the_server_goes_on() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let mut witness = forty_large_notes(&db);
    let before = witness.backend_pid();
    let mut failures = 0;
    for headroom in [2, 16, 32, 64] {
        for call in [
            "SELECT auria.phi_status()",
            "CALL auria.phi_backfill(10)",
            "SELECT auria.doctor()",
            "SELECT length(public.phi_decrypt(public.phi_encrypt(notes))) FROM public.patients LIMIT 1",
            "SELECT length(public.phi_decrypt(notes_encrypted)) FROM public.patients WHERE notes_encrypted IS NOT NULL LIMIT 1",
            "UPDATE public.patients SET notes = notes || 'x' WHERE id = (SELECT min(id::text)::uuid FROM public.patients)",
        ] {
            let mut session = db.superuser();
            session.run("SELECT public.phi_encrypt('warm'); SET max_parallel_workers_per_gather = 0; SET jit = off");
            assert!(limit_memory(&cluster, session.backend_pid(), headroom * MIB));
            if let Err(error) = session.batch_execute(call) {
                let refusal = error
                    .as_db_error()
                    .unwrap_or_else(|| panic!("{call} with {headroom} MiB: the backend is gone: {error}"));
                assert_eq!(refusal.code().code(), "53200", "{call} with {headroom} MiB: {refusal:?}");
                failures += 1;
            }
            session.run("SELECT 1");
        }
    }
    assert!(failures > 5, "{failures}");
    assert_eq!(witness.backend_pid(), before);
    witness.run("CALL auria.phi_backfill()");
    assert!(witness.value::<bool>("SELECT bool_and(public.phi_decrypt(notes_encrypted) = notes) FROM public.patients"));
}
