//! Many sessions at once on one user: what each of them was answered is explained by the order of the ledger.

use std::thread;

use auria_tests::{As, Database};
use uuid::Uuid;

use crate::credits::functions::ledger_disagreements;

/// A statement of one session: its answer, and where the ledger stood before and after it.
struct Call {
    statement: String,
    cost: i32,
    answer: Option<bool>,
    before: i64,
    after: i64,
}

const SESSIONS: u64 = 8;
const STATEMENTS: u64 = 60;

struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn statement(draw: &mut Draw, user: Uuid) -> (String, i32) {
    let (operation, cost) = [("case_analysis", 1), ("dsd_simulation", 2)][draw.below(2) as usize];
    let number = draw.below(6) + 1;
    let plan = ["starter", "price_essencial_monthly", "price_pro_monthly_v2"][draw.below(3) as usize];
    let of = format!("WHERE user_id = '{user}'");
    match draw.below(20) {
        0..9 => (format!("SELECT public.use_credits('{user}', '{operation}')"), cost),
        9..12 => (format!("SELECT public.refund_credits('{user}', '{operation}')"), 0),
        12 | 13 => {
            (format!("SELECT public.add_bonus_credits('{user}', {number}, 'cs_{}') IS NOT NULL", draw.below(30)), 0)
        }
        14 => (format!("SELECT public.revoke_bonus_credits('{user}', {number}, 'cs_{}') >= 0", draw.below(30)), 0),
        15 => (format!("UPDATE public.subscriptions SET plan_id = '{plan}' {of}"), 0),
        16 => (format!("UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days' {of}"), 0),
        17 => (format!("UPDATE public.subscriptions SET credits_bonus = credits_bonus + 1 {of}"), 0),
        18 => (format!("DELETE FROM public.subscriptions {of}"), 0),
        _ => (
            format!(
                "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{user}', '{plan}', 'active')
                     ON CONFLICT (user_id) DO UPDATE SET plan_id = excluded.plan_id"
            ),
            0,
        ),
    }
}

fn run(db: &Database<'_>, user: Uuid, seed: u64) -> Vec<Call> {
    let mut session = db.session(As::Superuser);
    let mut draw = Draw(seed);
    // What is committed: a number may be drawn long before.
    let ledger =
        "SELECT greatest((SELECT max(entry) FROM public.credit_usage), (SELECT max(entry) FROM public.credit_events))";
    (0..STATEMENTS)
        .map(|_| {
            let (statement, cost) = statement(&mut draw, user);
            let before = session.value(ledger);
            let answer = session.simple_query(&statement).unwrap().iter().find_map(|message| match message {
                postgres::SimpleQueryMessage::Row(row) => Some(row.get(0) == Some("t")),
                _ => None,
            });
            Call { statement, cost, answer, before, after: session.value(ledger) }
        })
        .collect()
}

fn what_eight_sessions_were_answered_is_explained_by_the_order_of_the_ledger(db: &Database<'_>) {
    for seed in 0..4 {
        let user = db.sign_up_on_plan(&format!("{seed}@clinica.test"), "starter");
        let calls: Vec<Call> = thread::scope(|scope| {
            let sessions: Vec<_> =
                (0..SESSIONS).map(|number| scope.spawn(move || run(db, user, seed * 100 + number))).collect();
            sessions.into_iter().flat_map(|session| session.join().unwrap()).collect()
        });
        assert_eq!(ledger_disagreements(db), "");
        let mut admin = db.superuser();
        let lines: Vec<(i64, String, Option<i64>)> = admin
            .query("SELECT entry, what, available FROM auria.credit_statement($1, '-infinity', 'infinity')", &[&user])
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect();
        // Nobody spent what was not there.
        for (entry, what, available) in &lines {
            assert!(what != "charge" || *available >= Some(0), "seed {seed}: {what} {entry} left {available:?}");
        }
        // The last line is the row.
        let left: Option<i32> = admin
            .query_opt(
                "SELECT credits_per_month + credits_rollover + credits_bonus - credits_used_this_month
                   FROM public.subscriptions s JOIN public.subscription_plans p ON p.id = s.plan_id
                  WHERE user_id = $1",
                &[&user],
            )
            .unwrap()
            .map(|row| row.get(0));
        assert_eq!(lines.last().unwrap().2, Some(left.unwrap_or(0).into()), "seed {seed}");
        // Whoever was refused called while there was not enough.
        for call in calls.iter().filter(|call| call.cost > 0 && call.answer == Some(false)) {
            // A row that is deleted and inserted anew has no lock that orders both: each session may be one line late.
            let when_called = lines.iter().rev().filter(|line| line.0 <= call.before).take(SESSIONS as usize);
            let meanwhile = lines.iter().filter(|line| call.before < line.0 && line.0 <= call.after);
            let was_short = when_called.chain(meanwhile).any(|line| line.2.unwrap_or(0) < call.cost.into());
            assert!(was_short, "seed {seed}: {} at {}", call.statement, call.before);
        }
        // A reference counts once.
        let twice: i64 = admin.value(
            "SELECT count(*) FROM (SELECT FROM public.credit_events WHERE reference IS NOT NULL
                                    GROUP BY user_id, kind, reference HAVING count(*) > 1) AS twice",
        );
        assert_eq!(twice, 0);
    }
}

all_ways! {
    what_eight_sessions_were_answered_is_explained_by_the_order_of_the_ledger,
}
