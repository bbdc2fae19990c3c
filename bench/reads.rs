//! Reads under row-level security, as the API sends them, at a million rows.

use std::time::Duration;

use crate::report::Report;
use crate::rounds::{ROUNDS, Sides, time};

/// 500 dentists with 2,000 patients each.
pub fn run(sides: &Sides<'_>, report: &mut Report) {
    crate::credits::users(sides);
    let mut session = sides.native.superuser();
    for statement in [
        "SET session_replication_role = replica",
        "TRUNCATE public.patients CASCADE",
        "INSERT INTO public.patients (user_id, name, phone, created_at)
         SELECT ('00000000-0000-4000-8000-' || lpad((n % 500 + 1)::text, 12, '0'))::uuid,
                'Maria ' || md5(n::text), '(11) 9' || n, now() - n * interval '1 minute'
           FROM generate_series(1, 1000000) AS n",
        "RESET session_replication_role",
        "VACUUM ANALYZE public.patients",
    ] {
        session.run(statement);
    }
    let mut client = sides
        .native
        .authenticated("00000000-0000-4000-8000-000000000007".parse().unwrap());
    for (name, query) in [
        (
            "newest 20 patients at 1 million (RLS)",
            "SELECT * FROM public.patients ORDER BY created_at DESC LIMIT 20",
        ),
        (
            "20 patients by name at 1 million (RLS)",
            "SELECT * FROM public.patients ORDER BY name LIMIT 20",
        ),
        (
            "search of a name at 1 million (RLS)",
            "SELECT * FROM public.patients WHERE name ILIKE '%a1b2%' ORDER BY name LIMIT 20",
        ),
    ] {
        let fastest = (0..=ROUNDS)
            .map(|_| time(&mut client, query))
            .min()
            .unwrap_or(Duration::MAX);
        report.limit(name, fastest, Duration::from_millis(1));
    }
    session.run("TRUNCATE public.patients CASCADE");
}
