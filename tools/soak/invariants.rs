//! What must be true whenever all clients stand still: after every crash, now and then, and at the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{Session, private_memory};
use serde_json::Value;
use uuid::Uuid;

use crate::model::Practice;
use crate::model::books::CASE;
use crate::model::crowd::Crowd;
use crate::model::records::TRACKED;
use crate::workload::{books_expression, stored_books, stored_statement};
use crate::world::World;

/// A backend may grow by so much after it was first looked at.
const GROWTH: u64 = 48 << 20;

/// What the checks remember from one to the next.
#[derive(Default)]
pub struct Memory {
    /// How much of the log was read.
    log: usize,
    kills: usize,
    aborts: usize,
    panics: usize,
    /// Private memory of backends when they were first looked at.
    backends: HashMap<u32, u64>,
}

static MEMORY: Mutex<Option<Memory>> = Mutex::new(None);

/// Stops all clients between two steps, checks everything, and lets them go on.
pub fn check(world: &World, practices: &[Mutex<Vec<Practice>>]) {
    if !world.gate.close(Duration::from_secs(150)) {
        let activity: Option<String> = world.admin().value(
            "SELECT string_agg(format('%s %s %s %s: %s', pid, state, wait_event, application_name, left(query, 100)), E'\\n')
               FROM pg_stat_activity WHERE backend_type = 'client backend'",
        );
        world.report.violation(format!("a client does not come to an end:\n{}", activity.unwrap_or_default()));
        return;
    }
    let mut session = world.admin();
    let mut guards: Vec<_> = practices.iter().map(|own| own.lock().unwrap()).collect();
    let mut all: BTreeMap<Uuid, &mut Practice> = guards
        .iter_mut()
        .flat_map(|own| own.iter_mut())
        .filter(|practice| !practice.is_broken)
        .map(|practice| (practice.user, practice))
        .collect();
    books_are_as_the_model_says(world, &mut session, &mut all);
    statements_are_as_the_model_says(world, &mut session, &mut all);
    rows_are_as_the_model_says(world, &mut session, &mut all);
    crowds_add_up(world, &mut session);
    for (name, query) in NOTHING {
        let found: Option<String> =
            session.value(&format!("SELECT string_agg(line, '; ') FROM ({query}) AS found (line)"));
        report(world, name, found.into_iter().collect());
    }
    nothing_is_left_open(world, &mut session);
    events_are_recorded_once(world, &mut session);
    memory_is_flat(world, &mut session);
    log_is_clean(world);
    world.gate.open();
}

fn report(world: &World, name: &'static str, found: Vec<String>) {
    world.report.invariant(name);
    for violation in found {
        world.report.violation(format!("{name}: {violation}"));
    }
}

/// What the doctor says, but for what the soak does all the time: months and plans that change in seconds, and active
/// subscriptions whose period ended, as a webhook says that comes late.
pub const FINDINGS: &str =
    "SELECT \"check\" || ': ' || detail FROM auria.doctor() WHERE NOT ok AND \"check\" <> 'months'
    AND detail !~ '^[0-9]+ subscriptions are active although their period ended[^;]*(; note: [^;]*)?$'";

/// Queries that find nothing while all is well.
const NOTHING: [(&str, &str); 9] = [
    ("events and the ledger since make every balance", include_str!("../../src/ledger/check.sql")),
    (
        "the last line of a statement is the balance",
        "SELECT format('%s has used %s, rollover %s, bonus %s; its statement ends with %s', s.user_id,
                       s.credits_used_this_month, s.credits_rollover, s.credits_bonus, t)
           FROM public.subscriptions s
           LEFT JOIN LATERAL (SELECT used, rollover, bonus
                                FROM auria.credit_statement(s.user_id, '-infinity', 'infinity')
                               ORDER BY entry DESC LIMIT 1) AS t ON true
          WHERE (s.credits_used_this_month, s.credits_rollover, s.credits_bonus)
                IS DISTINCT FROM (t.used, t.rollover, t.bonus)",
    ),
    (
        "a reference is charged once",
        "SELECT format('%s %s is open %s times', operation, reference_id, count(*)) FROM public.credit_usage
          WHERE counterpart = 0 AND reference_id IS NOT NULL AND credits_used > 0
          GROUP BY user_id, operation, reference_id HAVING count(*) > 1",
    ),
    (
        "use and refund name each other: no refund is half done",
        "SELECT format('entry %s', a.entry) FROM public.credit_usage a
           LEFT JOIN public.credit_usage b ON b.entry = a.counterpart AND b.user_id = a.user_id
                                          AND b.credits_used = -a.credits_used
          WHERE a.counterpart <> 0 AND b.counterpart IS DISTINCT FROM a.entry",
    ),
    (
        "a user has a profile",
        "SELECT id::text FROM auth.users u WHERE NOT EXISTS (SELECT FROM public.profiles p WHERE p.user_id = u.id)",
    ),
    (
        "nobody spent more than there was",
        "SELECT format('%s used %s', s.user_id, s.credits_used_this_month) FROM public.subscriptions s
           JOIN public.subscription_plans p ON p.id = s.plan_id
          WHERE p.credits_per_month >= 0
            AND s.credits_used_this_month > p.credits_per_month + s.credits_rollover + s.credits_bonus",
    ),
    (
        "no plain value without a ciphertext that says the same",
        "SELECT format('%s.%s: %s', table_name, column_name, not_encrypted + differing + unreadable)
           FROM auria.phi_status() WHERE not_encrypted + differing + unreadable > 0",
    ),
    ("the doctor finds nothing", FINDINGS),
    (
        "what points to a row finds it",
        "SELECT format('ledger entry %s', entry) FROM public.credit_usage c
          WHERE NOT EXISTS (SELECT FROM auth.users u WHERE u.id = c.user_id)
         UNION ALL
         SELECT format('case %s', id) FROM public.evaluations e WHERE patient_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM public.patients p WHERE p.id = e.patient_id AND p.user_id = e.user_id)",
    ),
];

fn books_are_as_the_model_says(world: &World, session: &mut Session, all: &mut BTreeMap<Uuid, &mut Practice>) {
    let query = format!("SELECT u.id, {} FROM auth.users u", books_expression("u.id"));
    let stored: HashMap<Uuid, Value> =
        session.query(&query, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut found = Vec::new();
    for (user, practice) in all {
        let Some(books) = stored.get(user) else {
            found.push(format!("user {user} is lost"));
            practice.is_broken = true;
            continue;
        };
        let books = stored_books(books);
        if !practice.books.is(&books) {
            found.push(format!("{user}: {}", practice.books.difference(&books)));
            practice.is_broken = true;
        }
    }
    report(world, "account and ledger of every practice = model, entry by entry", found);
}

/// Line by line, and so every balance that there was.
fn statements_are_as_the_model_says(world: &World, session: &mut Session, all: &mut BTreeMap<Uuid, &mut Practice>) {
    let mut found = Vec::new();
    for (user, practice) in all.iter_mut().filter(|(_, practice)| !practice.is_broken) {
        let stored = stored_statement(session, *user);
        let settled = practice.books.settled();
        let expected =
            if stored.len() > practice.books.lines().len() { settled.lines() } else { practice.books.lines() };
        if stored != expected {
            let place = stored.iter().zip(expected).position(|(stored, expected)| stored != expected);
            let place = place.unwrap_or(stored.len().min(expected.len()));
            found.push(format!(
                "{user}: line {place} of {} is {:?}, expected {:?} of {}",
                stored.len(),
                stored.get(place),
                expected.get(place),
                expected.len()
            ));
            practice.is_broken = true;
        }
    }
    report(world, "statement of every practice = model, line by line", found);
}

fn rows_are_as_the_model_says(world: &World, session: &mut Session, all: &mut BTreeMap<Uuid, &mut Practice>) {
    let mut found = Vec::new();
    for tracked in &TRACKED {
        let query =
            format!("SELECT user_id, {}::text, {} FROM public.{}", tracked.key, tracked.expression(), tracked.table);
        let mut stored: HashMap<Uuid, BTreeMap<String, Value>> = HashMap::new();
        for row in session.query(&query, &[]).unwrap() {
            stored.entry(row.get(0)).or_default().insert(row.get(1), row.get(2));
        }
        for (user, practice) in all.iter_mut() {
            let rows = stored.remove(user).unwrap_or_default();
            let expected = practice.records.of(tracked.table);
            for (key, row) in &expected {
                if rows.get(*key) != Some(*row) {
                    found.push(format!("{} {key} is {:?}, expected {row}", tracked.table, rows.get(*key)));
                }
            }
            for key in rows.keys().filter(|key| !expected.contains_key(key.as_str())) {
                found.push(format!("{} {key} should not be there", tracked.table));
            }
        }
    }
    found.truncate(5);
    report(world, "rows of every practice = model, value by value", found);
}

fn crowds_add_up(world: &World, session: &mut Session) {
    let mut found = Vec::new();
    for (user, crowd) in &world.crowds {
        let mut crowd = crowd.lock().unwrap();
        let row = session
            .query_one(
                "SELECT credits_bonus::bigint, credits_used_this_month::bigint,
                        (SELECT coalesce(sum(credits_used), 0)::bigint FROM public.credit_usage c WHERE c.user_id = s.user_id)
                   FROM public.subscriptions s WHERE s.user_id = $1",
                &[user],
            )
            .unwrap();
        let (bonus, used, ledger): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        if used != ledger || used > 5 + bonus {
            found.push(format!("{user} used {used} of {}, ledger {ledger}", 5 + bonus));
        }
        let known = (crowd.bought, crowd.perhaps_bought.clone());
        let packs = packs_of_crowd(session, *user, &crowd, &mut found);
        if !crowd.settle_purchases(bonus - packs) {
            found.push(format!("{user} has {bonus} bought credits, {packs} by references, expected {known:?}"));
        }
        let references: Vec<Uuid> = session
            .query(
                "SELECT reference_id FROM public.credit_usage
                  WHERE user_id = $1 AND operation = $2 AND counterpart = 0 AND reference_id IS NOT NULL",
                &[user, &CASE],
            )
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        found.extend(
            crowd
                .charged
                .iter()
                .filter(|reference| !references.contains(reference))
                .map(|reference| format!("the charge of {reference} is lost")),
        );
        let entries: HashMap<String, i64> = session
            .query(
                "SELECT operation, count(*) FROM public.credit_usage
                  WHERE user_id = $1 AND operation LIKE 'soak\\_%' GROUP BY operation",
                &[user],
            )
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        for (operation, known) in &mut crowd.single {
            let stored = entries.get(operation).copied().unwrap_or(0);
            match known {
                Some(done) if i64::from(*done) == stored => {}
                None if stored <= 1 => *known = Some(stored == 1),
                _ => found.push(format!("{operation} was answered {known:?} and is in the ledger {stored} times")),
            }
        }
        found.extend(
            entries
                .keys()
                .filter(|operation| !crowd.single.contains_key(*operation))
                .map(|operation| format!("nobody charged {operation}")),
        );
    }
    report(world, "whom all charge at once: nothing lost, nothing twice, nothing overspent", found);
}

/// What is bought by reference and was not taken back: each pack once, and what was revoked first is not added.
fn packs_of_crowd(session: &mut Session, user: Uuid, crowd: &Crowd, found: &mut Vec<String>) -> i64 {
    let query = "SELECT reference, kind, credits::bigint, changed_bonus::bigint FROM public.credit_events
                  WHERE user_id = $1 AND reference IS NOT NULL ORDER BY entry";
    // What was revoked before the purchase, and what was taken.
    let mut early: BTreeMap<String, i64> = BTreeMap::new();
    let mut bought: BTreeMap<String, i64> = BTreeMap::new();
    let mut revoked: BTreeMap<String, i64> = BTreeMap::new();
    for row in session.query(query, &[&user]).unwrap() {
        let (reference, kind): (String, String) = (row.get(0), row.get(1));
        let (credits, changed): (i64, i64) = (row.get(2), row.get(3));
        let expected = if kind == "purchase" { credits - early.get(&reference).copied().unwrap_or(0) } else { changed };
        if changed != expected || reference != format!("cs_{credits}") {
            found.push(format!("{user}: the {kind} {reference} of {credits} changed {changed}, expected {expected}"));
        }
        let before = match kind.as_str() {
            "purchase" => bought.insert(reference, changed),
            _ => {
                early.insert(reference.clone(), credits + changed);
                revoked.insert(reference, changed)
            }
        };
        if before.is_some() {
            found.push(format!("{user}: a {kind} of {credits} was posted twice"));
        }
    }
    let lost = crowd.packs.iter().filter(|reference| !bought.contains_key(*reference));
    found.extend(lost.map(|reference| format!("{user}: the purchase {reference} is lost")));
    let other = crowd.revoked.iter().filter(|(reference, taken)| revoked.get(*reference) != Some(&-**taken));
    found.extend(other.map(|(reference, taken)| format!("{user}: {reference} was answered {taken}, not so stored")));
    bought.values().sum::<i64>() + revoked.values().sum::<i64>()
}

fn events_are_recorded_once(world: &World, session: &mut Session) {
    let mut expected = world.events.lock().unwrap().clone();
    expected.sort();
    let stored: Vec<String> = session
        .query("SELECT stripe_event_id FROM public.webhook_events ORDER BY stripe_event_id COLLATE \"C\"", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let found = if stored == expected {
        Vec::new()
    } else {
        vec![format!("{} events, expected {}", stored.len(), expected.len())]
    };
    report(world, "webhook events are recorded once", found);
}

/// PostgREST may be reading its schema: that ends by itself.
fn nothing_is_left_open(world: &World, session: &mut Session) {
    let query = "SELECT string_agg(line, '; ') FROM (
        SELECT format('%s %s %s %s: %s', a.application_name, a.state, l.locktype, l.mode, left(a.query, 80))
          FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid
         WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
           AND (a.state <> 'idle' OR l.pid IS NOT NULL)
        UNION ALL SELECT gid FROM pg_prepared_xacts) AS open (line)";
    let deadline = Instant::now() + Duration::from_secs(20);
    let found = loop {
        let found: Option<String> = session.value(query);
        if found.is_none() || Instant::now() > deadline {
            break found;
        }
        thread::sleep(Duration::from_millis(100));
    };
    report(world, "no lock and no transaction is left", found.into_iter().collect());
}

fn memory_is_flat(world: &World, session: &mut Session) {
    let pids: Vec<i32> = session
        .query("SELECT pid FROM pg_stat_activity WHERE usename = 'authenticator'", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let mut memory = MEMORY.lock().unwrap();
    let first = &mut memory.get_or_insert_default().backends;
    let mut found = Vec::new();
    let mut now = HashMap::new();
    for pid in pids.iter().map(|pid| pid.unsigned_abs()) {
        if !std::path::Path::new(&format!("/proc/{pid}")).exists() {
            continue;
        }
        let held = private_memory(pid);
        let before = first.get(&pid).copied().unwrap_or(held);
        if held > before + GROWTH {
            found.push(format!("backend {pid} grew from {before} to {held} bytes"));
        }
        now.insert(pid, before);
    }
    *first = now;
    report(world, "memory of the backends is flat", found);
}

/// No internal error, no panic, and no process that ended by a signal that was not sent.
fn log_is_clean(world: &World) {
    let log = world.cluster.log();
    let mut memory = MEMORY.lock().unwrap();
    let memory = memory.get_or_insert_default();
    let mut found = Vec::new();
    let mut lines = log[memory.log.min(log.len())..].lines().peekable();
    while let Some(line) = lines.next() {
        let is_error = ["ERROR:", "FATAL:", "PANIC:"].iter().any(|severity| line.contains(severity));
        let is_of_dump = line.contains("cache lookup failed for index")
            && lines.peek().is_some_and(|next| next.contains(DUMP_OF_INDEXES));
        let is_internal =
            line.contains("] XX0") && is_error && !is_of_dump && !EXPECTED.iter().any(|text| line.contains(text));
        if is_internal || line.contains("panicked") || line.contains("auria_pg: panic") {
            found.push(line.chars().take(400).collect());
        }
        if line.contains("was terminated by signal ") {
            if line.contains("signal 9") {
                memory.kills += 1;
            } else if line.contains("signal 6") {
                memory.aborts += 1;
            } else {
                found.push(line.to_owned());
            }
        }
        if line.contains(" PANIC:  ") {
            memory.panics += 1;
        }
    }
    memory.log = log.len();
    // PostgreSQL's own PANIC, when it cannot write its log, aborts the process.
    if memory.aborts > memory.panics {
        found.push(format!("{} processes aborted, {} of them by PostgreSQL's PANIC", memory.aborts, memory.panics));
        memory.aborts = memory.panics;
    }
    found.truncate(5);
    report(world, "no internal error and no crash of the extension in the log", found);
}

/// Internal errors that are PostgreSQL's own: DDL that waited for other DDL, and a new session on a full disk.
const EXPECTED: [&str; 2] = ["tuple concurrently updated", "could not write init file"];

/// How pg_dump asks for indexes. Its snapshot has those that phi_seal() drops meanwhile; pg_get_indexdef() does not.
const DUMP_OF_INDEXES: &str =
    "STATEMENT:  SELECT t.tableoid, t.oid, i.indrelid, t.relname AS indexname, pg_catalog.pg_get_indexdef";

/// With nothing running: no file of the data directory outside pg_wal has a patient's name.
pub fn files_hold_no_name(world: &World, mark: &str) {
    let mut session = world.admin();
    session.run("CHECKPOINT");
    session.run("VACUUM FULL pg_catalog.pg_statistic");
    session.run("CHECKPOINT");
    drop(session);
    world.cluster.stop();
    let output = std::process::Command::new("grep")
        .args(["-rlF", "--exclude-dir=pg_wal", mark])
        .arg(world.cluster.data_directory())
        .output()
        .unwrap();
    let files: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    report(world, "sealed: no file of the server has a patient's name", files);
}
