//! Both sides in turn.

use std::time::{Duration, Instant};

use auria_tests::{Database, Session};

/// How often each side runs what is measured.
pub const ROUNDS: usize = 7;

/// Two databases that differ in their functions only.
pub struct Sides<'a> {
    /// With the compiled functions.
    pub native: &'a Database<'a>,
    /// With the peer's.
    pub twin: &'a Database<'a>,
}

impl Sides<'_> {
    /// Runs statements in both, one after the other.
    pub fn both(&self, statements: &[&str]) {
        for side in [self.native, self.twin] {
            let mut session = side.superuser();
            for statement in statements {
                session.run(statement);
            }
        }
    }

    /// The time of `statement` on either side, per unit, in a session each; `before` runs before each round and is not
    /// measured. The first round warms up and does not count.
    pub fn measure(&self, before: &[&str], statement: &str, units: u32) -> (Duration, Duration) {
        let mut sessions = [self.native.superuser(), self.twin.superuser()];
        let mut fastest = [Duration::MAX; 2];
        for round in 0..=ROUNDS {
            for (session, fastest) in sessions.iter_mut().zip(&mut fastest) {
                for statement in before {
                    session.run(statement);
                }
                let took = time(session, statement) / units;
                if round > 0 {
                    *fastest = took.min(*fastest);
                }
            }
        }
        (fastest[0], fastest[1])
    }
}

/// How long a statement takes.
pub fn time(session: &mut Session, statement: &str) -> Duration {
    let start = Instant::now();
    session.run(statement);
    start.elapsed()
}
