//! Statements that are cut short, waits, clocks, and maintenance at the wrong moment.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use auria_tests::As;
use postgres::error::DbError;

use crate::random::Random;
use crate::world::{CURRENT, DATABASE, OLDER, World};

/// Every statement of the clients is given some milliseconds.
pub fn statement_timeouts(world: &World, random: &mut Random) -> bool {
    let mut admin = world.admin();
    let limit = 2 + random.below(15);
    for statement in [
        format!("ALTER SYSTEM SET statement_timeout = '{limit}ms'"),
        "SELECT pg_reload_conf()".into(),
        "SELECT pg_sleep(2)".into(),
        "ALTER SYSTEM RESET statement_timeout".into(),
        "SELECT pg_reload_conf()".into(),
        "SELECT pg_sleep(0.3)".into(),
    ] {
        admin.run(&statement);
    }
    true
}

/// Statements are cancelled at random.
pub fn cancels(world: &World, random: &mut Random) -> bool {
    let mut admin = world.admin();
    for _ in 0..40 {
        admin.run(
            "SELECT pg_cancel_backend(pid) FROM (
                SELECT pid FROM pg_stat_activity
                 WHERE usename = 'authenticator' AND state = 'active' ORDER BY random() LIMIT 2) AS victims",
        );
        thread::sleep(Duration::from_millis(random.below(80) as u64));
    }
    true
}

/// The server comes back with its clock up to twelve hours behind, and after a moment again with the right one.
pub fn set_clock_back(world: &World, random: &mut Random) -> bool {
    if !world.can_set_clock {
        return false;
    }
    world.set_clock(-60 * (1 + random.below(720) as i64));
    world.cluster.restart();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let is_behind: bool =
        world.admin().value(&format!("SELECT extract(epoch FROM clock_timestamp()) < {} - 30", now.as_secs()));
    assert!(is_behind, "the server's clock was not set back");
    thread::sleep(Duration::from_secs(4));
    world.set_clock(0);
    world.cluster.restart();
    true
}

/// The migrations once more, on a database in use.
pub fn migrate_again(world: &World) -> bool {
    change_schema(world, "SELECT auria.migrate(again => true)")
}

/// To the version before and to this one, as a release's script does it.
pub fn update_extension(world: &World) -> bool {
    for version in [OLDER, CURRENT] {
        change_schema(world, &format!("ALTER EXTENSION auria UPDATE TO '{version}'"));
    }
    true
}

/// It gives up where a table stays in use for a minute, as a dump's may be: then somebody would call it again.
fn change_schema(world: &World, statement: &str) -> bool {
    let mut admin = world.admin();
    for _ in 0..3 {
        let Err(error) = admin.batch_execute(statement) else {
            return true;
        };
        let code = error.as_db_error().map(DbError::code);
        let code = code.map_or("", |code| code.code());
        world.report.refused(&format!("maintenance {code}"));
        if code != "55P03" {
            world.report.violation(format!("{statement}: {error:?}"));
            return true;
        }
    }
    world.report.violation(format!("{statement} did not get its locks in three minutes"));
    true
}

/// Locks on many rows and on whole tables, held for a moment, by several at once.
pub fn lock_storm(world: &World) -> bool {
    thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let mut session = world.admin();
                for _ in 0..3 {
                    let lock = match number % 4 {
                        0 => "LOCK TABLE public.subscriptions IN SHARE ROW EXCLUSIVE MODE",
                        1 => "LOCK TABLE public.credit_usage IN SHARE MODE",
                        2 => "SELECT FROM auth.users ORDER BY id FOR UPDATE",
                        _ => "SELECT FROM public.subscriptions ORDER BY id FOR UPDATE",
                    };
                    // It may lose a deadlock; what it locks is of no consequence.
                    let _ = session.batch_execute(&format!("BEGIN; {lock}; SELECT pg_sleep(0.2); COMMIT"));
                    let _ = session.batch_execute("ROLLBACK");
                }
            });
        }
    });
    true
}

/// Connections that changed a row, went away for lunch, and are ended by their timeout or roll back.
pub fn idle_in_transaction(world: &World) -> bool {
    let mut sessions = Vec::new();
    for number in 0..10 {
        let Ok(mut session) = world.cluster.try_session(DATABASE, As::Superuser) else {
            continue;
        };
        if number % 2 == 0 {
            session.run("SET idle_in_transaction_session_timeout = '1s'");
        }
        let begun = session.batch_execute(&format!(
            "SET lock_timeout = '2s'; BEGIN;
             UPDATE public.profiles SET phone = 'idle' WHERE user_id = (
                SELECT user_id FROM public.profiles ORDER BY user_id OFFSET {number} LIMIT 1)"
        ));
        if begun.is_ok() {
            sessions.push(session);
        }
    }
    thread::sleep(Duration::from_secs(2));
    drop(sessions);
    true
}

/// A backend with too little memory: its statements fail with 53200, and it goes on.
pub fn limit_memory(world: &World, random: &mut Random) -> bool {
    for _ in 0..3 {
        let mut session = world.admin();
        // What cannot live with a limit: LLVM, and a stack that has to grow. It has grown when this is refused.
        let deep = ["1"; 60_000].join(" + ");
        let refused = session.batch_execute(&format!("SELECT {deep}"));
        let _ = refused.inspect_err(|error| debug_assert!(error.code().is_some(), "{error}"));
        session.run(
            "SET jit = off; SET max_parallel_workers_per_gather = 0;
             SELECT public.phi_encrypt('warm'), public.get_credit_cost('case_analysis')",
        );
        let pid = session.backend_pid();
        let headroom = (2 + random.below(30) as u64) << 20;
        if !auria_tests::limit_memory(&world.cluster, pid, headroom) {
            world.report.note("no memory limits: prlimit failed".into());
            return false;
        }
        for statement in [
            "SELECT length(public.phi_decrypt(public.phi_encrypt(repeat('Maria ', 2000000))))",
            "SELECT auria.phi_status()",
            "SELECT auria.doctor()",
            "SELECT public.verify_phi_encryption()",
        ] {
            let Err(error) = session.batch_execute(statement) else {
                continue;
            };
            let code = error.as_db_error().map(DbError::code);
            if code.map(|code| code.code()) != Some("53200") {
                world.report.violation(format!(
                    "with {} MB of memory, {statement} fails otherwise than with 53200: {error:?}",
                    headroom >> 20
                ));
                break;
            }
        }
    }
    true
}
