//! The tables that a change of the schema needs, locked before it begins.
//!
//! A command that takes such locks one after the other, as its statements come,
//! meets clients that lock one table and wait for another: a deadlock, which
//! PostgreSQL may resolve by cancelling the client. So all tables are locked at
//! once, or none.

use std::ffi::{CStr, CString};
use std::thread;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;

use super::TABLES;
use crate::args;
use crate::error::{Error, Result};
use crate::pg::extension;
use crate::pg::roles;
use crate::pg::spi::Spi;
use crate::pg::transaction;

/// How long it is tried before the call fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// After how many milliseconds of waiting the call itself looks for a deadlock.
const LOOK: &CStr = c"5";

/// How long clients have the tables to themselves between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Relations that exist, with their schemas, quoted: views before what they
/// read, as clients lock them.
const FOUND: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) \
       FROM pg_catalog.unnest($1) WITH ORDINALITY AS wanted (name, place) \
       JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(wanted.name) \
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
      WHERE c.relkind IN ('r', 'p', 'v') ORDER BY c.relkind = 'v' DESC, wanted.place";

/// The extension's own tables, which a charge reads and a dump copies.
const RECORDS: &str = "SELECT 'auria.' OPERATOR(pg_catalog.||) c.relname FROM pg_catalog.pg_class c \
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = 'auria' AND c.relkind = 'r'";

/// Locks everything that a migration may change against all use, until the
/// transaction ends. To be called before anything else is locked.
///
/// Errors: 55P03 when something is in use for a minute.
pub fn lock_schema(spi: &Spi) -> Result<()> {
    let public = TABLES.iter().map(|name| format!("public.{name}"));
    let stored = TABLES.iter().map(|name| format!("auria_raw.{name}_raw"));
    let others = ["auth.users", "storage.buckets", "storage.objects"].map(str::to_owned);
    let rows = spi.query_once(RECORDS, &[])?;
    let records: Vec<String> = rows.column()?;
    lock_together(spi, public.chain(stored).chain(others).chain(records))
}

/// Locks those of the relations that exist against all use, until the
/// transaction ends.
///
/// What is in use is waited for while nothing else is held; then all others
/// must follow in what is left of half a `deadlock_timeout`. So nobody who
/// waits for one of the locks waits long enough to look for a deadlock, and to
/// be ended by it; a superuser's call looks for one itself, almost at once. An
/// attempt that fails lets all of them go again.
///
/// Errors: 55P03 when it did not succeed for a minute, or for as long as the
/// session's own `lock_timeout` says.
pub fn lock_together(spi: &Spi, names: impl Iterator<Item = String>) -> Result<()> {
    let mut relations = found(spi, names)?;
    let attempt_time = transaction::deadlock_timeout() / 2;
    let patience = transaction::lock_timeout().unwrap_or(PATIENCE);
    let began = Instant::now();
    loop {
        let deadline = Instant::now() + attempt_time;
        let Some(in_use) = first_in_use(spi, &relations, deadline)? else {
            return Ok(());
        };
        if began.elapsed() >= patience {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
                format!("{} is in use, and nothing was changed", relations[in_use]),
            )
            .hint(
                "It needs all of the schema's tables for a moment: end what holds them for long (pg_dump, an open \
                 transaction; see pg_stat_activity and pg_locks) and call again.",
            ));
        }
        // A table that is locked for long comes first: this waits for it with nothing locked.
        let first = relations.remove(in_use);
        relations.insert(0, first);
        transaction::check_for_interrupts();
        thread::sleep(PAUSE);
    }
}

fn found(spi: &Spi, names: impl Iterator<Item = String>) -> Result<Vec<String>> {
    let names: Vec<String> = names.collect();
    let rows = spi.query_once(FOUND, args![names.as_slice()])?;
    rows.column()
}

/// Locks all, and returns the place of the first that was not to be had: then
/// none is locked.
fn first_in_use(spi: &Spi, relations: &[String], deadline: Instant) -> Result<Option<usize>> {
    let mut place = 0;
    let outcome = transaction::attempt(|| {
        for relation in relations {
            lock_until(spi, relation, deadline)?;
            place += 1;
        }
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(None),
        Err(caught)
            if caught.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
                || caught.code == PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED =>
        {
            Ok(Some(place))
        }
        Err(caught) => caught.raise(),
    }
}

fn lock_until(spi: &Spi, relation: &str, deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    // 0 would mean to wait without end.
    let milliseconds = CString::new(left.as_millis().max(1).to_string()).unwrap_or_default();
    let mut settings = vec![(c"lock_timeout", milliseconds.as_c_str())];
    if roles::is_superuser(roles::effective()) {
        settings.push((c"deadlock_timeout", LOOK));
    }
    extension::with_settings(&settings, || {
        spi.execute_script(&format!("LOCK TABLE {relation} IN ACCESS EXCLUSIVE MODE"))
    })
}
