//! How the demo speaks, and how it notices that something is not as told.

use std::fmt::Debug;

use postgres::Error;

/// The story as it is told, with a count of what was checked.
#[derive(Default)]
pub struct Story {
    chapter: u32,
    told: u32,
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

    /// Checks that something is as told.
    pub fn is<T: PartialEq + Debug>(&mut self, what: &str, actual: T, told: T) {
        self.told += 1;
        if actual == told {
            println!("   ✓ {what}: {actual:?}");
        } else {
            self.untrue += 1;
            println!("   ✗ {what}: {actual:?}, and should be {told:?}");
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

    /// Ends the story; whether all of it was as told.
    pub fn end(&self) -> bool {
        if self.untrue == 0 {
            println!("\nAll {} checks were as told.", self.told);
        } else {
            println!(
                "\n{} of {} checks were NOT as told.",
                self.untrue, self.told
            );
        }
        self.untrue == 0
    }
}
