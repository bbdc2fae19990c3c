//! Plain values that are still there beside encrypted ones that clients read
//! and write: as in a database that the original sealed by hand.
//!
//! There the encrypted value is the one in use. A plain one beside it is a copy
//! that nothing updates, and counts only where no encrypted value can be read.

use uuid::Uuid;

use super::backfill;
use super::inspect::{PairState, inspect};
use super::page::{PAGE, Record, Source};
use crate::error::Result;
use crate::pg::memory;
use crate::pg::spi::{Snapshot, Spi};

/// What was found in a table, and done.
#[derive(Default, Clone, Copy, Debug)]
pub struct Leftovers {
    /// Plain values that were encrypted.
    pub encrypted: u64,
    /// Encrypted values that a secret opens.
    pub readable: u64,
    /// Those of them whose plain value said something else.
    pub differing: u64,
    /// Encrypted values that no secret opens and that have no plain one.
    pub unreadable: u64,
}

/// Encrypts every plain value of the table that has no readable encrypted one, in
/// the running transaction, with the rights in force. The caller has locked the
/// table against writers.
pub fn encrypt(spi: &Spi, source: &Source) -> Result<Leftovers> {
    let mut leftovers = Leftovers::default();
    let mut next = Some(Uuid::nil());
    while let Some(first) = next {
        (_, next) = source.page(spi, Snapshot::New, first, PAGE, |record| leftovers.row(spi, source, record))?;
    }
    Ok(leftovers)
}

impl Leftovers {
    fn row(&mut self, spi: &Spi, source: &Source, record: &Record<'_>) -> Result<()> {
        let mut new: Vec<Option<Vec<u8>>> = vec![None; record.len()];
        for place in 0..record.len() {
            let pair = record.pair(place)?;
            match inspect(&pair)? {
                PairState::Empty => continue,
                PairState::Readable { has_plain, differs, .. } => {
                    self.readable += 1;
                    self.differing += u64::from(has_plain && differs);
                    continue;
                }
                PairState::Unreadable { has_plain: false } => {
                    self.unreadable += 1;
                    continue;
                }
                PairState::PlainOnly | PairState::Unreadable { has_plain: true } => self.encrypted += 1,
            }
            // One at a time: a row of large values need not be in memory at once.
            new[place] = Some(memory::scratch(|| backfill::encrypted_anew(&pair))?);
            backfill::store(spi, source, record.id, &mut new, None)?;
        }
        Ok(())
    }
}
