//! Disk, keys, and the layout of what is stored.

use std::fs::{self, File};
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{As, is_root};
use postgres::error::DbError;

use crate::random::Random;
use crate::weather::Fault;
use crate::world::World;

/// Nothing can be written for a moment. PostgreSQL may panic when it cannot write its log, and may not come back by
/// itself.
pub fn fill_disk(world: &World) -> bool {
    if !is_root() {
        return false;
    }
    let ballast = world.cluster.data_directory().join("ballast");
    {
        let mut file = File::create(&ballast).unwrap();
        let block = vec![0_u8; 1 << 20];
        while file.write_all(&block).is_ok() {}
        let _ = file.write_all(&block[..4096]);
    }
    thread::sleep(Duration::from_secs(2));
    fs::remove_file(&ballast).unwrap();
    let removed = Instant::now();
    // A recovery that is going on ends in one way or the other.
    while removed.elapsed() < Duration::from_secs(60) {
        let is_back = world.cluster.try_session("postgres", As::Superuser).is_ok();
        if is_back || !world.cluster.is_running() && world.cluster.try_start() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    world.postgrest.wait();
    world.report.recovery(Fault::FullDisk, removed.elapsed());
    true
}

/// As docs/phi.md describes it, with files: old secret under its second name, new one, backfill, status, and the old
/// one goes.
pub fn rotate_key(world: &World, random: &mut Random) -> bool {
    let secret = |random: &mut Random| format!("{}{}", random.uuid().simple(), random.uuid().simple());
    let directory = world.cluster.socket_directory();
    let key = directory.join("phi.key");
    let old = fs::read_to_string(&key).unwrap();
    let replace = |name: &str, content: &str| {
        let new = world.cluster.secret_file("phi.key.new", content.trim());
        fs::rename(new, directory.join(name)).unwrap();
    };
    replace("phi.previous", &old);
    replace("phi.key", &secret(random));
    let mut admin = world.admin();
    for attempt in 0.. {
        let outcome = admin.batch_execute("CALL auria.phi_backfill(100)");
        let Err(error) = outcome else { break };
        if attempt == 5 {
            world.report.violation(format!("the backfill of a rotation fails: {error:?}"));
            return true;
        }
    }
    let needed: Option<bool> = admin.value("SELECT bool_or(previous_key_needed) FROM auria.phi_status()");
    if needed == Some(false) {
        replace("phi.previous", &secret(random));
    } else {
        world
            .report
            .violation(format!("after the backfill of a rotation the previous key is still needed: {needed:?}"));
    }
    true
}

/// Vault raises an error for every secret.
pub fn fail_vault(world: &World) -> bool {
    let mut admin = world.admin();
    admin.run("INSERT INTO vault.failure VALUES ('invalid ciphertext')");
    thread::sleep(Duration::from_secs(2));
    admin.run("TRUNCATE vault.failure");
    true
}

/// `auria.phi_seal()` while everybody works; it asks for its locks with a timeout and may have to be called again.
pub fn seal(world: &World) -> bool {
    let mut admin = world.admin();
    for _ in 0..20 {
        match admin.batch_execute("CALL auria.phi_seal()") {
            Ok(()) => {
                world.is_sealed.store(true, std::sync::atomic::Ordering::Relaxed);
                return true;
            }
            Err(error) => {
                let code = error.as_db_error().map(DbError::code);
                let code = code.map_or("", |code| code.code());
                world.report.refused(&format!("phi_seal {code}"));
                if !["55P03", "40P01", "57014", "40001"].contains(&code) {
                    world.report.violation(format!("phi_seal: {error:?}"));
                    return true;
                }
            }
        }
        thread::sleep(Duration::from_millis(500));
    }
    world.report.violation("phi_seal found no moment for its locks in twenty attempts".into());
    true
}
