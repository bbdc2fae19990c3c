//! What a DBA runs, at a million rows: how long it takes, and which locks others wait for meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::Database;

use crate::report::Report;
use crate::rounds::Sides;

/// How often the locks are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Installation, adoption, backfill, doctor, sealing, unsealing, dump and restore.
pub fn run(sides: &Sides<'_>, report: &mut Report) {
    let cluster = sides.native.cluster();
    let db = cluster.empty_database();
    let installation = "CREATE EXTENSION auria CASCADE";
    measure(&db, report, "installation, empty database", installation);
    fill(&db);
    measure(&db, report, "adoption, 1 million patients and evaluations", "CREATE EXTENSION auria");
    db.superuser().run("VACUUM ANALYZE");
    measure(&db, report, "phi_backfill, 1 million patients with 5 values", "CALL auria.phi_backfill()");
    db.superuser().run("VACUUM ANALYZE");
    measure(&db, report, "doctor", "SELECT * FROM auria.doctor()");
    measure(&db, report, "phi_seal", "CALL auria.phi_seal()");
    db.superuser().run("VACUUM ANALYZE");
    measure(&db, report, "doctor, sealed", "SELECT * FROM auria.doctor()");
    let file = cluster.private_directory("dump").join("auria.dump");
    let file = file.display().to_string();
    let start = Instant::now();
    cluster.client_succeeds("pg_dump", &["-Fc", "-Z1", "-f", &file, db.name()]);
    report.operation("pg_dump -Fc, sealed", start.elapsed(), "ACCESS SHARE only");
    let restored = format!("{}_restored", db.name());
    cluster.client_succeeds("createdb", &[&restored]);
    let start = Instant::now();
    cluster.client_succeeds("pg_restore", &["-j", "2", "-d", &restored, &file]);
    report.operation("pg_restore -j 2, sealed", start.elapsed(), "a new database");
    cluster.client_succeeds("dropdb", &[&restored]);
    measure(&db, report, "phi_unseal", "CALL auria.phi_unseal()");
}

/// Runs a statement and notes which locks it holds that stop others, for how long.
fn measure(db: &Database<'_>, report: &mut Report, name: &str, statement: &str) {
    let mut session = db.superuser();
    let pid = session.backend_pid();
    let done = AtomicBool::new(false);
    let (took, locks) = thread::scope(|scope| {
        let looking = scope.spawn(|| look(db, pid, &done));
        let start = Instant::now();
        session.run(statement);
        let took = start.elapsed();
        done.store(true, Ordering::Relaxed);
        (took, looking.join().unwrap())
    });
    report.operation(name, took, &locks);
}

/// For each mode that stops readers or writers: how many tables that were there before, and the longest time.
fn look(db: &Database<'_>, pid: u32, done: &AtomicBool) -> String {
    let mut session = db.superuser();
    // Since when each is held, when it was seen last, and the longest time so far.
    let mut held: BTreeMap<(String, String), (Instant, Instant, Duration)> = BTreeMap::new();
    let mut before = Instant::now();
    while !done.load(Ordering::Relaxed) {
        let now = Instant::now();
        // What the statement has made itself is not in the catalogue that this sees.
        let rows = session
            .query(
                "SELECT c.relname::text, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                   JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE l.pid = $1 AND l.granted AND l.locktype = 'relation' AND c.relkind IN ('r', 'p') AND n.nspname IN ('public', 'auria_raw', 'auth', 'storage')
                    AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')",
                &[&pid.cast_signed()],
            )
            .unwrap();
        for row in rows {
            let (since, seen, longest) = held.entry((row.get(1), row.get(0))).or_insert((now, now, Duration::ZERO));
            if *seen < before {
                // It was let go meanwhile.
                *since = now;
            }
            *seen = now;
            *longest = (*longest).max(now - *since);
        }
        before = now;
        thread::sleep(LOOK);
    }
    let mut modes: BTreeMap<&str, (Vec<&str>, Duration)> = BTreeMap::new();
    for ((mode, table), (_, _, time)) in &held {
        let (tables, longest) = modes.entry(mode).or_default();
        tables.push(table);
        *longest = (*longest).max(*time);
    }
    let list: Vec<String> = modes
        .iter()
        .map(|(mode, (tables, longest))| {
            let which = match tables.len() {
                ..=3 => tables.join(", "),
                many => format!("{many} tables"),
            };
            format!("{} on {which}: {:.1} s", mode.trim_end_matches("Lock"), longest.as_secs_f64())
        })
        .collect();
    if list.is_empty() {
        return "none that stops a reader or writer".into();
    }
    list.join("; ")
}

/// A million patients and evaluations in the clear, as AURIA's tables are before the extension takes them over: without what
/// it adds.
fn fill(db: &Database<'_>) {
    let mut session = db.superuser();
    for statement in [
        "SET session_replication_role = replica",
        "INSERT INTO auth.users (id, email) SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'd' || n || '@clinic.test'
           FROM generate_series(1, 500) AS n",
        "DROP INDEX public.idx_patients_name_trgm",
        "INSERT INTO public.patients (id, user_id, name, phone, email, birth_date, notes, created_at)
         SELECT ('00000001-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
                ('00000000-0000-4000-8000-' || lpad((n % 500 + 1)::text, 12, '0'))::uuid, 'Maria ' || md5(n::text), '(11) 9' || n,
                'maria' || n || '@x.test', DATE '1950-01-01' + n % 20000, 'Alergia a látex ' || n, now() - n * interval '1 minute'
           FROM generate_series(1, 1000000) AS n",
        "INSERT INTO public.evaluations (user_id, patient_id, patient_age, tooth, region, cavity_class, restoration_size,
                substrate, aesthetic_level, tooth_color, longevity_expectation, budget, status, created_at)
         SELECT user_id, id, 34, '11', 'anterior-superior', 'Classe IV', 'Média', 'Esmalte e Dentina', 'alto', 'A2', 'longo',
                'premium', 'completed', created_at FROM public.patients",
        "RESET session_replication_role",
        "DROP EXTENSION auria CASCADE",
        // What an adoption adds to the original's tables, among others.
        "CREATE INDEX idx_patients_name_trgm ON public.patients USING gin (name gin_trgm_ops)",
        "DROP INDEX public.idx_patients_created_at, public.idx_evaluations_dashboard",
        "ALTER TABLE public.patients DROP CONSTRAINT patients_user_id_fkey",
        "ALTER TABLE public.evaluations DROP CONSTRAINT evaluations_patient_id_fkey,
             DROP CONSTRAINT evaluations_status_not_unknown",
        "DELETE FROM auria.migrations",
        "VACUUM ANALYZE",
    ] {
        session.run(statement);
    }
}
