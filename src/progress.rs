//! Progress of a long command, as NOTICEs to whoever called it.
//!
//! At most one report every two seconds, however small the batches, so that a
//! log or a terminal stays readable; a command shorter than that reports only
//! its result. `client_min_messages` decides who sees it, as for any NOTICE.

use std::time::{Duration, Instant};

/// No two reports come closer together than this.
const INTERVAL: Duration = Duration::from_secs(2);

/// How far a command is: rows done, and rows in all.
pub struct Progress {
    what: String,
    total: u64,
    done: u64,
    started: Instant,
    reported: Instant,
}

impl Progress {
    /// Starts to measure. `what` says what is counted, as in `subscriptions
    /// reset`; `total` is how many there are, as far as that is known.
    pub fn new(what: impl Into<String>, total: u64) -> Self {
        let now = Instant::now();
        Self { what: what.into(), total, done: 0, started: now, reported: now }
    }

    /// Counts `rows` more, and reports if the last report is long enough ago.
    /// Call it between two transactions, where no lock is held.
    pub fn advance(&mut self, rows: u64) {
        self.done += rows;
        let now = Instant::now();
        if now.duration_since(self.reported) >= INTERVAL {
            self.reported = now;
            let line = line(&self.what, self.done, self.total, now.duration_since(self.started));
            pgrx::notice!("auria: {line}");
        }
    }

    /// How many rows are done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Reports the result, whenever the last report was.
    pub fn finish(self, result: &str) {
        pgrx::notice!("auria: {result}");
    }
}

/// `subscriptions reset: 5000 of 20000 (25 %), 2500 rows/s, 6 s left`. Rows
/// that came while the command ran may make it more than there were.
fn line(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let total = total.max(done);
    let percent = (done * 100).checked_div(total).unwrap_or(100);
    let per_second = (done as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    let left =
        (total - done).checked_div(per_second).map_or_else(String::new, |seconds| format!(", {} left", span(seconds)));
    format!("{what}: {done} of {total} ({percent} %), {per_second} rows/s{left}")
}

fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
