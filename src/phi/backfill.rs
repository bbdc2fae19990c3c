//! `auria.phi_backfill()`: encrypts the values that are not encrypted yet, and
//! rewrites those of another writer, those under the previous secret, those
//! that differ from the plain value beside them, and on request those of the
//! sealed layout that have not the salt of their dentist's values.
//!
//! It walks each table by its primary key and commits every batch. Progress is
//! derived from the rows; no separate state is kept: stopped anywhere, the next
//! call passes over what is done.
//!
//! Other sessions write the same rows meanwhile. Only a locked row is
//! rewritten, from what it holds then. A batch never waits for a lock while it
//! holds others, so it takes part in no deadlock; rows that were locked are
//! done at the end, each in a transaction of its own.
//!
//! A transaction that began before a rotation writes under the previous secret,
//! perhaps behind the walk. Where there was one when the walk began, it is
//! waited for, holding nothing, and the tables are walked again.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::inspect::{PairState, inspect};
use super::keyring::{self, KeysInUse, Written};
use super::page::{Pair, Record, Source, sources};
use super::plain::Plain;
use crate::access;
use crate::error::{self, Error, Result, required};
use crate::pg::procedure::Call;
use crate::pg::spi::{Snapshot, Spi};
use crate::pg::{memory, transaction};
use crate::phi::quiet;
use crate::progress::Progress;
use crate::schema::owner;

const LARGEST_BATCH: i32 = 100_000;

/// [`phi_backfill_rewrite`] as SQL declares it up to 0.3.1: the library may be newer than the extension.
#[pg_extern(sql = false)]
fn phi_backfill(batch_size: Option<i32>, fcinfo: pg_sys::FunctionCallInfo) -> Result<(), ErrorReport> {
    Ok(backfill(fcinfo, batch_size, false)?)
}

/// Encrypts and rewrites in batches of `batch_size` rows, each committed, and reports
/// the progress by NOTICE. Values that no secret reads, and those without MDC,
/// are left as they are and counted, unless the plain value is there to
/// encrypt anew. Where `rewrite` says so, current values of the sealed layout
/// that have not the salt of their dentist's, as up to 0.3.1, are written anew.
///
/// Errors: 2D000 where it cannot commit; 22004, 22023 the batch size; 22004
/// `rewrite`; 55000 no key. For service_role.
#[pg_extern(sql = false)]
fn phi_backfill_rewrite(
    batch_size: Option<i32>,
    rewrite: Option<bool>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<(), ErrorReport> {
    Ok(backfill(fcinfo, batch_size, required(rewrite, "auria.phi_backfill", "rewrite")?)?)
}

fn backfill(fcinfo: pg_sys::FunctionCallInfo, batch_size: Option<i32>, rewrite: bool) -> Result<()> {
    access::for_the_backend_alone(fcinfo, "auria.phi_backfill")?;
    let batch_size = required(batch_size, "auria.phi_backfill", "batch_size")?;
    if !(1..=LARGEST_BATCH).contains(&batch_size) {
        return Err(Error::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "batch_size is out of range")
            .hint(format!("Pass a number of rows from 1 to {LARGEST_BATCH}.")));
    }
    let call = Call::of(fcinfo, "auria.phi_backfill")?;
    transaction::refuse_if_read_only(c"auria.phi_backfill()");
    let keys_in_use = || call.transaction(owner::of_schema, KeysInUse::look);
    let mut keys = keys_in_use()?;
    loop {
        for source in &call.transaction(owner::of_schema, sources)? {
            let walk = Walk { rewrite, settles_digests: !keys.are_several(), ..Walk::default() };
            walk.over(&call, source, batch_size)?;
        }
        if keys.are_several() {
            pgrx::notice!("auria: waiting for transactions that began under another key, then looking again");
            call.transaction(owner::of_schema, |_| {
                keys.wait_for_others();
                Ok(())
            })?;
        }
        let now = keys_in_use()?;
        if !keys.are_several() && now.same_current(&keys) {
            return Ok(());
        }
        keys = now;
    }
}

/// New values of one row are stored before they are larger than this together.
const STORED_AT_ONCE: usize = 16 << 20;

#[derive(Default)]
struct Walk {
    /// Current values, too, where they have not the salt of their owner's.
    rewrite: bool,
    /// Not while somebody may write who knows the previous digests alone.
    settles_digests: bool,
    rows: usize,
    encrypted: usize,
    rewritten: usize,
    left: usize,
    locked: Vec<Uuid>,
}

impl Walk {
    fn over(mut self, call: &Call, source: &Source, batch_size: i32) -> Result<()> {
        let total = call.transaction(owner::of_schema, |spi| source.count(spi))?;
        let mut progress = Progress::new(format!("{} encrypted", source.table.name), total);
        let mut next = Some(Uuid::nil());
        while next.is_some() {
            let before = self.rows;
            next = call.transaction(owner::of_schema, |spi| self.batch(spi, source, next, batch_size))?;
            progress.advance((self.rows - before) as u64);
        }
        for id in std::mem::take(&mut self.locked) {
            call.transaction(owner::of_schema, |spi| {
                transaction::ensure_snapshot();
                source.with_locked(spi, id, true, |record| self.renew(spi, source, record))
            })?;
        }
        progress.finish(&format!(
            "{}: {} rows, {} values encrypted, {} rewritten, {} unreadable or too large and left \
             as they are",
            source.table.name, self.rows, self.encrypted, self.rewritten, self.left,
        ));
        Ok(())
    }

    /// Up to `batch_size` rows, a page at a time; returns where to continue.
    fn batch(&mut self, spi: &Spi, source: &Source, mut next: Option<Uuid>, batch_size: i32) -> Result<Option<Uuid>> {
        transaction::ensure_snapshot();
        let mut left = batch_size;
        while let Some(first) = next.filter(|_| left > 0) {
            let (rows, after) =
                source.page(spi, Snapshot::New, first, left, |record| self.bring_up_to_date(spi, source, record))?;
            self.rows += rows;
            left -= rows as i32;
            next = after;
        }
        Ok(next)
    }

    /// `seen` was read without a lock: only if it looks as if there were
    /// something to do is the row locked and looked at again.
    fn bring_up_to_date(&mut self, spi: &Spi, source: &Source, seen: &Record<'_>) -> Result<()> {
        let mut to_do = false;
        let mut left = 0;
        for place in 0..seen.len() {
            match self.due(&seen.pair(place)?)? {
                Due::Nothing => {}
                Due::Leaving => left += 1,
                Due::Encryption | Due::Rewriting => to_do = true,
            }
            to_do |= self.settles(source, place) && due_digest(seen, place)?.is_some();
        }
        if !to_do {
            self.left += left;
            return Ok(());
        }
        let done = source.with_locked(spi, seen.id, false, |record| self.renew(spi, source, record))?;
        if done.is_none() {
            self.locked.push(seen.id);
        }
        Ok(())
    }

    fn settles(&self, source: &Source, place: usize) -> bool {
        self.settles_digests && source.is_digested(place)
    }

    /// Decides about a pair of values. The encrypted one has to open to the plain
    /// one, where that is there. An encrypted one without a plain one stays: it may
    /// be all there is.
    fn due(&self, pair: &Pair<'_>) -> Result<Due> {
        let due = match inspect(pair)? {
            PairState::Empty => Due::Nothing,
            PairState::PlainOnly => Due::Encryption,
            PairState::Readable { written, has_plain, differs, is_bound, .. } => {
                if pair.owner.is_some() && differs {
                    // Somebody else's value is not made this user's.
                    Due::Leaving
                } else if written != Written::Currently
                    || !is_bound
                    || (has_plain && differs)
                    || (self.rewrite && has_another_salt(pair)?)
                {
                    Due::Rewriting
                } else {
                    Due::Nothing
                }
            }
            PairState::Unreadable { has_plain: true } => Due::Rewriting,
            PairState::Unreadable { has_plain: false } => Due::Leaving,
        };
        let fits = pair.plain.as_ref().is_none_or(Plain::can_be_encrypted);
        Ok(match due {
            Due::Encryption | Due::Rewriting if !fits => Due::Leaving,
            due => due,
        })
    }

    fn renew(&mut self, spi: &Spi, source: &Source, record: &Record<'_>) -> Result<()> {
        let mut new: Vec<Option<Vec<u8>>> = vec![None; record.len()];
        let mut size = 0;
        let mut digest = None;
        for place in 0..record.len() {
            let pair = record.pair(place)?;
            if self.settles(source, place) {
                digest = due_digest(record, place)?;
            }
            match self.due(&pair)? {
                Due::Nothing => continue,
                Due::Leaving => {
                    self.left += 1;
                    continue;
                }
                Due::Encryption => self.encrypted += 1,
                Due::Rewriting => self.rewritten += 1,
            }
            let message = memory::scratch(|| encrypted_anew(&pair))?;
            if size > 0 && size + message.len() > STORED_AT_ONCE {
                store(spi, source, record.id, &mut new, None)?;
                size = 0;
            }
            size += message.len();
            new[place] = Some(message);
        }
        if size > 0 || digest.is_some() {
            store(spi, source, record.id, &mut new, digest)?;
        }
        Ok(())
    }
}

/// Stores the new values and forgets them. `updated_at` stays: what a dentist
/// wrote has not changed.
pub(super) fn store(
    spi: &Spi,
    source: &Source,
    id: Uuid,
    new: &mut [Option<Vec<u8>>],
    digest: Option<[u8; 16]>,
) -> Result<()> {
    quiet::updating(source.relation(), || {
        memory::scratch(|| source.store(spi, id, new, digest.as_ref().map(|digest| &digest[..])))
    })?;
    new.fill(None);
    Ok(())
}

/// The plain value encrypted; where there is none, the text of the encrypted one.
pub(super) fn encrypted_anew(pair: &Pair<'_>) -> Result<Vec<u8>> {
    if let Some(plain) = &pair.plain {
        return plain.encrypt(pair.owner);
    }
    let old = pair.encrypted.ok_or_else(|| error::unexpected_null("a value to encrypt"))?;
    let text = keyring::decrypt(old.read(), |text, _| {
        let mut copy = Zeroizing::new(Vec::new());
        copy.try_reserve_exact(text.len()).map_err(|_| error::out_of_memory())?;
        copy.extend_from_slice(text.as_bytes());
        Ok::<_, Error>(copy)
    })?;
    keyring::encrypt(&text?, pair.owner)
}

/// The digest that a row's name is to have, if it has another one: the name
/// was last written under the previous secret.
pub(super) fn due_digest(record: &Record<'_>, place: usize) -> Result<Option<[u8; 16]>> {
    let Some(encrypted) = record.pair(place)?.encrypted else {
        return Ok(None);
    };
    let copy = |text: &str, _| Zeroizing::new(text.as_bytes().to_vec());
    let Some(name) = memory::scratch(|| keyring::open(encrypted, copy))? else {
        return Ok(None);
    };
    let digest = keyring::name_digest(record.owner, &name)?;
    let has_it = record.digest()?.is_some_and(|stored| stored.equals(&digest));
    Ok((!has_it).then_some(digest))
}

enum Due {
    Nothing,
    Encryption,
    Rewriting,
    /// No secret opens it and the plain value is gone, or the plain value is
    /// larger than what may be encrypted.
    Leaving,
}

/// Whether a current value of the sealed layout has not the salt of its owner's values.
fn has_another_salt(pair: &Pair<'_>) -> Result<bool> {
    let (Some(owner), Some(encrypted)) = (pair.owner, pair.encrypted) else {
        return Ok(false);
    };
    memory::scratch(|| Ok(!keyring::has_key_of(encrypted.read(), owner)?))
}
