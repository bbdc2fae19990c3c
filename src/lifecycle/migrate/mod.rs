//! `auria.migrate()`: applying the migrations and keeping the record.
//!
//! A migration runs as the schema's owner, so that a team's trigger, default
//! or function that it meets never has a superuser's rights. What needs other
//! rights stands in a section of its own, which begins with one of the lines
//!
//! ```text
//! -- @as superuser
//! -- @as owner of storage.buckets
//! -- @as schema owner
//! ```
//!
//! | file | what |
//! |---|---|
//! | `platform` | stand-ins for what Supabase would have brought |
//! | `raw_tables` | patient data that the original has brought to `public.*_raw` |
//! | `columns` | columns that may be NULL and must not, or have no default |
//! | `ensure` | constraints and indexes on tables that hold rows |
//! | `rules` | rules that old rows break |
//! | `functions` | making, adopting and restoring the functions of `public` |
//! | `policies` | policies that the database had before |
//! | `warnings` | what the DBA must act on |

mod columns;
pub mod ensure;
pub mod functions;
mod ledger;
pub mod platform;
mod policies;
pub mod raw_tables;
mod rules;
pub mod warnings;

use crate::pg::roles::require_superuser;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use sha2::{Digest, Sha256};

use self::functions::Replace;
use self::warnings::Report;
use super::sealing::{reopen, tables};
use crate::args;
use crate::error::{self, Error, Result};
use crate::pg::spi::{self, Spi};
use crate::pg::transaction::{self, Lock};
use crate::pg::{extension, roles};
use crate::phi::columns::{PhiTable, TABLES};
use crate::phi::layout;
use crate::schema::locks;
use crate::schema::owner::{self, Owner};
use crate::schema::{FUNCTIONS, MIGRATIONS, Migration, access};

/// What stands in a migration for the schema of pg_trgm, in the notation that
/// PostgreSQL 16 introduced for extension scripts.
const TRIGRAM_SCHEMA: &str = "@extschema:pg_trgm@";

/// The migration that gives plans their credits, and those that exist already
/// none.
const CREDITS: i32 = 6;

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

impl Scope {
    fn functions(self) -> Replace {
        match self {
            Self::Install => Replace::Adopted,
            Self::Pending | Self::Layout => Replace::Nothing,
            Self::Again => Replace::Everything,
        }
    }
}

/// One migration that was applied.
struct Applied {
    number: i32,
    name: &'static str,
    warnings: Vec<String>,
}

/// What a call of [`run`] did.
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
    transaction::lock(Lock::Migration, 0);
    let mut report = Report::default();
    quietly(|spi| {
        let owner = Owner::named(owner::determine(spi)?);
        functions::ensure_one(spi, function, &owner, Replace::Everything, &mut report)
    })?;
    for text in report.warnings {
        extension::warn(&text);
    }
    Ok(())
}

/// The managed function that this text names, however its types are written.
fn managed_function(spi: &Spi, name: &str) -> Result<&'static crate::schema::Function> {
    let unspaced = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
    for function in FUNCTIONS {
        let same = unspaced(function.signature) == unspaced(name)
            || unspaced(function.signature) == format!("public.{}", unspaced(name))
            || spi.exists(
                "SELECT WHERE pg_catalog.to_regprocedure($1) = pg_catalog.to_regprocedure($2)",
                args![function.signature, name],
            )?;
        if same {
            return Ok(function);
        }
    }
    Err(Error::new(PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION, "no managed function has this signature")
        .hint("Name the function as SELECT * FROM auria.doctor() does, such as public.use_credits(uuid,text)."))
}

/// Migrates, and raises a WARNING for everything that the DBA must act on.
pub fn run(scope: Scope) -> Result<Outcome> {
    require_superuser("auria.migrate")?;
    extension::require_utf8()?;
    transaction::lock(Lock::Migration, 0);
    let outcome = quietly(|spi| apply(spi, scope))?;
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

/// Runs `work` so that what it makes belongs to no extension, with a fixed
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
                    spi::connected(|spi| {
                        // A deferred trigger is refused under the owner's rights,
                        // for it would run later with the caller's.
                        spi.execute_script("SET CONSTRAINTS ALL IMMEDIATE")?;
                        work(spi)
                    })
                })
            },
        )
    })
}

fn apply(spi: &Spi, scope: Scope) -> Result<Outcome> {
    let trigram_schema = trigram_schema(spi)?;
    locks::lock_schema(spi)?;
    platform::ensure_roles(spi)?;
    let owner = platform::ensure_owner(spi, owner::determine(spi)?)?;
    platform::ensure_records(spi)?;
    platform::ensure_schemas(spi, &owner)?;
    tables::ensure_schema(spi, &owner)?;
    owner::take_ownership(spi, &owner)?;
    owner::grant_foundation(spi, &owner, &trigram_schema)?;
    let recorded = owner.act(|| recorded(spi))?;
    let due: Vec<&Migration> = MIGRATIONS
        .iter()
        .filter(|migration| scope != Scope::Pending || !recorded.contains(&migration.number))
        .collect();

    let mut report = Report::default();
    let raw = match scope {
        Scope::Install => raw_tables::found(spi)?,
        Scope::Pending | Scope::Layout | Scope::Again => Vec::new(),
    };
    raw_tables::rename(spi, &owner, &raw, &mut report)?;
    functions::ensure(spi, &owner, scope.functions(), &mut report)?;
    raw_tables::report_mentions(spi, &raw, &mut report)?;
    if scope == Scope::Install {
        policies::drop_original(spi, &owner)?;
    }

    let sealed = layout::sealed(spi)?;
    if due.is_empty() {
        reopen::refresh(spi, &owner, &sealed)?;
    } else {
        reopen::open(spi, &owner, &sealed)?;
    }
    let mut applied = Vec::new();
    for &migration in &due {
        let sql = migration.sql.replace(TRIGRAM_SCHEMA, &trigram_schema);
        let mut warnings = ensure::collecting_warnings(|| {
            ensure::restoring(scope == Scope::Again, || run_sections(spi, &sql, &owner))
        })?;
        let stored: &[&PhiTable] = if raw.is_empty() { &sealed } else { &TABLES };
        warnings = warnings.into_iter().map(|warning| layout::naming_stored(&warning, stored)).collect();
        owner.act(|| {
            if migration.number == CREDITS {
                warnings.extend(sold_without_credits(spi)?);
            }
            record(spi, migration, &warnings)
        })?;
        applied.push(Applied { number: migration.number, name: migration.name, warnings });
    }
    if matches!(scope, Scope::Install | Scope::Again) {
        owner.act(|| columns::ensure(spi, scope, &mut report))?;
    }
    if !due.is_empty() {
        let warnings = ensure::collecting_warnings(|| reopen::close(spi, &owner, &sealed, scope != Scope::Pending))?;
        warnings.into_iter().for_each(|warning| report.warn(warning));
    }
    if !raw.is_empty() {
        raw_tables::encrypt_leftovers(spi, &owner, &mut report)?;
        let warnings = ensure::collecting_warnings(|| {
            owner.act(|| {
                let open = TABLES.into_iter().filter(|table| !sealed.iter().any(|one| one.name == table.name));
                open.into_iter().try_for_each(|table| tables::seal(spi, table))
            })
        })?;
        warnings.into_iter().for_each(|warning| report.warn(warning));
    }
    for name in owner.act(|| rules::promote(spi))? {
        report.inform(format!("no row breaks rule {name} any more: it is a constraint now"));
    }
    if scope == Scope::Again {
        revoke_excesses(spi)?;
    }
    if scope == Scope::Install {
        for warning in policies::over_permissive(spi)? {
            report.warn(warning);
        }
    }
    Ok(Outcome { applied, report, owner })
}

/// Takes from the API roles what they may do beyond the access rules: on members of the
/// extension as well, which no migration makes again.
fn revoke_excesses(spi: &Spi) -> Result<()> {
    let functions: Vec<_> = FUNCTIONS.iter().map(|function| function.signature).collect();
    let in_force = access::remaining_grants(spi, &functions)?;
    access::excesses(&in_force).iter().try_for_each(|excess| spi.execute_script(&excess.revoke_statement()))
}

/// Whose rights a section of a migration has.
enum Rights<'a> {
    SchemaOwner,
    Superuser,
    OwnerOf(&'a str),
}

impl<'a> Rights<'a> {
    fn named(name: &'a str) -> Result<Self> {
        match name.strip_prefix("owner of ") {
            Some(relation) => Ok(Self::OwnerOf(relation)),
            None if name == "superuser" => Ok(Self::Superuser),
            None if name == "schema owner" => Ok(Self::SchemaOwner),
            None => Err(Error::new(
                PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
                format!("a migration has a section for \"{name}\""),
            )),
        }
    }
}

/// Runs a migration, each section with its rights.
fn run_sections(spi: &Spi, sql: &str, owner: &Owner) -> Result<()> {
    const MARK: &str = "\n-- @as ";
    let mut sections = sql.split(MARK);
    let first = sections.next().unwrap_or_default();
    owner.act(|| spi.execute_script(first))?;
    for section in sections {
        let (rights, sql) = section.split_once('\n').unwrap_or((section, ""));
        match Rights::named(rights.trim())? {
            Rights::SchemaOwner => owner.act(|| spi.execute_script(sql))?,
            Rights::Superuser => spi.execute_script(sql)?,
            Rights::OwnerOf(relation) => {
                let role = owner_of(spi, relation)?;
                roles::acting_as(role, || spi.execute_script(sql))?;
            }
        }
    }
    Ok(())
}

fn owner_of(spi: &Spi, relation: &str) -> Result<pg_sys::Oid> {
    let rows = spi.query_once(
        "SELECT relowner FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)",
        args![relation],
    )?;
    match rows.first() {
        Some(row) => row.expect(1),
        None => Err(error::unexpected_null("a relation of a migration")),
    }
}

/// Plans that somebody pays for and that grant nothing. How much they should
/// grant is for their seller to say: a row that exists is never overwritten.
fn sold_without_credits(spi: &Spi) -> Result<Vec<String>> {
    let rows = spi.query_once(
        "SELECT pg_catalog.format('plan %s is sold and grants no credits: if it should, run \
                                   UPDATE public.subscription_plans SET credits_per_month = N WHERE id = %L', id, id) \
           FROM public.subscription_plans \
          WHERE is_active AND price_monthly > 0 AND credits_per_month = 0 ORDER BY id",
        &[],
    )?;
    rows.column()
}

fn recorded(spi: &Spi) -> Result<Vec<i32>> {
    let rows = spi.query_once("SELECT number FROM auria.migrations", &[])?;
    rows.column()
}

fn record(spi: &Spi, migration: &Migration, warnings: &[String]) -> Result<()> {
    spi.execute(
        "INSERT INTO auria.migrations (number, name, sha256, warnings) VALUES ($1, $2, $3, NULLIF($4, '')) \
         ON CONFLICT (number) DO UPDATE \
            SET name = excluded.name, sha256 = excluded.sha256, warnings = excluded.warnings",
        args![migration.number, migration.name, &checksum(migration), &warnings.join("\n")],
    )?;
    Ok(())
}

/// The SHA-256 of a migration file, in hexadecimal.
pub fn checksum(migration: &Migration) -> String {
    hex::encode(Sha256::digest(migration.sql))
}

/// The schema where pg_trgm lives, quoted for use in SQL.
fn trigram_schema(spi: &Spi) -> Result<String> {
    let rows = spi.query_once(
        "SELECT pg_catalog.quote_ident(n.nspname) \
           FROM pg_catalog.pg_extension e \
           JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
          WHERE e.extname = 'pg_trgm'",
        &[],
    )?;
    match rows.first() {
        Some(row) => row.expect(1),
        None => Err(Error::new(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, "the extension pg_trgm is missing")
            .hint("Run CREATE EXTENSION pg_trgm, in whichever schema you keep extensions.")),
    }
}
