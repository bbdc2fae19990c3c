//! What happened: counted while it runs, printed at the end.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::weather::Fault;

/// With so many violations a run is given up.
const ENOUGH: usize = 10;

pub struct Report {
    started: Instant,
    calls: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
    detail: Mutex<Detail>,
}

#[derive(Default)]
struct Detail {
    calls: BTreeMap<String, u64>,
    refusals: BTreeMap<String, u64>,
    faults: BTreeMap<Fault, u64>,
    recoveries: BTreeMap<Fault, Vec<Duration>>,
    invariants: BTreeMap<&'static str, u64>,
    notes: Vec<String>,
    violations: Vec<String>,
}

impl Report {
    pub fn new() -> Self {
        Report {
            started: Instant::now(),
            calls: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            detail: Mutex::default(),
        }
    }

    fn detail(&self) -> std::sync::MutexGuard<'_, Detail> {
        // A thread that panicked while it counted has counted wrongly by one at most.
        self.detail.lock().unwrap_or_else(|error| error.into_inner())
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn call(&self, what: &str) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        *self.detail().calls.entry(what.to_owned()).or_default() += 1;
    }

    pub fn refused(&self, code: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        *self.detail().refusals.entry(code.to_owned()).or_default() += 1;
    }

    /// A call whose outcome its client does not know.
    pub fn lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub fn fault(&self, fault: Fault) {
        *self.detail().faults.entry(fault).or_default() += 1;
    }

    pub fn recovery(&self, fault: Fault, took: Duration) {
        self.detail().recoveries.entry(fault).or_default().push(took);
    }

    pub fn invariant(&self, name: &'static str) {
        *self.detail().invariants.entry(name).or_default() += 1;
    }

    /// Something that a reader of the report should know.
    pub fn note(&self, text: String) {
        let mut detail = self.detail();
        if !detail.notes.contains(&text) {
            detail.notes.push(text);
        }
    }

    pub fn violation(&self, text: String) {
        println!("[{:>5}] VIOLATION: {text}", self.elapsed().as_secs());
        self.detail().violations.push(text);
    }

    pub fn is_hopeless(&self) -> bool {
        self.detail().violations.len() >= ENOUGH
    }

    /// One line while it runs; `since` is the number of calls at the line before, the answer the number now.
    pub fn progress(&self, since: u64, seconds: u64) -> u64 {
        let calls = self.calls.load(Ordering::Relaxed);
        let detail = self.detail();
        println!(
            "[{:>5}] {:>5} calls/s, {calls} calls, {} outcomes unknown at first, {} faults, {} invariants checked, {} violations",
            self.elapsed().as_secs(),
            (calls - since) / seconds.max(1),
            self.lost.load(Ordering::Relaxed),
            detail.faults.values().sum::<u64>(),
            detail.invariants.values().sum::<u64>(),
            detail.violations.len(),
        );
        calls
    }

    /// The report; whether all was well.
    pub fn print(&self) -> bool {
        let detail = self.detail();
        let seconds = self.elapsed().as_secs().max(1);
        let calls = self.calls.load(Ordering::Relaxed);
        println!("\n== Report ({seconds} s)");
        println!(
            "calls: {calls} ({} per second), {} refused, {} with an outcome that was unknown at first and asked for",
            calls / seconds,
            self.refused.load(Ordering::Relaxed),
            self.lost.load(Ordering::Relaxed)
        );
        for (name, count) in &detail.calls {
            println!("  {name:<44} {count:>8}");
        }
        println!("refused, by SQLSTATE:");
        for (code, count) in &detail.refusals {
            println!("  {code:<44} {count:>8}");
        }
        println!("faults: {}", detail.faults.values().sum::<u64>());
        for (fault, count) in &detail.faults {
            println!("  {:<44} {count:>8}", format!("{fault:?}"));
        }
        println!("recoveries, until SQL and PostgREST answer again:");
        for (fault, times) in &detail.recoveries {
            let slowest = times.iter().max().copied().unwrap_or_default();
            let mean = times.iter().sum::<Duration>() / times.len().max(1) as u32;
            println!(
                "  {:<44} {:>8}, mean {:.1} s, slowest {:.1} s",
                format!("{fault:?}"),
                times.len(),
                mean.as_secs_f64(),
                slowest.as_secs_f64()
            );
        }
        println!("invariants checked:");
        for (name, count) in &detail.invariants {
            println!("  {name:<74} {count:>5}");
        }
        for note in &detail.notes {
            println!("note: {note}");
        }
        drop(detail);
        self.print_violations();
        let detail = self.detail();
        println!("result: {}", if detail.violations.is_empty() { "nothing lost" } else { "FAILED" });
        detail.violations.is_empty()
    }

    pub fn print_violations(&self) {
        for violation in &self.detail().violations {
            println!("VIOLATION: {violation}");
        }
    }
}
