//! Encryption: this extension beside pgcrypto behind PL/pgSQL, as AURIA ran it before.
//!
//! Both read the secret from the same place, Vault's view over a plain table: the twin once per call, as it did, this
//! extension once per transaction. The twin's trigger encrypts every column at every INSERT and UPDATE. Both are in one
//! database here, the twin in a schema of its own.

use std::time::Duration;

use auria_tests::Database;

use crate::report::Report;
use crate::rounds::{Sides, time};

/// pgcrypto behind PL/pgSQL.
pub const TWIN: &str = include_str!("twin/phi.sql");

const ROUNDS: usize = 5;

/// What was measured: the time of one unit of work on either side.
struct Pair {
    what: &'static str,
    target: f64,
    ours: Duration,
    theirs: Duration,
}

/// The lines of docs/phi.md.
pub fn run(sides: &Sides<'_>, report: &mut Report) {
    let db = sides.native;
    prepare(db);
    for measure in [encrypt, decrypt_own, decrypt_foreign, list, insert, update] {
        let pair = measure(db);
        report.ratio(pair.what, pair.ours, pair.theirs, pair.target);
    }
}

fn prepare(db: &Database<'_>) {
    db.superuser().run("DELETE FROM auth.users");
    db.sign_up("ana@clinica.test");
    db.superuser().run(TWIN);
    db.superuser().run(
        "CREATE SCHEMA vault;
         CREATE VIEW vault.decrypted_secrets AS SELECT name, decrypted_secret FROM before.decrypted_secrets;
         CREATE FUNCTION before.encrypt_patient_phi() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
         BEGIN
             IF NEW.name IS NOT NULL THEN NEW.name_encrypted := before.phi_encrypt(NEW.name); END IF;
             IF NEW.phone IS NOT NULL THEN NEW.phone_encrypted := before.phi_encrypt(NEW.phone); END IF;
             IF NEW.email IS NOT NULL THEN NEW.email_encrypted := before.phi_encrypt(NEW.email); END IF;
             IF NEW.birth_date IS NOT NULL THEN
                 NEW.birth_date_encrypted := before.phi_encrypt(NEW.birth_date::text);
             END IF;
             IF NEW.notes IS NOT NULL THEN NEW.notes_encrypted := before.phi_encrypt(NEW.notes); END IF;
             RETURN NEW;
         END $$;
         CREATE FUNCTION before.update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
         CREATE TABLE before.patients (LIKE public.patients INCLUDING ALL,
             FOREIGN KEY (user_id) REFERENCES auth.users ON DELETE CASCADE);
         CREATE TRIGGER encrypt_patients_phi_trigger BEFORE INSERT OR UPDATE ON before.patients
            FOR EACH ROW EXECUTE FUNCTION before.encrypt_patient_phi();
         CREATE TRIGGER update_patients_updated_at BEFORE UPDATE ON before.patients
            FOR EACH ROW EXECUTE FUNCTION before.update_updated_at_column();

         CREATE TABLE before.names AS
            SELECT left('Maria ' || md5(i::text), 20) AS name FROM generate_series(1, 200000) AS i;
         CREATE TABLE before.ours AS SELECT public.phi_encrypt(name) AS message FROM before.names;
         CREATE TABLE before.theirs AS
            SELECT before.phi_encrypt(name) AS message FROM (SELECT name FROM before.names LIMIT 2000) AS few",
    );
    vacuum(db, &["before.names", "before.ours", "before.theirs"]);
}

fn vacuum(db: &Database<'_>, tables: &[&str]) {
    for table in tables {
        db.superuser().run(&format!("VACUUM ANALYZE {table}"));
    }
}

/// The time of a statement, per unit, on either side, each in a session of its own.
fn in_turn(db: &Database<'_>, ours: (&str, u32), theirs: (&str, u32)) -> (Duration, Duration) {
    let mut sessions = (db.superuser(), db.superuser());
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_times.push(time(&mut sessions.0, ours.0) / ours.1);
        their_times.push(time(&mut sessions.1, theirs.0) / theirs.1);
    }
    (fastest(our_times), fastest(their_times))
}

/// What else the machine does only ever adds to a time.
fn fastest(times: Vec<Duration>) -> Duration {
    times.into_iter().min().unwrap_or_default()
}

fn encrypt(db: &Database<'_>) -> Pair {
    let (ours, theirs) = in_turn(
        db,
        ("SELECT count(public.phi_encrypt(name)) FROM before.names", 200_000),
        ("SELECT count(before.phi_encrypt(name)) FROM (SELECT name FROM before.names LIMIT 2000) AS few", 2000),
    );
    Pair { what: "phi_encrypt, 20 characters", target: 100.0, ours, theirs }
}

fn decrypt_own(db: &Database<'_>) -> Pair {
    let (ours, theirs) = in_turn(
        db,
        ("SELECT count(public.phi_decrypt(message)) FROM before.ours", 200_000),
        ("SELECT count(before.phi_decrypt(message)) FROM before.theirs", 2000),
    );
    Pair { what: "phi_decrypt, each side's own values", target: 100.0, ours, theirs }
}

fn decrypt_foreign(db: &Database<'_>) -> Pair {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // A session that has loaded its library and derived no key of these yet, each time.
        let first_reading = |schema: &str| {
            let mut session = db.superuser();
            session.run(&format!("SELECT {schema}.phi_encrypt('x')"));
            let reading = format!("SELECT count({schema}.phi_decrypt(message)) FROM before.theirs");
            time(&mut session, &reading) / 2000
        };
        times.0.push(first_reading("public"));
        times.1.push(first_reading("before"));
    }
    Pair {
        what: "phi_decrypt, first reading of values pgcrypto wrote",
        target: 2.0,
        ours: fastest(times.0),
        theirs: fastest(times.1),
    }
}

fn fill(schema: &str, rows: u32) -> String {
    format!(
        "TRUNCATE {schema}.patients CASCADE;
         INSERT INTO {schema}.patients (user_id, name, phone, email, birth_date, notes)
            SELECT users.id, 'Maria ' || md5(i::text), '(11) 9' || i, 'maria' || i || '@clinica.test',
                   DATE '1950-01-01' + i, 'Alergia a látex; retorno em ' || i
              FROM generate_series(1, {rows}) AS i, auth.users AS users"
    )
}

fn list(db: &Database<'_>) -> Pair {
    let mut session = db.superuser();
    session.run(&format!("{}; {}", fill("public", 1000), fill("before", 1000)));
    vacuum(db, &["public.patients", "before.patients"]);
    let listing = |schema: &str| {
        format!(
            "SELECT id, {schema}.phi_decrypt(name_encrypted), {schema}.phi_decrypt(phone_encrypted),
                    {schema}.phi_decrypt(email_encrypted), {schema}.phi_decrypt(birth_date_encrypted),
                    {schema}.phi_decrypt(notes_encrypted) FROM {schema}.patients"
        )
    };
    let (ours, theirs) = in_turn(db, (&listing("public"), 1), (&listing("before"), 1));
    Pair { what: "a list of 1,000 patients, five columns decrypted", target: 60.0, ours, theirs }
}

fn insert(db: &Database<'_>) -> Pair {
    let (ours, theirs) = in_turn(db, (&fill("public", 10_000), 1), (&fill("before", 10_000), 1));
    Pair { what: "10,000 patients inserted through the trigger", target: 5.0, ours, theirs }
}

fn update(db: &Database<'_>) -> Pair {
    let mut times = (Vec::new(), Vec::new());
    let mut session = db.superuser();
    for round in 0..ROUNDS {
        vacuum(db, &["public.patients", "before.patients"]);
        let update =
            |schema: &str| format!("UPDATE {schema}.patients SET created_at = created_at + interval '{round} s'");
        times.0.push(time(&mut session, &update("public")) / 10_000);
        times.1.push(time(&mut session, &update("before")) / 10_000);
    }
    Pair {
        what: "a column that is no PHI updated in 10,000 patients, per row",
        target: 20.0,
        ours: fastest(times.0),
        theirs: fastest(times.1),
    }
}
