//! What an installation or a migration reports.

use std::cell::RefCell;

use crate::error::Result;
use crate::pg::extension;

/// What happened that the DBA should know.
#[derive(Default)]
pub struct Report {
    /// What the DBA must act on.
    pub warnings: Vec<String>,
    /// What is worth knowing and asks for nothing.
    pub information: Vec<String>,
}

impl Report {
    /// Adds something that the DBA must act on.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Adds something that is worth knowing.
    pub fn inform(&mut self, text: impl Into<String>) {
        self.information.push(text.into());
    }
}

thread_local! {
    /// Where warnings go while a migration runs; nowhere else in between.
    static WARNINGS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs a migration, and returns what the functions that it calls warned of.
pub fn collected(migration: impl FnOnce() -> Result<()>) -> Result<Vec<String>> {
    /// Stops collecting however the migration ends.
    struct Collecting;
    impl Drop for Collecting {
        fn drop(&mut self) {
            WARNINGS.take();
        }
    }
    let _collecting = Collecting;
    WARNINGS.set(Some(Vec::new()));
    migration()?;
    Ok(WARNINGS.take().unwrap_or_default())
}

/// Warns, from a function that a migration calls: to the migration, or at once where none runs.
pub fn warn(warning: String) {
    let outside = WARNINGS.with_borrow_mut(|warnings| match warnings {
        Some(warnings) => {
            warnings.push(warning);
            None
        }
        None => Some(warning),
    });
    if let Some(warning) = outside {
        extension::warn(&warning);
    }
}
