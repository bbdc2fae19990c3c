//! docs/credits.md: its examples, run, give the tables that stand below them.

use std::collections::BTreeSet;

use auria_tests::{As, Database, Session, database};
use uuid::Uuid;

use crate::credits::functions::ledger_disagreements;
use crate::support::catalogue::column;

const PAGE: &str = include_str!("../../docs/credits.md");

const HEADER: &str = "| day | what | for | credits | used | rollover | bonus | available | because |";

/// A section of the page: statements, and the statement of the account that they lead to.
struct Example {
    title: &'static str,
    sql: &'static str,
    table: Vec<Vec<String>>,
}

/// The cells of a row of a table.
fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The rows of the table with this header, without it.
fn table(section: &str, header: &str) -> Option<Vec<Vec<String>>> {
    let (_, rows) = section.split_once(header)?;
    Some(rows.lines().skip(2).take_while(|line| line.starts_with('|')).map(cells).collect())
}

fn block(section: &'static str) -> Option<&'static str> {
    Some(section.split_once("```sql\n")?.1.split_once("```")?.0)
}

fn examples() -> Vec<Example> {
    PAGE.split("\n### ")
        .skip(1)
        .filter_map(|section| {
            let table = table(section, HEADER)?;
            let (title, _) = section.split_once('\n')?;
            Some(Example { title, sql: block(section)?, table })
        })
        .collect()
}

/// Moves all rows this number of days into the past.
fn days_later(db: &Database, days: i32) {
    db.superuser()
        .batch_execute(&format!(
            "SET session_replication_role = replica;
             UPDATE public.subscriptions SET
                    usage_reset_at = usage_reset_at - interval '{days} days',
                    month_ends_at = month_ends_at - interval '{days} days',
                    billing_start = billing_start - interval '{days} days',
                    current_period_start = current_period_start - interval '{days} days',
                    current_period_end = current_period_end - interval '{days} days',
                    created_at = created_at - interval '{days} days';
             UPDATE public.credit_usage SET created_at = created_at - interval '{days} days';
             UPDATE public.credit_events SET
                    created_at = created_at - interval '{days} days',
                    begins_at = begins_at - interval '{days} days'"
        ))
        .unwrap();
}

/// Runs statements as the backend sends them, a line `-- N days later` as time that passes.
fn run(db: &Database, user: Uuid, sql: &str) {
    // Days have 24 hours.
    let mut service = db.session(As::Service);
    service.run("SET TimeZone = 'UTC'");
    let mut statements = String::new();
    for line in sql.lines().chain(["-- 0 days later"]) {
        match line.strip_prefix("-- ").and_then(|line| line.strip_suffix(" later")) {
            Some(time) => {
                for statement in statements.split_inclusive(";\n") {
                    service.run(&statement.replace(":'dentist'", &format!("'{user}'")));
                }
                statements.clear();
                days_later(db, time.trim_end_matches(" days").trim_end_matches(" day").parse().unwrap());
            }
            None => {
                statements.push_str(line);
                statements.push('\n');
            }
        }
    }
}

/// A line of the statement as the page writes it, but for the reason.
struct Line {
    day: i32,
    what: String,
    times: i32,
    of: String,
    credits: i32,
    balance: [i32; 4],
}

impl Line {
    fn cells(&self) -> Vec<String> {
        let what = match self.times {
            1 => self.what.clone(),
            times => format!("{} × {times}", self.what),
        };
        let numbers = [self.credits].into_iter().chain(self.balance).map(|number| number.to_string());
        [self.day.to_string(), what, self.of.clone()].into_iter().chain(numbers).collect()
    }
}

/// The statement, equal charges that follow each other in one line.
fn statement(service: &mut Session, user: Uuid) -> Vec<Line> {
    let rows = service
        .query(
            "SELECT (extract(epoch FROM at - min(at) OVER ()) / 86400)::integer, what,
                    CASE WHEN operation IS NULL THEN coalesce(reference, '') ELSE operation END,
                    credits::integer, used, rollover, bonus, available::integer
               FROM auria.credit_statement($1, '-infinity', 'infinity')",
            &[&user],
        )
        .unwrap();
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let line = Line {
            day: row.get(0),
            what: row.get(1),
            times: 1,
            of: row.get(2),
            credits: row.get(3),
            balance: [4, 5, 6, 7].map(|column| row.get(column)),
        };
        match lines.last_mut() {
            Some(last)
                if line.what == "charge" && (last.day, &*last.what, &last.of) == (line.day, "charge", &line.of) =>
            {
                last.times += 1;
                last.credits += line.credits;
                last.balance = line.balance;
            }
            _ => lines.push(line),
        }
    }
    lines
}

#[test]
fn every_example_gives_the_statement_that_was_calculated_by_hand() {
    let examples = examples();
    assert!(examples.len() >= 9, "{}", examples.len());
    let db = database();
    for (number, Example { title, sql, table }) in examples.iter().enumerate() {
        let user = db.sign_up(&format!("{number}@clinica.test"));
        run(&db, user, sql);
        let lines = statement(&mut db.service(), user);
        let printed: Vec<_> = lines.iter().map(Line::cells).collect();
        let calculated: Vec<_> = table.iter().map(|row| row[..8].to_vec()).collect();
        assert_eq!(printed, calculated, "{title}");
        let row = db
            .superuser()
            .query_one(
                "SELECT credits_used_this_month, credits_rollover, credits_bonus,
                        credits_per_month + credits_rollover + credits_bonus - credits_used_this_month
                   FROM public.subscriptions s JOIN public.subscription_plans p ON p.id = s.plan_id
                  WHERE user_id = $1",
                &[&user],
            )
            .unwrap();
        let is_there = [0, 1, 2, 3].map(|column| row.get::<_, i32>(column));
        assert_eq!(lines.last().unwrap().balance, is_there, "{title}: the last line is the row");
        assert_eq!(ledger_disagreements(&db), "", "{title}");
    }
}

#[test]
fn each_line_of_the_tables_is_the_one_above_and_its_credits() {
    for Example { title, table, .. } in examples() {
        let number = |row: &[String], column: usize| row[column].parse::<i32>().unwrap();
        for pair in table.windows(2) {
            let [above, line] = pair else { unreachable!() };
            let is_counted = !(line[1] == "refund" && line[8].contains("remembered"));
            let credits = if is_counted { number(line, 3) } else { 0 };
            assert_eq!(number(above, 7) + credits, number(line, 7), "{title}: {line:?}");
        }
    }
}

#[test]
fn every_kind_of_line_is_explained_and_occurs_in_an_example() {
    let db = database();
    let mut kinds = BTreeSet::from_iter(column(
        &mut db.superuser(),
        "SELECT kind[1] FROM pg_constraint, regexp_matches(pg_get_constraintdef(oid), '''(\\w+)''', 'g') AS kind
          WHERE conname = 'credit_events_kind_not_unknown'",
    ));
    kinds.extend(["charge".to_owned(), "refund".to_owned()]);
    let explained = table(PAGE, "| what | happened |").unwrap();
    let explained = BTreeSet::from_iter(explained.iter().map(|row| row[0].trim_matches('`').to_owned()));
    assert_eq!(explained, kinds);
    let shown: BTreeSet<_> = examples()
        .iter()
        .flat_map(|example| &example.table)
        .map(|row| row[1].split(" × ").next().unwrap().to_owned())
        .collect();
    assert_eq!(shown, kinds);
}

#[test]
fn the_query_of_a_statement_runs_as_it_stands() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    let section = PAGE.split("\n### ").find(|section| section.starts_with("How to read a statement")).unwrap();
    db.service().run(&block(section).unwrap().replace(":'dentist'", &format!("'{user}'")));
}
