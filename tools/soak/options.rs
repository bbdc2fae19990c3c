//! What the soak is asked to do: environment variables, as `make` passes them.

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How patient data is stored while the soak runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Plain columns beside the encrypted ones.
    Open,
    /// Encrypted only, from the beginning.
    Sealed,
    /// Sealed while everybody works, in the middle of the time.
    Sealing,
}

pub struct Options {
    pub minutes: u32,
    /// Everything random follows from it.
    pub seed: u64,
    pub layout: Layout,
}

impl Options {
    /// MINUTES (10), SEED (random), LAYOUT (open).
    pub fn from_environment() -> Result<Self, String> {
        let given = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let minutes = match given("MINUTES") {
            None => 10,
            Some(text) => match text.parse() {
                Ok(minutes) if (1..=600).contains(&minutes) => minutes,
                _ => return Err(format!("MINUTES is from 1 to 600, not {text}")),
            },
        };
        let seed = match given("SEED") {
            None => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_micros() as u64 % 1_000_000_000)
            }
            Some(text) => text.parse().map_err(|_| format!("SEED is a number, not {text}"))?,
        };
        let layout = match given("LAYOUT").as_deref() {
            None | Some("open") => Layout::Open,
            Some("sealed") => Layout::Sealed,
            Some("sealing") => Layout::Sealing,
            Some(text) => return Err(format!("LAYOUT is open, sealed or sealing, not {text}")),
        };
        Ok(Options { minutes, seed, layout })
    }

    pub fn duration(&self) -> Duration {
        Duration::from_secs(u64::from(self.minutes) * 60)
    }
}
