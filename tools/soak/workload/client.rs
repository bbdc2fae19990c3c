//! One client: it calls, notes what it learns, and asks again when it does not know what a call has done.

use std::thread;
use std::time::{Duration, Instant};

use auria_tests::Session;
use serde_json::Value;
use uuid::Uuid;

use crate::door::{Answer, Door, Failure, Request, Who, of_postgres};
use crate::model::Practice;
use crate::model::books::{Account, Books, Row, Stored};
use crate::model::months::Billing;
use crate::model::records::tracked;
use crate::model::statement::{Event, Line, Month};
use crate::random::Random;
use crate::world::World;

/// The tables that are views in the sealed layout.
const SEALED: [&str; 3] = ["patients", "evaluations", "evaluation_drafts"];

/// The backfill changes a row once for each key: more refusals in a row are a violation.
const TIMES_SENT_AGAIN: u32 = 3;

/// What a client knows after a call.
#[derive(Debug)]
pub enum Outcome {
    Done(Value),
    /// Nothing was changed.
    Refused,
    /// It may have been done or not.
    Unknown,
}

pub struct Client<'a> {
    pub world: &'a World,
    pub random: Random,
    door: Door<'a>,
    admin: Option<Session>,
}

impl<'a> Client<'a> {
    pub fn new(world: &'a World, door: Door<'a>, random: Random) -> Self {
        Client { world, random, door, admin: None }
    }

    /// Calls. A failure that no fault explains is a violation.
    pub fn call(&mut self, who: Who, request: &Request<'_>) -> Outcome {
        self.call_expecting(who, request, "")
    }

    /// Calls what must be refused with this SQLSTATE.
    pub fn must_be_refused(&mut self, who: Who, request: &Request<'_>, code: &str) {
        if let Outcome::Done(answer) = self.call_expecting(who, request, code) {
            self.world
                .report
                .violation(format!("{request:?} by {who:?} was not refused with {code}, but answered {answer}"));
        }
    }

    fn call_expecting(&mut self, who: Who, request: &Request<'_>, expected: &str) -> Outcome {
        self.world.report.call(&request.name());
        let mut began = Instant::now();
        let mut answer = self.door.call(who, request);
        for _ in 0..TIMES_SENT_AGAIN {
            if !self.is_to_be_sent_again(request, &answer) {
                break;
            }
            self.world.report.refused("40001, sent again");
            began = Instant::now();
            answer = self.door.call(who, request);
        }
        self.outcome(answer, request, began, expected)
    }

    /// Whether a view of the sealed layout has refused a change because the backfill changed the row since the statement
    /// began. docs/phi.md has clients send it again.
    fn is_to_be_sent_again(&self, request: &Request<'_>, answer: &Answer) -> bool {
        let (Request::Update(table, ..) | Request::Delete(table, _)) = request else {
            return false;
        };
        self.world.is_sealed()
            && SEALED.contains(table)
            && matches!(answer, Err(Failure::Refused { code, .. }) if code == "40001")
    }

    /// Does it and rolls it back, where the way in can.
    pub fn roll_back(&mut self, who: Who, request: &Request<'_>) {
        let mut began = Instant::now();
        if let Some(mut answer) = self.door.rolled_back(who, request) {
            self.world.report.call("rolled back");
            for _ in 0..TIMES_SENT_AGAIN {
                if !self.is_to_be_sent_again(request, &answer) {
                    break;
                }
                self.world.report.refused("40001, sent again");
                began = Instant::now();
                answer = self.door.rolled_back(who, request).unwrap_or(answer);
            }
            self.outcome(answer, request, began, "");
        }
    }

    fn outcome(
        &mut self,
        answer: Result<Value, Failure>,
        request: &Request<'_>,
        began: Instant,
        expected: &str,
    ) -> Outcome {
        let world = self.world;
        let (code, message, outcome) = match answer {
            Ok(answer) => return Outcome::Done(answer),
            Err(Failure::Refused { code, message }) => {
                world.report.refused(&code);
                (code, message, Outcome::Refused)
            }
            Err(Failure::Unreachable(message)) => {
                world.report.refused("no connection");
                thread::sleep(Duration::from_millis(100));
                (String::new(), message, Outcome::Refused)
            }
            Err(Failure::Unknown(message)) => {
                world.report.lost();
                self.wait_until_decided();
                (String::new(), message, Outcome::Unknown)
            }
        };
        let is_expected = !expected.is_empty() && code == expected;
        if !is_expected && !world.weather.explains(&code, began) {
            world.report.violation(format!(
                "no fault explains this answer to {} after {} ms: {message}",
                request.name(),
                began.elapsed().as_millis()
            ));
        }
        outcome
    }

    /// Waits until what was begun is done or undone. A commit whose record is in the log, but which a crash kept from
    /// being shown, is seen only after recovery; what PostgREST had begun may go on in its backends.
    fn wait_until_decided(&mut self) {
        self.admin = None;
        while self.world.weather.is_crashing() {
            thread::sleep(Duration::from_millis(20));
        }
        self.world.postgrest.settle();
    }

    /// What the database says, asked until it answers.
    pub fn ask(&mut self, query: &str) -> Option<Value> {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let world = self.world;
            let admin = self.admin.get_or_insert_with(|| world.admin());
            match admin.query_opt(query, &[]) {
                Ok(row) => return row.and_then(|row| row.get(0)),
                Err(error) => {
                    self.admin = None;
                    assert!(Instant::now() < deadline, "{query}: {error:?}");
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    /// Changes what only the platform may change, such as auth.users.
    pub fn administer(&mut self, what: &str, statement: &str) -> Outcome {
        let world = self.world;
        let began = Instant::now();
        world.report.call(what);
        let admin = self.admin.get_or_insert_with(|| world.admin());
        let Err(error) = admin.batch_execute(statement) else {
            return Outcome::Done(Value::Null);
        };
        if admin.is_closed() {
            self.admin = None;
        }
        match of_postgres(&error) {
            Failure::Refused { code, message } => {
                world.report.refused(&code);
                if !world.weather.explains(&code, began) {
                    world.report.violation(format!("{what}: {message}"));
                }
                Outcome::Refused
            }
            Failure::Unreachable(message) | Failure::Unknown(message) => {
                world.report.lost();
                self.wait_until_decided();
                if !world.weather.explains("", began) {
                    world.report.violation(format!("{what}: {message}"));
                }
                Outcome::Unknown
            }
        }
    }

    /// A change of one user's books that `change` describes, with the answer it must give. When the outcome is not
    /// known, the stored books are either as before or as after; anything else is a violation.
    pub fn keep_books(
        &mut self,
        practice: &mut Practice,
        request: &Request<'_>,
        change: impl FnOnce(&mut Books) -> Value,
    ) -> Outcome {
        let mut after = practice.books.clone();
        let expected = change(&mut after);
        let outcome = self.call(Who::Service, request);
        match &outcome {
            Outcome::Done(answer) => {
                if !expected.is_null() && *answer != expected {
                    self.world.report.violation(format!(
                        "{request:?} answered {answer}, expected {expected}; books {:?}",
                        practice.books.account()
                    ));
                    practice.is_broken = true;
                }
                practice.books = after;
            }
            Outcome::Refused => {}
            Outcome::Unknown => {
                let before = practice.books.clone();
                self.settle_books(practice, request, [after, before]);
            }
        }
        outcome
    }

    /// The same for a statement of somebody who looks after the database.
    pub fn edit_books(
        &mut self,
        practice: &mut Practice,
        what: &str,
        statement: &str,
        change: impl FnOnce(&mut Books),
    ) -> Outcome {
        let mut after = practice.books.clone();
        change(&mut after);
        let outcome = self.administer(what, statement);
        match &outcome {
            Outcome::Done(_) => practice.books = after,
            Outcome::Refused => {}
            Outcome::Unknown => {
                let before = practice.books.clone();
                self.settle_books(practice, &what, [after, before]);
            }
        }
        outcome
    }

    /// Takes the one of these that the database has.
    pub fn settle_books(
        &mut self,
        practice: &mut Practice,
        request: &dyn std::fmt::Debug,
        candidates: impl IntoIterator<Item = Books>,
    ) {
        let stored = self.stored_books(practice.user);
        let mut differences = Vec::new();
        for candidate in candidates {
            if candidate.is(&stored) {
                practice.books = candidate;
                return;
            }
            differences.push(candidate.difference(&stored));
        }
        practice.is_broken = true;
        self.world.report.violation(format!(
            "after {request:?} with an unknown outcome the books of {} are neither as before nor as after: {}",
            practice.user,
            differences.join("; or ")
        ));
    }

    pub fn stored_books(&mut self, user: Uuid) -> Stored {
        let query = format!("SELECT {} ", books_expression(&format!("'{user}'")));
        stored_books(&self.ask(&query).unwrap_or_default())
    }

    /// A change of one row: `after` is the row that it leads to, `None` a row that is gone.
    pub fn keep_record(
        &mut self,
        practice: &mut Practice,
        who: Who,
        request: &Request<'_>,
        (table, key): (&'static str, &str),
        after: Option<Value>,
    ) -> Outcome {
        let tracked = tracked(table);
        let before = practice.records.get(table, key).cloned();
        let after = after.map(|given| tracked.row(before.as_ref(), &given));
        let outcome = self.call(who, request);
        match &outcome {
            Outcome::Done(answer) => {
                let shown = answer.get(0).map(|row| tracked.row(None, row));
                let expected = after.as_ref().or(before.as_ref());
                if shown.as_ref() != expected {
                    practice.is_broken = true;
                    self.world.report.violation(format!(
                        "{} of {table} {key} returned {shown:?}, expected {expected:?}",
                        request.name()
                    ));
                }
                practice.records.set(table, key, after);
            }
            Outcome::Refused => {}
            Outcome::Unknown => {
                let query =
                    format!("SELECT {} FROM public.{table} WHERE {} = '{key}'", tracked.expression(), tracked.key);
                let stored = self.ask(&query);
                if stored != before && stored != after {
                    practice.is_broken = true;
                    self.world.report.violation(format!(
                        "after a {} of {table} with an unknown outcome the row is {stored:?}, neither {before:?} nor {after:?}",
                        request.name()
                    ));
                }
                practice.records.set(table, key, stored);
            }
        }
        outcome
    }
}

/// Account, ledger and events of a user as one JSON value.
pub fn books_expression(user: &str) -> String {
    format!(
        "jsonb_build_array(
            (SELECT jsonb_build_array(plan_id, status, credits_used_this_month, credits_used_hidden, credits_rollover,
                                      credits_bonus, cases_used_this_month, dsd_used_this_month, settled_rollover,
                                      settled_bonus, stripe_subscription_id, floor(extract(epoch FROM billing_start))::bigint,
                                      extract(epoch FROM current_period_end)::bigint, cancel_at_period_end,
                                      floor(extract(epoch FROM usage_reset_at))::bigint)
               FROM public.subscriptions s WHERE s.user_id = {user}),
            (SELECT coalesce(jsonb_agg(jsonb_build_array(operation, credits_used, reference_id, is_free,
                                      counterpart = 0, from_rollover, from_bonus, from_hidden) ORDER BY entry), '[]')
               FROM public.credit_usage c WHERE c.user_id = {user}),
            (SELECT coalesce(jsonb_agg(jsonb_build_array(kind, reference, credits, used, hidden, rollover, bonus,
                                      settled_rollover, settled_bonus, extract(epoch FROM begins_at)::bigint, is_by_hand,
                                      granted, expired, carried_over, spent_monthly, spent_rollover, spent_bonus)
                                      ORDER BY entry), '[]')
               FROM public.credit_events e WHERE e.user_id = {user}))"
    )
}

/// Reads what [`books_expression`] gives.
pub fn stored_books(value: &Value) -> Stored {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let number = |value: &Value| value.as_i64().unwrap_or(i64::MIN);
    let account = value.get(0).filter(|row| row.is_array());
    Stored {
        account: account.map(|row| Account {
            plan: text(&row[0]),
            status: text(&row[1]).unwrap_or_default(),
            used: number(&row[2]),
            hidden: number(&row[3]),
            rollover: number(&row[4]),
            bonus: number(&row[5]),
            cases: number(&row[6]),
            dsd: number(&row[7]),
            settled_rollover: number(&row[8]),
            settled_bonus: number(&row[9]),
            stripe: text(&row[10]),
            billing: Billing { start: row[11].as_i64(), end: row[12].as_i64(), ends_there: row[13] == true },
            reset_at: number(&row[14]),
        }),
        ledger: value[1]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| Row {
                operation: text(&row[0]).unwrap_or_default(),
                credits: number(&row[1]),
                reference: row[2].as_str().and_then(|id| id.parse().ok()),
                free: row[3] == true,
                open: row[4] == true,
                from_rollover: number(&row[5]),
                from_bonus: number(&row[6]),
                from_hidden: number(&row[7]),
            })
            .collect(),
        events: value[2]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| Event {
                kind: text(&row[0]).unwrap_or_default(),
                reference: text(&row[1]),
                asked: row[2].as_i64(),
                after: [3, 4, 5, 6, 7, 8].map(|place: usize| number(&row[place])),
                month: row[9].as_i64().map(|begins_at| Month {
                    begins_at,
                    is_by_hand: row[10] == true,
                    granted: number(&row[11]),
                    expired: number(&row[12]),
                    carried_over: number(&row[13]),
                    spent: [14, 15, 16].map(|place: usize| number(&row[place])),
                }),
            })
            .collect(),
    }
}

/// The statement of a user from the beginning on.
pub fn stored_statement(session: &mut Session, user: Uuid) -> Vec<Line> {
    let query = "SELECT what, operation, reference, credits::bigint, used::bigint, rollover::bigint, bonus::bigint,
                        available::bigint
                   FROM auria.credit_statement($1, '-infinity', 'infinity') ORDER BY entry";
    session
        .query(query, &[&user])
        .unwrap()
        .iter()
        .map(|row| Line {
            what: row.get(0),
            operation: row.get(1),
            reference: row.get(2),
            credits: row.get(3),
            used: row.get::<_, Option<i64>>(4).unwrap_or(i64::MIN),
            rollover: row.get::<_, Option<i64>>(5).unwrap_or(i64::MIN),
            bonus: row.get::<_, Option<i64>>(6).unwrap_or(i64::MIN),
            available: row.get(7),
        })
        .collect()
}
