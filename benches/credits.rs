//! The credit functions, the rate limiter and the triggers.

use crate::report::Report;
use crate::rounds::Sides;

/// Subscribed users, as many as the figures of 0.2.0 were measured with.
pub const USERS: u32 = 5000;

const IDS: &str = "('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid";

/// Users with credits for any number of charges, known to this bench as bench.users.
pub fn users(sides: &Sides<'_>) {
    sides.both(&[
        "CREATE SCHEMA IF NOT EXISTS bench",
        "TRUNCATE public.credit_usage",
        "DELETE FROM auth.users",
        &format!(
            "INSERT INTO auth.users (id, email) SELECT {IDS}, 'dentist' || i || '@clinic.test' FROM generate_series(1, {USERS}) i"
        ),
        "INSERT INTO public.subscriptions (user_id, plan_id, status, credits_bonus)
         SELECT id, 'price_elite_monthly', 'active', 1000000 FROM auth.users",
        "DROP TABLE IF EXISTS bench.users",
        "CREATE TABLE bench.users AS SELECT id, 'case_analysis'::text AS operation FROM auth.users ORDER BY id",
        "VACUUM ANALYZE",
    ]);
}

/// Rows that a round leaves dead, and what it has charged, are gone before the next.
const AFRESH: &[&str] =
    &["TRUNCATE public.credit_usage", "TRUNCATE public.credit_events", "VACUUM public.subscriptions"];

fn and<'a>(first: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    first.iter().chain(more).copied().collect()
}

/// The lines of the table.
pub fn run(sides: &Sides<'_>, report: &mut Report) {
    users(sides);
    let all = USERS;
    let mut line = |name: &str, goal, before: &[&str], statement: &str, units| {
        let (native, twin) = sides.measure(before, statement, units);
        report.ratio(name, native, twin, goal);
    };
    line(
        "get_credit_cost",
        5.0,
        &[],
        "SELECT sum(public.get_credit_cost(operation)) FROM bench.users, generate_series(1, 10)",
        all * 10,
    );
    line(
        "can_use_credits",
        4.0,
        &[],
        "SELECT count(*) FILTER (WHERE public.can_use_credits(id, operation)) FROM bench.users, generate_series(1, 4)",
        all * 4,
    );
    line("use_credits", 2.0, AFRESH, "SELECT count(public.use_credits(id, operation)) FROM bench.users", all);
    line(
        "use_credits with reference",
        2.0,
        AFRESH,
        "SELECT count(public.use_credits(id, operation, gen_random_uuid())) FROM bench.users",
        all,
    );
    let charge = "SELECT count(public.use_credits(id, operation)) FROM bench.users";
    let refund = "SELECT count(public.refund_credits(id, operation)) FROM bench.users";
    line(
        "refund_credits, 1 use",
        2.0,
        &and(AFRESH, &[charge, "VACUUM public.subscriptions, public.credit_usage"]),
        refund,
        all,
    );
    let hundred = "SELECT count(public.use_credits(id, operation)) FROM bench.users, generate_series(1, 100) WHERE id < '00000000-0000-4000-8000-000000000501'";
    line(
        "refund_credits, 100 uses in the month",
        5.0,
        &and(AFRESH, &[hundred, "VACUUM ANALYZE public.subscriptions, public.credit_usage"]),
        "SELECT count(public.refund_credits(id, operation)) FROM bench.users WHERE id < '00000000-0000-4000-8000-000000000501'",
        500,
    );
    line(
        "check_and_increment_rate_limit",
        1.5,
        &["VACUUM public.rate_limits"],
        "SELECT count(*) FROM bench.users u, LATERAL public.check_and_increment_rate_limit(u.id, 'analyze', \
         date_trunc('minute', now()), date_trunc('hour', now()), date_trunc('day', now()))",
        all,
    );
    sides.both(&[
        "CREATE TABLE IF NOT EXISTS bench.touched (id int PRIMARY KEY, n int, updated_at timestamptz)",
        "DROP TRIGGER IF EXISTS touch ON bench.touched",
        "CREATE TRIGGER touch BEFORE UPDATE ON bench.touched FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column()",
    ]);
    line(
        "updated_at trigger, a row",
        1.5,
        &["TRUNCATE bench.touched", "INSERT INTO bench.touched SELECT i, 0, now() FROM generate_series(1, 20000) i"],
        "UPDATE bench.touched SET n = n + 1",
        20_000,
    );
    line(
        "sign-up, a row",
        1.2,
        &[
            "DELETE FROM auth.users WHERE email LIKE 'new%'",
            "VACUUM auth.users, public.profiles",
        ],
        "INSERT INTO auth.users (id, email, raw_user_meta_data)
         SELECT gen_random_uuid(), 'new' || i, '{\"full_name\": \"Ana Souza\", \"cro\": \"SP-1\"}' FROM generate_series(1, 5000) i",
        5000,
    );
    sides.both(&["DELETE FROM auth.users WHERE email LIKE 'new%'"]);
    line(
        "reset, a subscription",
        2.0,
        &[
            "SET session_replication_role = replica",
            "UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days', credits_used_this_month = 7,
                    month_ends_at = now() - interval '1 day'",
            "RESET session_replication_role",
            "TRUNCATE public.credit_events",
            "VACUUM public.subscriptions",
        ],
        "SELECT public.reset_monthly_usage_with_rollover()",
        all,
    );
}

/// Charges over connections: prepared statements, as PostgREST's pool sends them.
pub fn run_pgbench(sides: &Sides<'_>, report: &mut Report) {
    users(sides);
    let cluster = sides.native.cluster();
    let script = cluster.secret_file(
        "charge.sql",
        &format!(
            "\\set i random(1, {USERS})\nSELECT public.use_credits(('00000000-0000-4000-8000-' || lpad((:i)::text, 12, '0'))::uuid, 'case_analysis');"
        ),
    );
    for clients in [1, 4, 16] {
        let mut best = [0.0_f64; 2];
        for _ in 0..3 {
            for (side, best) in [sides.native, sides.twin].into_iter().zip(&mut best) {
                side.superuser().run("TRUNCATE public.credit_usage");
                side.superuser().run("VACUUM public.subscriptions");
                let command = format!(
                    "pgbench -n -M prepared -c {clients} -j {} -T 3 -f {} {}",
                    clients.min(2),
                    script.display(),
                    side.name()
                );
                let output = cluster.shell(&command, &[]);
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
                let Some(rate) = rate else {
                    panic!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr));
                };
                *best = best.max(rate);
            }
        }
        report.rate(&format!("pgbench use_credits, {clients} clients"), best[0], best[1], 1.5);
    }
}
