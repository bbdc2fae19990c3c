//! What runs beside the clients all the time: the doctor, the backfill, dumps, resets, clean-ups, VACUUM.

use std::thread;
use std::time::{Duration, Instant};

use auria_tests::As;

use crate::door::{Failure, of_postgres};
use crate::invariants::FINDINGS;
use crate::random::Random;
use crate::weather::Fault;
use crate::world::{DATABASE, World};

const TASKS: [(&str, &str); 10] = [
    ("doctor", FINDINGS),
    ("phi_backfill", "CALL auria.phi_backfill(50)"),
    ("phi_status", "SELECT NULL::text FROM auria.phi_status()"),
    ("reset_monthly", "CALL auria.reset_monthly(10)"),
    ("reset_monthly_usage_with_rollover", "SELECT NULL::text FROM public.reset_monthly_usage_with_rollover()"),
    ("reset_monthly_usage", "SELECT NULL::text FROM public.reset_monthly_usage()"),
    ("cleanup_old_rate_limits", "SELECT NULL::text FROM public.cleanup_old_rate_limits()"),
    ("cleanup_stuck_evaluations", "SELECT NULL::text FROM public.cleanup_stuck_evaluations()"),
    ("verify_phi_encryption", "SELECT NULL::text FROM public.verify_phi_encryption()"),
    ("vacuum", "VACUUM ANALYZE"),
];

/// Faults in which what the doctor sees is not as it should be.
const UNHEALTHY: [Fault; 7] = [
    Fault::FailingVault,
    Fault::FullDisk,
    Fault::KeyRotation,
    Fault::MigrateAgain,
    Fault::ExtensionUpdate,
    Fault::ClockSetBack,
    Fault::Sealing,
];

/// One task after the other, until the soak is over.
pub fn work(world: &World, mut random: Random) {
    while !world.is_over() {
        {
            let _inside = world.gate.enter();
            if random.one_in(8) {
                dump(world);
            } else {
                let (name, statement) = *random.pick(&TASKS);
                run(world, name, statement);
            }
        }
        thread::sleep(Duration::from_millis(300));
    }
}

fn run(world: &World, name: &str, statement: &str) {
    let began = Instant::now();
    world.report.call(&format!("maintenance: {name}"));
    let outcome = world.cluster.try_session(DATABASE, As::Superuser).and_then(|mut session| {
        if statement.starts_with("SELECT") {
            let row = session.query_opt(&format!("SELECT max(line) FROM ({statement}) AS lines (line)"), &[])?;
            Ok(row.and_then(|row| row.get::<_, Option<String>>(0)))
        } else {
            session.batch_execute(statement).map(|()| None)
        }
    });
    match outcome {
        Ok(None) => {}
        Ok(Some(complaint)) => {
            if !world.weather.has_any(&UNHEALTHY, began) {
                world.report.violation(format!("the doctor under load says: {complaint}"));
            }
        }
        Err(error) => {
            let (code, message) = match of_postgres(&error) {
                Failure::Refused { code, message } => (code, message),
                Failure::Unreachable(message) | Failure::Unknown(message) => (String::new(), message),
            };
            world.report.refused(if code.is_empty() { "connection" } else { &code });
            if !world.weather.explains(&code, began) {
                world.report.violation(format!("{name}: {code} {message}"));
            }
        }
    }
}

fn dump(world: &World) {
    let began = Instant::now();
    world.report.call("maintenance: pg_dump");
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let output = world.cluster.client("pg_dump", &["-Fc", "-f", path, DATABASE]);
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        world.report.refused("pg_dump");
        let everything = [Fault::MigrateAgain, Fault::ExtensionUpdate, Fault::Sealing];
        if !world.weather.explains("", began)
            && !world.weather.explains("57014", began)
            && !world.weather.has_any(&everything, began)
        {
            world.report.violation(format!("pg_dump: {message}"));
        }
    }
}
