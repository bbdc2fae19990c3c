//! Secrets in the memory of a backend, and in the log.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use auria_tests::{ClusterOptions, Session};
use uuid::Uuid;

/// How often `needle` stands in the memory that a backend may write; `None` where the system lets nobody look.
fn occurrences(pid: u32, needle: &[u8]) -> Option<usize> {
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mut found = 0;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next()?, fields.next()?);
        if !rights.starts_with("rw-p") {
            continue;
        }
        let (start, end) = range.split_once('-')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        let mut octets = vec![0; (end - start) as usize];
        if memory.read_exact_at(&mut octets, start).is_ok() {
            found += octets.windows(needle.len()).filter(|window| *window == needle).count();
        }
    }
    Some(found)
}

fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn work(session: &mut Session) {
    session.run("SELECT public.phi_decrypt(public.phi_encrypt('Maria ' || i)) FROM generate_series(1, 20) AS i");
}

#[test]
fn a_secret_that_was_rotated_out_is_gone_from_the_memory_of_the_backend() {
    let (first, second) = (secret(), secret());
    let cluster = ClusterOptions::default().start();
    let key = cluster.secret_file("rotating.key", &first);
    let db = cluster.database();
    let mut session = db.superuser();
    session.run(&format!("SET auria.phi_key_file = '{}'", key.display()));
    work(&mut session);
    let pid = session.backend_pid();
    let Some(in_use) = occurrences(pid, first.as_bytes()) else {
        eprintln!("not looked: this system shows no process the memory of another");
        return;
    };
    assert!(in_use > 0, "a secret in use is somewhere, or this test looks in the wrong place");

    cluster.secret_file("rotating.key", &second);
    work(&mut session);
    assert_eq!(occurrences(pid, first.as_bytes()), Some(0));
    assert!(occurrences(pid, second.as_bytes()) > Some(0));

    // So it is when the key is taken away and nothing takes its place.
    fs::remove_file(&key).unwrap();
    auria_tests::refused_with(session.query("SELECT public.phi_encrypt('x')", &[]), "55000");
    assert_eq!(occurrences(pid, second.as_bytes()), Some(0));
}

#[test]
fn the_log_of_a_server_that_logs_everything_holds_neither_secret_nor_plaintext() {
    let secret = secret();
    let cluster = ClusterOptions::default()
        .setting("log_min_messages", "debug5")
        .setting("log_min_error_statement", "panic")
        .start();
    let key = cluster.secret_file("logged.key", &secret);
    let db = cluster.database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut session = db.superuser();
    session.run(&format!("SET auria.phi_key_file = '{}'", key.display()));
    session
        .execute("INSERT INTO public.patients (user_id, name) VALUES ($1, $2)", &[&dentist, &"Maria Irrepetível"])
        .unwrap();
    session.run(
        "SELECT public.phi_decrypt(name_encrypted) FROM public.patients;
         SELECT * FROM auria.phi_status()",
    );
    session.run("CALL auria.phi_backfill()");
    auria_tests::refused_with(
        session.query("SELECT public.phi_decrypt(set_byte(name_encrypted, 30, 0)) FROM public.patients", &[]),
        "39000",
    );
    let log = cluster.log();
    assert!(log.contains("wrong key or corrupt data"));
    assert!(!log.contains(&secret));
    assert!(!log.contains("Irrepetível"));
}

#[test]
fn an_error_below_a_function_shows_the_librarys_statements_and_no_value() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut dba = db.superuser();
    dba.execute("INSERT INTO public.patients (user_id, name) VALUES ($1, $2)", &[&dentist, &"Maria Irrepetível"])
        .unwrap();
    dba.run(
        "ALTER TABLE public.patients DISABLE TRIGGER USER;
         UPDATE public.patients SET notes = 'alergia Irrepetível';
         ALTER TABLE public.patients ENABLE TRIGGER USER;
         CREATE FUNCTION public.objects() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
         CREATE TRIGGER a_teams BEFORE UPDATE OR DELETE ON public.patients FOR EACH ROW EXECUTE FUNCTION public.objects();
         -- The statements of a charge and of Vault's look-up no longer parse, which PostgreSQL shows with their text.
         ALTER TABLE public.credit_usage RENAME COLUMN operation TO operacao;
         CREATE SCHEMA vault;
         CREATE VIEW vault.decrypted_secrets AS SELECT 1 AS name",
    );
    let mut shown_statements = 0;
    let calls: [(&str, &[&(dyn postgres::types::ToSql + Sync)]); 5] = [
        ("SELECT public.use_credits($1, $2)", &[&dentist, &"Irrepetível"]),
        ("SELECT public.refund_credits($1, $2)", &[&dentist, &"Irrepetível"]),
        ("SELECT public.phi_encrypt($1)", &[&"Irrepetível"]),
        ("SELECT auria.erase_user($1)", &[&dentist]),
        ("CALL auria.phi_backfill()", &[]),
    ];
    let mut compare = |shown: String| {
        shown_statements +=
            usize::from(shown.contains("SELECT ") || shown.contains("DELETE ") || shown.contains("UPDATE "));
        assert!(!shown.contains("Irrepetível"), "{shown}");
    };
    for (call, arguments) in calls {
        compare(format!("{:?}", auria_tests::refused(dba.query(call, arguments))));
    }
    dba.run("ALTER SCHEMA vault RENAME TO vault_kept");
    compare(format!("{:?}", auria_tests::refused(dba.batch_execute("CALL auria.phi_backfill()"))));
    assert!(shown_statements >= 3, "{shown_statements}: this test looks in the wrong place");
    assert!(!cluster.log().contains("Irrepetível"));
}
