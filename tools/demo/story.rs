//! What the demo prints and checks.

use std::fmt::Debug;

use postgres::Error;

/// The output, with a count of the checks.
#[derive(Default)]
pub struct Story {
    chapter: u32,
    checked: u32,
    untrue: u32,
}

impl Story {
    /// Begins a chapter and says what it proves.
    pub fn chapter(&mut self, title: &str, proves: &str) {
        self.chapter += 1;
        println!("\n{}. {title}\n   proves: {proves}", self.chapter);
    }

    /// Shows something that a person may want to see.
    pub fn show(&self, what: &str, value: impl AsRef<str>) {
        println!("     {what}: {}", value.as_ref());
    }

    /// Checks a value.
    pub fn is<T: PartialEq + Debug>(&mut self, what: &str, actual: T, expected: T) {
        self.checked += 1;
        if actual == expected {
            println!("   ✓ {what}: {actual:?}");
        } else {
            self.untrue += 1;
            println!("   ✗ {what}: {actual:?}, expected {expected:?}");
        }
    }

    /// Checks that a statement was refused with this SQLSTATE.
    pub fn refused<T>(&mut self, what: &str, result: Result<T, Error>, sqlstate: &str) {
        let answer = match result {
            Ok(_) => "was allowed".to_owned(),
            Err(error) => match error.as_db_error() {
                Some(refusal) => {
                    self.show("the server says", refusal.message());
                    refusal.code().code().to_owned()
                }
                None => error.to_string(),
            },
        };
        self.is(what, answer, sqlstate.to_owned());
    }

    /// Ends the story and returns whether every check passed.
    pub fn end(&self) -> bool {
        if self.untrue == 0 {
            println!("\nAll {} checks passed.", self.checked);
        } else {
            println!("\n{} of {} checks FAILED.", self.untrue, self.checked);
        }
        self.untrue == 0
    }
}
