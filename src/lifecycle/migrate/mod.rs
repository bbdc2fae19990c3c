//! `auria.migrate()`: applying the migrations and keeping the record.
//!
//! | file | what |
//! |---|---|
//! | `steps` | the table of steps: start here |
//! | `run` | what the steps work on and leave behind |
//! | `platform` | stand-ins for what Supabase would have brought |
//! | `due` | which migrations are due, and how they are applied |
//! | `sections` | with whose rights the parts of a migration run |
//! | `record` | `auria.migrations` |
//! | `raw_tables` | patient data that the original has brought to `public.*_raw` |
//! | `buckets` | buckets of a file store that cannot make them public yet |
//! | `columns` | columns that may be NULL and must not, or have no default |
//! | `ensure` | the functions with which migrations make constraints and indexes on tables that hold rows |
//! | `foreign_key`, `unique`, `index` | how each of these is made there, with its table and name (`target`) |
//! | `rules` | rules that old rows break |
//! | `functions` | making, adopting and restoring the functions of `public` |
//! | `ledger` | a ledger that is older than the extension |
//! | `policies` | policies that the database had before, and a check of those in force |
//! | `warnings` | what the DBA must act on |

mod buckets;
mod columns;
mod due;
mod ensure;
mod foreign_key;
pub mod functions;
mod index;
mod ledger;
pub mod platform;
pub mod policies;
pub mod raw_tables;
pub mod record;
mod rules;
mod run;
mod sections;
mod steps;
mod target;
mod unique;
mod warnings;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use self::functions::Replace;
use self::run::{Applied, Run};
use self::warnings::Report;
use crate::args;
use crate::error::{self, Error, Result};
use crate::pg::advisory::{self, Lock};
use crate::pg::extension;
use crate::pg::roles::require_superuser;
use crate::pg::spi::{self, Spi};
use crate::pg::transaction;
use crate::schema::citus;
use crate::schema::owner::Owner;
use crate::schema::{FUNCTIONS, Function, SIGNATURES};

/// What to apply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// All migrations, over whatever exists: CREATE EXTENSION.
    Install,
    /// The migrations that the record does not hold: UPDATE.
    Pending,
    /// All migrations, and the functions as they are: the layout has changed.
    Layout,
    /// All migrations and functions, as they were shipped.
    Again,
}

/// What a call of [`run()`] did.
pub struct Outcome {
    applied: Vec<Applied>,
    /// What concerns no migration: functions and policies.
    pub report: Report,
    /// The role that owns the schema.
    pub owner: Owner,
}

/// Applies the migrations that the record does not hold, in order, and returns
/// one row for each: its number, its name, and its warnings. Nothing pending,
/// no row. With `again`, applies all of them once more and restores every
/// function as shipped: they are safe to repeat, and restore policies, grants,
/// triggers and defaults that were lost, and indexes of another definition. What concerns a function or a policy
/// is a row without a number.
///
/// Superusers only (42501). 0A000 when pg_trgm is missing. 55P03 when a table is
/// in use for a minute, or for as long as the session's `lock_timeout` says:
/// all tables of the schema are locked first, at once.
#[pg_extern(sql = false)]
fn migrate(
    again: Option<bool>,
) -> Result<
    TableIterator<'static, (name!(number, Option<i32>), name!(name, String), name!(warnings, String))>,
    ErrorReport,
> {
    let again = error::required(again, "auria.migrate", "again")?;
    let scope = if again { Scope::Again } else { Scope::Pending };
    let outcome = run(scope)?;
    let mut rows: Vec<_> = outcome
        .applied
        .into_iter()
        .map(|migration| (Some(migration.number), migration.name.to_owned(), migration.warnings.join("\n")))
        .collect();
    let report = outcome.report;
    if scope == Scope::Pending {
        for text in report.information {
            extension::inform(&text);
        }
    } else {
        rows.extend(report.information.into_iter().map(|text| (None, text, String::new())));
    }
    rows.extend(report.warnings.into_iter().map(|text| (None, "warning".to_owned(), text)));
    Ok(TableIterator::new(rows))
}

/// Restores one function of schema `public` as it was shipped. What stood
/// there is kept in `auria.replaced_functions`.
///
/// Superusers only (42501). 42883 for a function that is not managed.
#[pg_extern(sql = false)]
fn restore_function(p_function: Option<&str>) -> Result<(), ErrorReport> {
    let name = error::required(p_function, "auria.restore_function", "p_function")?;
    require_superuser("auria.restore_function")?;
    let function = spi::connected(|spi| managed_function(spi, name))?;
    advisory::lock(Lock::Migration, 0);
    let mut report = Report::default();
    quietly(|spi| functions::ensure_one(spi, function, &Owner::of(spi)?, Replace::Everything, &mut report))?;
    for text in report.warnings {
        extension::warn(&text);
    }
    Ok(())
}

/// The managed function that this text names, however its types are written.
fn managed_function(spi: &Spi, name: &str) -> Result<&'static Function> {
    let unspaced = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
    let is_written_so = |function: &&Function| {
        let signature = unspaced(function.signature);
        signature == unspaced(name) || signature == format!("public.{}", unspaced(name))
    };
    // A function that was dropped is found by its text alone.
    let function = match FUNCTIONS.iter().find(is_written_so) {
        Some(function) => Some(function),
        None => {
            let rows = spi.query_once(
                "SELECT signature FROM pg_catalog.unnest($1) AS signature \
                  WHERE pg_catalog.to_regprocedure(signature) = pg_catalog.to_regprocedure($2)",
                args![SIGNATURES, name],
            )?;
            let signature: Option<String> = rows.one()?;
            FUNCTIONS.iter().find(|function| Some(function.signature) == signature.as_deref())
        }
    };
    function.ok_or_else(|| {
        Error::new(PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION, "no managed function has this signature")
            .hint("Name the function as SELECT * FROM auria.doctor() does, such as public.use_credits(uuid,text).")
    })
}

/// Migrates, and raises a WARNING for everything that the DBA must act on.
pub fn run(scope: Scope) -> Result<Outcome> {
    require_superuser("auria.migrate")?;
    extension::require_utf8()?;
    advisory::lock(Lock::Migration, 0);
    let outcome = quietly(|spi| {
        let Run { applied, report, owner, .. } = steps::run(spi, scope)?;
        Ok(Outcome { applied, report, owner })
    })?;
    for migration in &outcome.applied {
        for warning in &migration.warnings {
            extension::warn(&format!("migration {}: {warning}", migration.name));
        }
    }
    for warning in &outcome.report.warnings {
        extension::warn(warning);
    }
    Ok(outcome)
}

/// Runs `work` so that what it makes belongs to no extension and stays on this server, with a fixed
/// search path, and without the notices of IF NOT EXISTS.
pub fn quietly<T>(work: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    extension::outside_of_extension(|| {
        extension::with_settings(
            &[
                (c"client_min_messages", c"warning"),
                // SQL functions are made before the tables they read.
                (c"check_function_bodies", c"off"),
            ],
            || {
                // What is written and compared here does not depend on the session.
                extension::with_settings(extension::AS_COMPARED, || {
                    extension::with_settings(citus::settings(), || {
                        spi::connected(|spi| {
                            transaction::check_constraints_now();
                            work(spi)
                        })
                    })
                })
            },
        )
    })
}
