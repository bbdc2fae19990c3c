//! For every content of a column the backend answers or refuses within its limits, and does not end.

use std::time::{Duration, Instant};

use auria_tests::{Session, database, private_memory, refused_with};

const MIB: u64 = 1 << 20;

fn wrong_key_or_corrupt(session: &mut Session, message: &[u8]) {
    let refusal = refused_with(session.query("SELECT public.phi_decrypt($1)", &[&message]), "39000");
    assert_eq!(refusal.message(), "wrong key or corrupt data");
}

#[test]
fn damaged_bytes_and_a_wrong_key_give_one_message_and_the_backend_lives() {
    let db = database();
    let mut session = db.superuser();
    session.run("CREATE EXTENSION pgcrypto SCHEMA public");
    let pid = session.backend_pid();
    let message: Vec<u8> = session.value("SELECT public.phi_encrypt('Maria da Conceição')");
    for position in 0..message.len() {
        let mut damaged = message.clone();
        damaged[position] ^= 0x20;
        wrong_key_or_corrupt(&mut session, &damaged);
        wrong_key_or_corrupt(&mut session, &message[..position]);
    }
    for options in ["", "disable-mdc=1", "sess-key=1", "compress-algo=1"] {
        let other: Vec<u8> =
            session.value(&format!("SELECT public.pgp_sym_encrypt('Maria', 'another secret altogether', '{options}')"));
        wrong_key_or_corrupt(&mut session, &other);
    }
    assert_eq!(session.backend_pid(), pid);
}

#[test]
fn a_plaintext_has_sixteen_mebibytes_and_not_one_octet_more() {
    let db = database();
    let mut session = db.superuser();
    let longest = "repeat('x', 16 * 1024 * 1024)";
    assert!(session.value::<bool>(&format!("SELECT public.phi_decrypt(public.phi_encrypt({longest})) = {longest}")));
    refused_with(session.query(&format!("SELECT public.phi_encrypt({longest} || 'x')"), &[]), "54000");
}

#[test]
fn a_bomb_of_each_compression_is_refused_at_once_and_leaves_no_memory_behind() {
    let db = database();
    let mut session = db.superuser();
    session.run(
        "CREATE EXTENSION pgcrypto SCHEMA public;
         CREATE TABLE public.bombs AS
            SELECT public.pgp_sym_encrypt(repeat('0', 200 * 1024 * 1024),
                       split_part(pg_read_file(current_setting('auria.phi_key_file')), E'\\n', 1),
                       format('compress-algo=%s,compress-level=9,disable-mdc=%s', algorithm, no_mdc)) AS bomb
              FROM generate_series(1, 2) AS algorithm, generate_series(0, 1) AS no_mdc",
    );
    assert!(session.value::<bool>("SELECT max(length(bomb)) < 300000 FROM public.bombs"));
    let bombs: Vec<Vec<u8>> =
        session.query("SELECT bomb FROM public.bombs", &[]).unwrap().iter().map(|row| row.get(0)).collect();
    let mut session = db.superuser();
    let pid = session.backend_pid();
    let decrypt = "SELECT public.phi_decrypt($1)";
    for round in 0..3 {
        for bomb in &bombs {
            let start = Instant::now();
            refused_with(session.query(decrypt, &[bomb]), "54000");
            assert!(start.elapsed() < Duration::from_secs(2));
        }
        let memory = private_memory(pid);
        assert!(memory < 60 * MIB, "round {round}: {} MiB", memory / MIB);
    }
}

#[test]
fn a_stored_value_of_any_size_is_refused_before_it_is_decrypted() {
    let db = database();
    let mut session = db.superuser();
    refused_with(
        session.query("SELECT public.phi_decrypt(convert_to(repeat('x', 20 * 1024 * 1024), 'UTF8'))", &[]),
        "54000",
    );
}

#[test]
fn five_million_decryptions_in_one_backend_leave_its_memory_where_it_was() {
    let db = database();
    let mut session = db.superuser();
    session.run("CREATE TEMP TABLE sealed AS SELECT public.phi_encrypt('Maria da Conceição ' || i) AS message FROM generate_series(1, 1000) AS i");
    let decrypt =
        |rounds: i32| format!("SELECT count(public.phi_decrypt(message)) FROM sealed, generate_series(1, {rounds})");
    let pid = session.backend_pid();
    // Compiling such a query would load ten megabytes of LLVM between the readings.
    session.run("SET jit = off; SET max_parallel_workers_per_gather = 0");
    assert_eq!(session.value::<i64>(&decrypt(100)), 100_000);
    let before = private_memory(pid);
    assert_eq!(session.value::<i64>(&decrypt(5000)), 5_000_000);
    let after = private_memory(pid);
    assert!(after < before + MIB, "{before} before, {after} after");
}

#[test]
fn a_hundred_thousand_failures_leave_the_memory_where_it_was() {
    let db = database();
    let mut session = db.superuser();
    session.run(
        "CREATE FUNCTION public.fail(times integer) RETURNS void LANGUAGE plpgsql AS $$
         DECLARE message bytea := public.phi_encrypt('Maria');
         BEGIN
             message := set_byte(message, 40, 255 - get_byte(message, 40));
             FOR i IN 1..times LOOP
                 BEGIN
                     PERFORM public.phi_decrypt(message);
                     RAISE 'a damaged value was read';
                 EXCEPTION WHEN external_routine_invocation_exception THEN NULL;
                 END;
             END LOOP;
         END $$",
    );
    let pid = session.backend_pid();
    session.run("SELECT public.fail(5000)");
    let before = private_memory(pid);
    session.run("SELECT public.fail(100000)");
    let after = private_memory(pid);
    assert!(after < before + 2 * MIB, "{before} before, {after} after");
}

/// A message of no use that names this many passphrases, each with a derivation of 62,914,560 octets.
fn costly(passphrases: u8, salt: u8) -> Vec<u8> {
    let mut message = Vec::new();
    for number in 0..passphrases {
        message.extend_from_slice(&[0xC3, 13, 4, 9, 3, 8]);
        message.extend_from_slice(&[salt, number, 1, 2, 3, 4, 5, 6, 0xFE]);
    }
    message.extend_from_slice(&[0xD2, 60, 1]);
    message.extend_from_slice(&[7; 59]);
    message
}

#[test]
fn deriving_the_keys_of_one_message_ends_with_the_statement_timeout() {
    let db = database();
    let mut session = db.superuser();
    session.run("SELECT public.phi_encrypt('warm'); SET statement_timeout = '20ms'");
    for salt in 0..5 {
        refused_with(session.query("SELECT public.phi_decrypt($1)", &[&costly(1, salt)]), "57014");
    }
    session.run("RESET statement_timeout");
    // Cancelled in the middle, nothing of it is left: the same session opens what it should.
    assert!(session.value::<bool>("SELECT public.phi_decrypt(public.phi_encrypt('Maria')) = 'Maria'"));
}

#[test]
fn a_message_that_names_more_work_than_the_limit_is_refused() {
    let db = database();
    let mut session = db.superuser();
    let refusal = refused_with(session.query("SELECT public.phi_decrypt($1)", &[&costly(4, 1)]), "54000");
    assert!(refusal.message().contains("work limit"), "{refusal:?}");
    wrong_key_or_corrupt(&mut session, &costly(1, 2));
}

#[test]
fn eight_costly_messages_do_not_keep_status_busy_against_a_cancel() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut dba = db.superuser();
    for salt in 0..8 {
        dba.execute(
            "INSERT INTO public.patients (user_id, name, phone_encrypted) VALUES ($1, $2, $3)",
            &[&dentist, &format!("x{salt}"), &costly(4, salt)],
        )
        .unwrap();
    }
    let mut session = db.superuser();
    session.run("SELECT public.phi_encrypt('warm'); SET statement_timeout = '30ms'");
    refused_with(session.query("SELECT auria.phi_status()", &[]), "57014");
    refused_with(session.batch_execute("CALL auria.phi_backfill()"), "57014");
    session.run("RESET statement_timeout");
    let unreadable: i64 = session
        .value("SELECT unreadable FROM auria.phi_status() WHERE table_name = 'patients' AND column_name = 'phone'");
    assert_eq!(unreadable, 8);
}

#[test]
fn decryption_works_on_a_standby() {
    let primary = auria_tests::ClusterOptions::default().start();
    let db = primary.database();
    let mut session = db.superuser();
    session.run("CREATE TABLE public.sealed AS SELECT public.phi_encrypt('Maria') AS message");
    let standby = primary.standby();
    let read: String = standby.superuser(db.name()).value("SELECT public.phi_decrypt(message) FROM public.sealed");
    assert_eq!(read, "Maria");
}
