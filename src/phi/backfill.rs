//! `auria.phi_backfill()`: encrypts what is not yet, and writes anew what
//! another writer or the previous secret wrote.
//!
//! It walks each table by its primary key and commits every batch. What is
//! done is told from what is not by looking at it, so there is no state to
//! lose: stopped anywhere, the next call passes over what is done.
//!
//! Other sessions write the same rows meanwhile. Only a locked row is
//! rewritten, from what it holds then. A batch never waits for a lock while it
//! holds others, so it takes part in no deadlock; rows that were locked are
//! done at the end, each in a transaction of its own.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::keyring::{self, Written};
use super::page::{self, Record, SOURCES, Source, Value};
use crate::error::{Error, Result, required};
use crate::lifecycle::schema::owner;
use crate::pg::procedure::Call;
use crate::pg::spi::{Sees, Spi};
use crate::pg::{extension, transaction};

const LARGEST_BATCH: i32 = 100_000;

/// Encrypts and rewrites in batches of so many rows, each committed, and tells
/// the progress by NOTICE. Values that no secret reads are left as they are
/// and counted, unless the plain value is there to encrypt anew.
///
/// Errors: 2D000 where it cannot commit; 22004, 22023 the batch size; 55000 no
/// key. For service_role.
#[pg_extern(sql = false)]
fn phi_backfill(
    batch_size: Option<i32>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<(), ErrorReport> {
    let batch_size = required(batch_size, "auria.phi_backfill", "batch_size")?;
    if !(1..=LARGEST_BATCH).contains(&batch_size) {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "batch_size is out of range",
        )
        .hint(format!("Pass a number of rows from 1 to {LARGEST_BATCH}."))
        .into());
    }
    let call = Call::of(fcinfo, "auria.phi_backfill")?;
    transaction::refuse_if_read_only(c"auria.phi_backfill()");
    for source in &SOURCES {
        Progress::default().walk(&call, source, batch_size)?;
    }
    Ok(())
}

#[derive(Default)]
struct Progress {
    rows: usize,
    encrypted: usize,
    rewritten: usize,
    unreadable: usize,
    locked: Vec<Uuid>,
}

impl Progress {
    fn walk(mut self, call: &Call, source: &Source, batch_size: i32) -> Result<()> {
        let mut next = Some(Uuid::nil());
        while let Some(first) = next {
            next = call.transaction(owner::of_schema, |spi| {
                let records = source.page(spi, Sees::OwnSnapshot, first, batch_size)?;
                self.rows += records.len();
                for record in &records {
                    pgrx::check_for_interrupts!();
                    self.bring_up_to_date(spi, source, record)?;
                }
                Ok(records.last().and_then(|record| page::after(record.id)))
            })?;
            if next.is_some() {
                self.tell(source, "so far");
            }
        }
        for id in std::mem::take(&mut self.locked) {
            call.transaction(owner::of_schema, |spi| {
                match source.lock(spi, id, true)? {
                    Some(record) => self.renew(spi, source, record),
                    None => Ok(()),
                }
            })?;
        }
        self.tell(source, "done");
        Ok(())
    }

    /// `seen` was read without a lock: only if it looks as if there were
    /// something to do is the row locked and looked at again.
    fn bring_up_to_date(&mut self, spi: &Spi, source: &Source, seen: &Record) -> Result<()> {
        let mut to_do = false;
        let mut unreadable = 0;
        for value in &seen.values {
            match due(value)? {
                Due::Nothing => {}
                Due::Unreadable => unreadable += 1,
                Due::Encryption | Due::Rewriting => to_do = true,
            }
        }
        if !to_do {
            self.unreadable += unreadable;
            return Ok(());
        }
        match source.lock(spi, seen.id, false)? {
            Some(record) => self.renew(spi, source, record),
            None => {
                self.locked.push(seen.id);
                Ok(())
            }
        }
    }

    fn renew(&mut self, spi: &Spi, source: &Source, mut record: Record) -> Result<()> {
        let mut changed = false;
        for value in &mut record.values {
            let due = due(value)?;
            match due {
                Due::Nothing => continue,
                Due::Unreadable => {
                    self.unreadable += 1;
                    continue;
                }
                Due::Encryption => self.encrypted += 1,
                Due::Rewriting => self.rewritten += 1,
            }
            value.encrypted = Some(match (&value.plain, &value.encrypted) {
                (Some(plain), _) => keyring::encrypt(plain)?,
                (None, Some(old)) => {
                    let (plain, _) = keyring::decrypt(old, |text| Zeroizing::new(text.to_owned()))?;
                    keyring::encrypt(&plain)?
                }
                (None, None) => continue,
            });
            changed = true;
        }
        if changed {
            source.store(spi, &record)?;
        }
        Ok(())
    }

    fn tell(&self, source: &Source, so_far: &str) {
        extension::inform(&format!(
            "table {}, {so_far}: {} rows, {} values encrypted, {} rewritten, {} unreadable and \
             left as they are, {} rows waiting for a lock",
            source.table.name,
            self.rows,
            self.encrypted,
            self.rewritten,
            self.unreadable,
            self.locked.len(),
        ));
    }
}

enum Due {
    Nothing,
    Encryption,
    Rewriting,
    Unreadable,
}

/// What is to be done about a value. The plain one, where it is there, is
/// what the encrypted one has to say.
fn due(value: &Value) -> Result<Due> {
    let Some(encrypted) = &value.encrypted else {
        return Ok(match value.plain {
            Some(_) => Due::Encryption,
            None => Due::Nothing,
        });
    };
    match keyring::decrypt(encrypted, |_| ()) {
        Ok(((), Written::Currently)) => Ok(Due::Nothing),
        Ok(((), Written::Formerly)) => Ok(Due::Rewriting),
        Err(error) if error.is_about_a_stored_value() => Ok(match value.plain {
            Some(_) => Due::Rewriting,
            None => Due::Unreadable,
        }),
        Err(error) => Err(error),
    }
}
