//! `make soak`: a year of production in some minutes. Sixteen clients work through PostgREST and SQL, a model beside
//! them knows what must be true, and the server is broken in every way from a seed. Exit status 1 when anything was
//! lost.
//!
//! | file | |
//! |---|---|
//! | `world` | the server under test, and what all share |
//! | `door` | the two ways in: PostgREST and SQL |
//! | `model` | what must be true |
//! | `workload` | the clients, one file for each kind |
//! | `faults` | one function for each fault |
//! | `weather` | which failures which fault explains |
//! | `invariants` | what is checked after every crash and at the end |
//! | `report` | what happened |

// A soak that cannot do its work stops there, and fails.
#![allow(clippy::unwrap_used)]

mod door;
mod faults;
mod invariants;
mod model;
mod options;
mod postgrest;
mod random;
mod report;
mod weather;
mod workload;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use options::{Layout, Options};
use random::Random;
use workload::{CLIENTS, maintenance};
use world::World;

/// How often a line says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Numbers of branches of the seed; those of the clients come before.
const FAULTS: u64 = 1000;
const MAINTENANCE: u64 = 1001;

fn main() -> ExitCode {
    let options = match Options::from_environment() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("A soak of {} minutes, layout {:?}. To repeat it: {}", options.minutes, options.layout, command(&options));
    let world = World::start(&options);
    if run(&world, &options) {
        ExitCode::SUCCESS
    } else {
        println!("\nThe end of the server's log:\n{}", world.end_of_log());
        // Once more, where somebody who sees only the end of the output finds them.
        world.report.print_violations();
        ExitCode::FAILURE
    }
}

fn run(world: &World, options: &Options) -> bool {
    let practices: Vec<Mutex<Vec<model::Practice>>> = (0..CLIENTS).map(|_| Mutex::default()).collect();
    let end = Instant::now() + options.duration();
    thread::scope(|scope| {
        for (number, own) in practices.iter().enumerate() {
            let random = Random::branch(options.seed, number as u64);
            scope.spawn(move || watched(world, || workload::work(world, number, random, own)));
        }
        for number in 0..2 {
            let random = Random::branch(options.seed, MAINTENANCE + number);
            scope.spawn(move || watched(world, || maintenance::work(world, random)));
        }
        scope.spawn(|| show_progress(world));
        watched(world, || {
            let random = Random::branch(options.seed, FAULTS);
            faults::deal(world, options, random, &practices, end);
        });
        world.is_over.store(true, Ordering::Relaxed);
        world.gate.open();
    });
    watched(world, || {
        invariants::check(world, &practices);
        if world.is_sealed() {
            invariants::files_hold_no_name(world, workload::MARK);
        }
    });
    let is_well = world.report.print();
    println!("layout {:?}; to repeat it: {}", options.layout, command(options));
    is_well
}

/// What runs the same soak again.
fn command(options: &Options) -> String {
    let layout = match options.layout {
        Layout::Open => "",
        Layout::Sealed => " LAYOUT=sealed",
        Layout::Sealing => " LAYOUT=sealing",
    };
    format!("make soak MINUTES={} SEED={}{layout}", options.minutes, options.seed)
}

/// A thread that panics has found something, or could not go on: either way the soak has failed.
fn watched(world: &World, work: impl FnOnce()) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    if let Err(panic) = outcome {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        world.report.violation(format!("a thread panicked: {text}"));
        world.is_over.store(true, Ordering::Relaxed);
        world.gate.open();
    }
}

fn show_progress(world: &World) {
    let mut calls = 0;
    let mut last = Instant::now();
    while !world.is_over() {
        thread::sleep(Duration::from_millis(200));
        if last.elapsed() >= PROGRESS {
            calls = world.report.progress(calls, last.elapsed().as_secs());
            last = Instant::now();
        }
    }
}
