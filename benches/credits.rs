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

/// A credit function as it is measured.
pub struct Call {
    pub name: &'static str,
    /// How many times faster than the twin it should be.
    pub goal: f64,
    /// The same where SQL writes the rows; none for what writes nothing.
    pub goal_by_sql: Option<f64>,
    before: &'static [&'static str],
    statement: &'static str,
    units: u32,
}

impl Call {
    /// Measures it, and adds the line; `place` is where, for a person to read.
    pub fn measure(&self, sides: &Sides<'_>, report: &mut Report, place: &str, goal: f64) {
        let (native, twin) = sides.measure(self.before, self.statement, self.units);
        report.ratio(&format!("{}{place}", self.name), native, twin, goal);
    }
}

pub const CALLS: [Call; 6] = [
    Call {
        name: "get_credit_cost",
        goal: 5.0,
        goal_by_sql: None,
        before: &[],
        statement: "SELECT sum(public.get_credit_cost(operation)) FROM bench.users, generate_series(1, 10)",
        units: USERS * 10,
    },
    Call {
        name: "can_use_credits",
        goal: 4.0,
        goal_by_sql: None,
        before: &[],
        statement: "SELECT count(*) FILTER (WHERE public.can_use_credits(id, operation)) FROM bench.users, generate_series(1, 4)",
        units: USERS * 4,
    },
    Call {
        name: "use_credits",
        goal: 2.0,
        goal_by_sql: Some(1.3),
        before: AFRESH,
        statement: "SELECT count(public.use_credits(id, operation)) FROM bench.users",
        units: USERS,
    },
    Call {
        name: "use_credits with reference",
        goal: 2.0,
        goal_by_sql: Some(1.3),
        before: AFRESH,
        statement: "SELECT count(public.use_credits(id, operation, gen_random_uuid())) FROM bench.users",
        units: USERS,
    },
    Call {
        name: "refund_credits, 1 use",
        goal: 2.0,
        goal_by_sql: Some(1.2),
        before: &[
            AFRESH[0],
            AFRESH[1],
            "SELECT count(public.use_credits(id, operation)) FROM bench.users",
            "VACUUM public.subscriptions, public.credit_usage",
        ],
        statement: "SELECT count(public.refund_credits(id, operation)) FROM bench.users",
        units: USERS,
    },
    Call {
        name: "refund_credits, 100 uses in the month",
        goal: 2.5,
        goal_by_sql: Some(1.2),
        before: &[
            AFRESH[0],
            AFRESH[1],
            "SELECT count(public.use_credits(id, operation)) FROM bench.users, generate_series(1, 100) WHERE id < '00000000-0000-4000-8000-000000000501'",
            "VACUUM ANALYZE public.subscriptions, public.credit_usage",
        ],
        statement: "SELECT count(public.refund_credits(id, operation)) FROM bench.users WHERE id < '00000000-0000-4000-8000-000000000501'",
        units: 500,
    },
];

/// The lines of the table.
pub fn run(sides: &Sides<'_>, report: &mut Report) {
    users(sides);
    for call in &CALLS {
        call.measure(sides, report, "", call.goal);
    }
    let all = USERS;
    let mut line = |name: &str, goal, before: &[&str], statement: &str, units| {
        let (native, twin) = sides.measure(before, statement, units);
        report.ratio(name, native, twin, goal);
    };
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
