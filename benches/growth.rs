//! What a call costs as the ledger grows, and as one user's month does: it should not.

use std::time::Duration;

use crate::credits::{USERS, users};
use crate::report::Report;
use crate::rounds::{Sides, time};

const CALLS: [(&str, &str); 3] = [
    ("use_credits", "SELECT count(public.use_credits(id, operation)) FROM bench.some"),
    ("refund_credits", "SELECT count(public.refund_credits(id, operation)) FROM bench.some"),
    ("can_use_credits", "SELECT count(public.can_use_credits(id, operation)) FROM bench.some"),
];

/// Those who charge.
const SOME: &str = "DROP TABLE IF EXISTS bench.some;
    CREATE TABLE bench.some AS SELECT * FROM bench.users ORDER BY md5(id::text) LIMIT 1000";

/// Each call at 10 thousand, 100 thousand and 1 million rows of the ledger; and for one user with 100 and 10,000 uses.
pub fn run(sides: &Sides<'_>, report: &mut Report) {
    users(sides);
    let mut session = sides.native.superuser();
    session.run(SOME);
    let mut rows = 0;
    for size in [10_000, 100_000, 1_000_000] {
        fill(&mut session, &format!("n % {USERS} + 1"), size - rows);
        rows = size;
        report.size(&format!("{size} rows in the ledger"), costs(&mut session));
    }
    session.run("DROP TABLE bench.some; CREATE TABLE bench.some AS SELECT id, operation FROM bench.users, generate_series(1, 500) WHERE id = '00000000-0000-4000-8000-000000000001'");
    for uses in [100, 10_000] {
        session.run("TRUNCATE public.credit_usage");
        fill(&mut session, "1", uses);
        report.size(&format!("{uses} uses of one user this month"), costs(&mut session));
    }
    session.run("TRUNCATE public.credit_usage");
}

/// The same at 10 million rows of 100,000 subscriptions, beside 10 thousand rows of 5,000; some minutes.
pub fn run_large(sides: &Sides<'_>, report: &mut Report) {
    const MANY: u32 = 100_000;
    const ROWS: [i64; 2] = [10_000, 10_000_000];
    users(sides);
    let mut session = sides.native.superuser();
    session.run(SOME);
    fill(&mut session, &format!("n % {USERS} + 1"), ROWS[0]);
    report.size(&format!("{} rows, {USERS} subscriptions", ROWS[0]), costs(&mut session));
    session.run(&format!(
        "INSERT INTO auth.users (id, email)
         SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'dentist' || n || '@clinic.test'
           FROM generate_series({USERS} + 1, {MANY}) AS n;
         INSERT INTO public.subscriptions (user_id, plan_id, status)
         SELECT id, 'price_elite_monthly', 'active' FROM auth.users ON CONFLICT DO NOTHING"
    ));
    fill(&mut session, &format!("n % {MANY} + 1"), ROWS[1] - ROWS[0]);
    session.run("CHECKPOINT");
    report.size(&format!("{} rows, {MANY} subscriptions", ROWS[1]), costs(&mut session));
    session.run("TRUNCATE public.credit_usage");
}

/// Uses as they were charged, without the foreign keys, which take most of the time.
fn fill(session: &mut auria_tests::Session, user: &str, rows: i64) {
    session.run("SET session_replication_role = replica");
    session.run(&format!(
        "INSERT INTO public.credit_usage (user_id, subscription_id, operation, credits_used, created_at)
         SELECT s.user_id, s.id, 'case_analysis', 1, clock_timestamp()
           FROM generate_series(1, {rows}) AS n
           JOIN public.subscriptions s
             ON s.user_id = ('00000000-0000-4000-8000-' || lpad(({user})::text, 12, '0'))::uuid"
    ));
    session.run("RESET session_replication_role");
    session.run("VACUUM ANALYZE public.credit_usage, public.subscriptions");
}

fn costs(session: &mut auria_tests::Session) -> Vec<(&'static str, Duration)> {
    let calls: i64 = session.value("SELECT count(*) FROM bench.some");
    let calls = u32::try_from(calls).unwrap();
    let mut fastest = [Duration::MAX; CALLS.len()];
    for _ in 0..7 {
        for ((_, call), fastest) in CALLS.iter().zip(&mut fastest) {
            *fastest = (*fastest).min(time(session, call) / calls);
        }
    }
    CALLS.iter().map(|(name, _)| *name).zip(fastest).collect()
}
