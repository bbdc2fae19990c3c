//! What is done to the server: one function for each fault. They come from a deck in the seed's order, one after the
//! other, with some seconds in between; after each that crashed the server everything is checked.

mod crashes;
mod pressure;
mod storage;

use std::thread;
use std::time::{Duration, Instant};

use crate::invariants;
use crate::model::Practice;
use crate::options::{Layout, Options};
use crate::random::Random;
use crate::weather::Fault;
use crate::world::World;

use std::sync::Mutex;

/// Everything is checked at the latest after so many faults.
const FAULTS_BETWEEN_CHECKS: u32 = 8;

/// Deals faults until the time is over.
pub fn deal(world: &World, options: &Options, mut random: Random, practices: &[Mutex<Vec<Practice>>], end: Instant) {
    let middle = Instant::now() + options.duration() / 2;
    let mut deck: Vec<Fault> = Vec::new();
    let mut unchecked = 0;
    while Instant::now() < end && !world.report.is_hopeless() {
        let pause = Duration::from_millis(500 + random.below(2500) as u64);
        thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
        if options.layout == Layout::Sealing && !world.is_sealed() && Instant::now() > middle {
            inflict(world, Fault::Sealing, &mut random);
            unchecked = FAULTS_BETWEEN_CHECKS;
        } else {
            if deck.is_empty() {
                deck = Fault::DECK.to_vec();
                random.shuffle(&mut deck);
            }
            let fault = deck.pop().expect("just filled");
            inflict(world, fault, &mut random);
            unchecked += 1;
            if fault.crashes() {
                unchecked = FAULTS_BETWEEN_CHECKS;
            }
        }
        if unchecked >= FAULTS_BETWEEN_CHECKS {
            invariants::check(world, practices);
            unchecked = 0;
        }
    }
}

/// One fault, and the way back: when this returns, SQL and PostgREST answer.
fn inflict(world: &World, fault: Fault, random: &mut Random) {
    world.weather.begin(fault);
    let began = Instant::now();
    let was_done = match fault {
        Fault::StatementTimeouts => pressure::statement_timeouts(world, random),
        Fault::Cancels => pressure::cancels(world, random),
        Fault::TerminatedBackends => crashes::terminate_backends(world, random),
        Fault::BackendKilled => crashes::kill_backend(world, random),
        Fault::PostmasterKilled => crashes::kill_everything(world),
        Fault::ImmediateRestart => crashes::restart_immediately(world),
        Fault::FastRestart => crashes::restart_fast(world),
        Fault::PostgrestKilled => crashes::kill_postgrest(world),
        Fault::FullDisk => storage::fill_disk(world),
        Fault::KeyRotation => storage::rotate_key(world, random),
        Fault::FailingVault => storage::fail_vault(world),
        Fault::ClockSetBack => pressure::set_clock_back(world, random),
        Fault::MigrateAgain => pressure::migrate_again(world),
        Fault::ExtensionUpdate => pressure::update_extension(world),
        Fault::LockStorm => pressure::lock_storm(world),
        Fault::IdleInTransaction => pressure::idle_in_transaction(world),
        Fault::MemoryLimit => pressure::limit_memory(world, random),
        Fault::Sealing => storage::seal(world),
    };
    if was_done {
        world.report.fault(fault);
        drop(world.admin());
        world.postgrest.wait();
        if fault.cuts_all_connections() {
            world.report.recovery(fault, began.elapsed());
        }
    }
    world.weather.end(fault);
}
