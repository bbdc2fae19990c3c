//! Processes that end.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::random::Random;
use crate::world::World;

const CLIENTS: &str = "SELECT pid FROM pg_stat_activity WHERE usename = 'authenticator' AND pid <> pg_backend_pid()";

/// Some clients lose their sessions.
pub fn terminate_backends(world: &World, random: &mut Random) -> bool {
    let mut admin = world.admin();
    for _ in 0..6 {
        admin.run(&format!("SELECT pg_terminate_backend(pid) FROM ({CLIENTS} ORDER BY random() LIMIT 3) AS victims"));
        thread::sleep(Duration::from_millis(100 + random.below(300) as u64));
    }
    true
}

/// One backend gets SIGKILL in whatever it does: PostgreSQL ends all others and recovers.
pub fn kill_backend(world: &World, random: &mut Random) -> bool {
    let mut admin = world.admin();
    let active = format!("{CLIENTS} AND state <> 'idle' LIMIT 1");
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut victim = None;
    while victim.is_none() && Instant::now() < deadline {
        victim = admin.query_opt(&active, &[]).unwrap_or_default().map(|row| row.get::<_, i32>(0));
    }
    let Some(pid) = victim else {
        return false;
    };
    thread::sleep(Duration::from_micros(random.below(3000) as u64));
    if !kill(pid) {
        return false;
    }
    // This session ends like all others; only then is the server on its way back.
    let deadline = Instant::now() + Duration::from_secs(20);
    while admin.batch_execute("SELECT 1").is_ok() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A power cut, as far as processes are concerned.
pub fn kill_everything(world: &World) -> bool {
    world.cluster.kill();
    world.cluster.start();
    true
}

pub fn restart_immediately(world: &World) -> bool {
    world.cluster.stop_immediately();
    world.cluster.start();
    true
}

pub fn restart_fast(world: &World) -> bool {
    world.cluster.restart();
    true
}

/// The API goes away in the middle of its calls, and comes back.
pub fn kill_postgrest(world: &World) -> bool {
    let mut admin = world.admin();
    world.postgrest.kill_and_start(|| {
        let deadline = Instant::now() + Duration::from_secs(70);
        let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postgrest'";
        while admin.value::<i64>(left) > 0 {
            assert!(Instant::now() < deadline, "PostgREST's backends do not end");
            thread::sleep(Duration::from_millis(20));
        }
    });
    true
}

fn kill(pid: i32) -> bool {
    Command::new("kill").args(["-KILL", &pid.to_string()]).status().is_ok_and(|status| status.success())
}
