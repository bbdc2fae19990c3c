//! Reads under row-level security, as the API sends them, at a million rows; then the same in the sealed layout.

use std::time::Duration;

use auria_tests::{Database, Session};

use crate::report::Report;
use crate::rounds::{ROUNDS, Sides, time};

/// The dentist who reads: one of 500, with 2,000 patients each.
pub const DENTIST: &str = "00000000-0000-4000-8000-000000000007";

/// What a list shows first.
pub const NEWEST: &str = "SELECT * FROM public.patients ORDER BY created_at DESC LIMIT 20";
/// A name is typed into the search.
pub const SEARCH: &str = "SELECT id, name, birth_date FROM public.patients WHERE user_id = auth.uid() AND name ILIKE '%a1b%' ORDER BY name LIMIT 10";
/// A list that is exported.
pub const THOUSAND: &str = "SELECT id, name, phone, email, birth_date, notes FROM public.patients LIMIT 1000";

const TOKEN: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

/// Every line of the open layout, and after it those of the sealed one.
pub fn run(sides: &Sides<'_>, report: &mut Report) {
    let db = sides.native.cluster().database();
    fill(&mut db.superuser());
    let mut client = db.authenticated(DENTIST.parse().unwrap());
    let mut visitor = db.anon();
    let dashboard = format!("SELECT public.get_dashboard_metrics('{DENTIST}') AS metrics");
    let shared = format!("SELECT * FROM public.get_shared_evaluation('{TOKEN}')");
    let case = format!(
        "SELECT p.*, coalesce(e.e, '[]') AS evaluations FROM public.patients p
           LEFT JOIN LATERAL (SELECT json_agg(e) AS e FROM (
               SELECT e.*, row_to_json(r.*) AS resins FROM public.evaluations e
                 LEFT JOIN LATERAL (SELECT r.name, r.manufacturer FROM public.resins r
                                     WHERE r.id = e.recommended_resin_id) r ON true
                WHERE e.patient_id = p.id) e) e ON true
          WHERE p.id = '{}'",
        client.value::<String>("SELECT id::text FROM public.patients ORDER BY name LIMIT 1")
    );
    for (name, query, limit) in [
        ("newest 20 patients", NEWEST, 1),
        ("newest 20 evaluations", "SELECT * FROM public.evaluations ORDER BY created_at DESC LIMIT 20", 2),
        ("search of a name", SEARCH, 2),
        ("20 patients by name", "SELECT * FROM public.patients ORDER BY name LIMIT 20", 2),
        ("a case with its evaluations embedded", &case, 2),
        ("dashboard", &dashboard, 2),
        (
            "inventory with catalogue",
            "SELECT i.resin_id, row_to_json(c.*) AS resin_catalog FROM public.user_inventory i
               LEFT JOIN LATERAL (SELECT c.* FROM public.resin_catalog c WHERE c.id = i.resin_id) c ON true
              WHERE i.user_id = auth.uid() ORDER BY c.shade",
            2,
        ),
        (
            "usage history",
            "SELECT operation, credits_used, reference_id, created_at FROM public.credit_usage ORDER BY created_at DESC LIMIT 20",
            2,
        ),
        ("shared link", &shared, 2),
        ("1,000 patients with five columns", THOUSAND, 10),
    ] {
        let session = if name == "shared link" { &mut visitor } else { &mut client };
        report.limit(&format!("{name} at 1 million (RLS)"), fastest(session, query), Duration::from_millis(limit));
        report.plan(name, plan(session, query));
    }
    crate::sealed::run(&db, report);
}

/// As PostgREST wraps what it reads.
pub fn as_json(query: &str) -> String {
    format!(
        "WITH pgrst_source AS ({query}) \
         SELECT null::bigint AS total_result_set, count(t) AS page_total, coalesce(json_agg(t), '[]') AS body \
           FROM (SELECT * FROM pgrst_source) AS t"
    )
}

/// The fastest of several rounds after one that does not count.
pub fn fastest(session: &mut Session, query: &str) -> Duration {
    let query = as_json(query);
    time(session, &query);
    (0..ROUNDS * 3).map(|_| time(session, &query)).min().unwrap_or(Duration::MAX)
}

fn plan(session: &mut Session, query: &str) -> String {
    let lines = session.query(&format!("EXPLAIN (COSTS OFF) {query}"), &[]).unwrap();
    let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
    lines.join("\n")
}

/// A million patients of 500 dentists, one after the other in turn, each with a value in five columns and its ciphertext;
/// an evaluation and a use of credits for each; what is small is as it would be. No trigger and no foreign key is asked.
fn fill(session: &mut Session) {
    let id =
        |kind: u32, number: &str| format!("('{kind:08}-0000-4000-8000-' || lpad(({number})::text, 12, '0'))::uuid");
    let dentist = id(0, "n % 500 + 1");
    for statement in [
        "SET session_replication_role = replica".to_owned(),
        format!(
            "INSERT INTO auth.users (id, email) SELECT {}, 'dentist' || n || '@clinic.test' FROM generate_series(1, 500) AS n",
            id(0, "n")
        ),
        format!(
            "INSERT INTO public.profiles (user_id, clinic_name) SELECT {}, 'Clínica ' || n FROM generate_series(1, 500) AS n",
            id(0, "n")
        ),
        "DROP INDEX public.idx_patients_name_trgm".to_owned(),
        format!(
            "INSERT INTO public.patients (id, user_id, name, phone, email, birth_date, notes, created_at,
                    name_encrypted, phone_encrypted, email_encrypted, birth_date_encrypted, notes_encrypted)
             SELECT {}, {dentist}, name, phone, email, birth_date, notes, now() - n * interval '1 minute',
                    public.phi_encrypt(name), public.phi_encrypt(phone), public.phi_encrypt(email),
                    public.phi_encrypt(birth_date::text), public.phi_encrypt(notes)
               FROM generate_series(1, 1000000) AS n,
                    LATERAL (SELECT 'Maria ' || md5(n::text) AS name, '(11) 9' || n AS phone,
                                    'maria' || n || '@x.test' AS email, DATE '1950-01-01' + n % 20000 AS birth_date,
                                    'Alergia a látex ' || n AS notes) AS patient",
            id(1, "n")
        ),
        "CREATE INDEX idx_patients_name_trgm ON public.patients USING gin (name gin_trgm_ops)"
            .to_owned(),
        format!(
            "INSERT INTO public.evaluations (user_id, patient_id, patient_age, tooth, region, cavity_class, restoration_size,
                    substrate, aesthetic_level, tooth_color, longevity_expectation, budget, status, created_at, session_id,
                    recommended_resin_id)
             SELECT {dentist}, {}, 34, '11', 'anterior-superior', 'Classe IV', 'Média', 'Esmalte e Dentina', 'alto', 'A2',
                    'longo', 'premium', CASE n % 10 WHEN 0 THEN 'draft' ELSE 'completed' END, now() - n * interval '1 minute',
                    {}, (SELECT id FROM public.resins ORDER BY name LIMIT 1)
               FROM generate_series(1, 1000000) AS n",
            // Four of one patient, in one session.
            id(1, "n % 500 + n / 2000 * 500"),
            id(2, "n % 500 + n / 2000 * 500"),
        ),
        format!(
            "INSERT INTO public.credit_usage (user_id, operation, credits_used, created_at)
             SELECT {dentist}, 'case_analysis', 1, now() - n * interval '1 minute' FROM generate_series(1, 1000000) AS n"
        ),
        format!(
            "INSERT INTO public.user_inventory (user_id, resin_id)
             SELECT {}, c.id FROM generate_series(1, 500) AS n,
                    LATERAL (SELECT id FROM public.resin_catalog ORDER BY md5(id::text || n) LIMIT 40) AS c",
            id(0, "n")
        ),
        format!(
            "INSERT INTO public.shared_links (user_id, session_id, token)
             SELECT {dentist}, {}, CASE n WHEN 506 THEN '{TOKEN}' ELSE md5(n::text) || md5('x' || n) END
               FROM generate_series(1, 100000) AS n",
            id(2, "n % 500 + n / 2000 * 500")
        ),
        "RESET session_replication_role".to_owned(),
        "VACUUM ANALYZE".to_owned(),
        "CHECKPOINT".to_owned(),
    ] {
        session.run(&statement);
    }
}

/// Whose rows are read.
pub fn reader(db: &Database<'_>) -> Session {
    db.authenticated(DENTIST.parse().unwrap())
}
