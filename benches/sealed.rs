//! The sealed layout at a million patients, beside views over PL/pgSQL and pgcrypto as AURIA had them.
//!
//! The twin has the patients of one dentist only, as it would need ten minutes to encrypt a million: its index is
//! smaller, and each query reads as many rows of it.

use std::time::{Duration, Instant};

use auria_tests::{Database, Session};

use crate::phi;
use crate::reads::{DENTIST, NEWEST, SEARCH, THOUSAND, as_json, fastest, reader};
use crate::report::Report;
use crate::rounds::time;

/// A dentist's patients.
const PATIENTS: u32 = 2000;
const INSERTS: u32 = 200;

/// Seals the database and measures it.
pub fn run(db: &Database<'_>, report: &mut Report) {
    twin(db);
    let open_insert = insert(&mut reader(db), "public.patients");
    let start = Instant::now();
    db.superuser().run("CALL auria.phi_seal()");
    println!("sealed in {:.0} s", start.elapsed().as_secs_f64());
    db.superuser().run("VACUUM ANALYZE auria_raw.patients_raw");
    write_by_many(db);
    let mut warm = reader(db);
    for (name, query, limit, twins) in [
        ("newest 20 patients", NEWEST, 2, 5),
        ("search of a name", SEARCH, 4, 2),
        ("1,000 patients with five columns", THOUSAND, 8, 2),
    ] {
        let limit = Duration::from_millis(limit);
        let sealed = fastest(&mut warm, query);
        let first = fresh(db, query);
        report.limit(&format!("sealed: {name}, warm connection"), sealed, limit);
        report.limit(&format!("sealed: {name}, fresh connection"), first, limit);
        report.ratio(&format!("sealed: {name}, fresh against warm connection"), first, sealed, 1.0 / 1.3);
        let of_twin = as_json(&query.replace("public.patients", "before.patients"));
        let mut session = reader(db);
        let twin = (0..=twins).map(|_| time(&mut session, &of_twin)).min().unwrap_or(Duration::MAX);
        report.ratio(&format!("sealed: {name}, against views of pgcrypto"), sealed, twin, 50.0);
    }
    let sealed = insert(&mut warm, "public.patients");
    report.ratio("sealed: a patient inserted, against the open layout", sealed, open_insert, 1.0 / 1.2);
    let twin = insert(&mut reader(db), "before.patients");
    report.ratio("sealed: a patient inserted, against views of pgcrypto", sealed, twin, 50.0);
}

/// The first reading of a connection. It has planned the query before, as every new connection has to, and derived no key.
fn fresh(db: &Database<'_>, query: &str) -> Duration {
    let query = as_json(query);
    (0..7)
        .map(|_| {
            let mut session = reader(db);
            session.run(&format!("EXPLAIN {query}"));
            time(&mut session, &query)
        })
        .min()
        .unwrap_or(Duration::MAX)
}

/// The time of one of several rows, each a statement whose plan is kept.
fn insert(session: &mut Session, table: &str) -> Duration {
    let statement = format!(
        "DO $$ BEGIN FOR n IN 1..{INSERTS} LOOP
             INSERT INTO {table} (user_id, name, phone, email, birth_date, notes)
             VALUES ('{DENTIST}', 'Nova ' || gen_random_uuid(), '(11) 9' || n, 'nova' || n || '@x.test', '1980-02-01', 'Retorno');
         END LOOP; END $$"
    );
    (0..6).map(|_| time(session, &format!("BEGIN; {statement}; ROLLBACK"))).min().unwrap_or(Duration::MAX) / INSERTS
}

/// Replaces the dentist's patients, who lie between everybody's, by as many that were written over a connection each: all
/// have the dentist's salt.
fn write_by_many(db: &Database<'_>) {
    let mut session = db.superuser();
    session.run(&format!("DELETE FROM auria_raw.patients_raw WHERE user_id = '{DENTIST}'"));
    session.run("VACUUM ANALYZE auria_raw.patients_raw");
    let script = db.cluster().secret_file(
        "new_patient.sql",
        &format!(
            "INSERT INTO public.patients (user_id, name, phone, email, birth_date, notes)
             SELECT '{DENTIST}', 'Maria ' || md5(random()::text), '(11) 9' || n, 'maria' || n || '@x.test',
                    DATE '1950-01-01' + n, 'Alergia a látex ' || n FROM (SELECT (random() * 20000)::int AS n) AS random_row;"
        ),
    );
    let command = format!("pgbench -n -C -c 2 -j 2 -t {} -f {} {}", PATIENTS / 2, script.display(), db.name());
    let output = db.cluster().shell(&command, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let salts: i64 = session.value(&format!(
        "SELECT count(DISTINCT substr(name_encrypted, 7, 8)) FROM auria_raw.patients_raw WHERE user_id = '{DENTIST}'"
    ));
    assert_eq!(salts, 1);
    session.run("VACUUM ANALYZE auria_raw.patients_raw");
    session.run("CHECKPOINT");
}

/// The peer in a schema of its own: tables without plain columns, a view that decrypts, an INSTEAD OF trigger.
fn twin(db: &Database<'_>) {
    db.superuser().run(phi::TWIN);
    db.superuser().run(&format!(
        "CREATE TABLE before.patients_raw (
             id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
             user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
             created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
             name_encrypted bytea, phone_encrypted bytea, email_encrypted bytea, birth_date_encrypted bytea,
             notes_encrypted bytea);
         CREATE INDEX ON before.patients_raw (user_id, created_at DESC);
         ALTER TABLE before.patients_raw ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON before.patients_raw TO authenticated
             USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()));
         CREATE VIEW before.patients WITH (security_invoker = true) AS
         SELECT id, user_id, before.phi_decrypt(name_encrypted) AS name, before.phi_decrypt(phone_encrypted) AS phone,
                before.phi_decrypt(email_encrypted) AS email, before.phi_decrypt(notes_encrypted) AS notes,
                before.phi_decrypt(birth_date_encrypted)::date AS birth_date, created_at, updated_at
           FROM before.patients_raw;
         CREATE FUNCTION before.patients_view_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
             INSERT INTO before.patients_raw (id, user_id, name_encrypted, phone_encrypted, email_encrypted, notes_encrypted,
                                              birth_date_encrypted)
             VALUES (coalesce(NEW.id, gen_random_uuid()), NEW.user_id, before.phi_encrypt(NEW.name),
                     before.phi_encrypt(NEW.phone), before.phi_encrypt(NEW.email), before.phi_encrypt(NEW.notes),
                     before.phi_encrypt(NEW.birth_date::text))
             RETURNING id, created_at, updated_at INTO NEW.id, NEW.created_at, NEW.updated_at;
             RETURN NEW;
         END $$;
         CREATE TRIGGER patients_insert_trigger INSTEAD OF INSERT ON before.patients
             FOR EACH ROW EXECUTE FUNCTION before.patients_view_insert();
         GRANT USAGE ON SCHEMA before TO authenticated;
         GRANT SELECT, INSERT ON before.patients, before.patients_raw TO authenticated;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA before TO authenticated;

         INSERT INTO before.patients (user_id, name, phone, email, birth_date, notes)
         SELECT '{DENTIST}', 'Maria ' || md5(n::text), '(11) 9' || n, 'maria' || n || '@x.test', DATE '1950-01-01' + n,
                'Alergia a látex ' || n FROM generate_series(1, {PATIENTS}) AS n"
    ));
    db.superuser().run("VACUUM ANALYZE before.patients_raw");
}
