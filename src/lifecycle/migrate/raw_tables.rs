//! Databases in which the original has brought patient data to `public.*_raw`,
//! with views in their place that decrypt.
//!
//! Such a table gets its name back, with its plain columns where they are
//! missing, empty: no value is decrypted for it. Then the migrations meet what
//! they know, and the tables are sealed at the end of the same transaction.

use pgrx::PgSqlErrorCode;

use super::functions;
use super::run::Run;
use super::warnings::{self, Report};
use crate::args;
use crate::error::{self, Error, Result};
use crate::guc::{self, AdoptFunctions};
use crate::lifecycle::sealing::tables;
use crate::pg::spi::Spi;
use crate::phi::columns::{PhiTable, TABLES};
use crate::phi::{self, leftovers};
use crate::schema::owner::{self, Owner};

/// The tables that the original brought to `public.*_raw`, by the names that
/// its views have.
pub fn found(spi: &Spi) -> Result<Vec<&'static PhiTable>> {
    let encrypted = TABLES.iter().flat_map(|table| table.columns).map(|column| column.encrypted);
    let encrypted: Vec<String> = encrypted.map(|column| column.to_string_lossy().into_owned()).collect();
    let names = TABLES.map(|table| table.name);
    let rows = spi.query_once(include_str!("raw_tables.sql"), args![names.as_slice(), encrypted.as_slice()])?;
    let names: Vec<String> = rows.column()?;
    Ok(TABLES.into_iter().filter(|table| names.iter().any(|name| name == table.name)).collect())
}

/// Refuses (2BP01) what would be lost with the original's views.
pub fn refuse_obstacles(spi: &Spi) -> Result<()> {
    for table in found(spi)? {
        let view = format!("public.{}", table.name);
        let rows =
            spi.query_once(include_str!("raw_obstacles.sql"), args![&view, trigger_functions(table).as_slice()])?;
        if let Some(row) = rows.first() {
            let object: String = row.expect(1)?;
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
                format!("will not replace view {view}: {object} depends on it"),
            )
            .detail(format!("{} such objects were found; nothing was changed.", rows.len()))
            .hint(
                "Keep its definition, drop it, create the extension again, and then make it \
                 again: the new view has the same columns.",
            ));
        }
    }
    Ok(())
}

/// Gives each of these tables its name back. The original's views go, with
/// their trigger functions; what goes is kept in `auria.replaced_functions`.
pub fn bring_back(run: &mut Run<'_>) -> Result<()> {
    run.raw = found(run.spi)?;
    let Run { spi, owner, report, .. } = run;
    for table in &run.raw {
        let name = table.name;
        let grants = statements(spi, include_str!("raw_grants.sql"), name)?;
        for column in missing_from_table(spi, name)? {
            report.warn(format!(
                "column {column} of view public.{name} is no column of its table and was dropped; \
                 the view's definition is kept in auria.replaced_functions"
            ));
        }
        keep_view(spi, name)?;
        spi.execute_script(&format!("DROP VIEW IF EXISTS public.{name}"))?;
        for function in trigger_functions(table) {
            drop_trigger_function(spi, &function, report)?;
        }
        spi.execute_script(&format!("ALTER TABLE public.{name}_raw RENAME TO {name}"))?;
        for column in table.columns {
            let plain = column.plain.to_string_lossy();
            let kind = column.kind.sql();
            spi.execute_script(&format!(
                "ALTER TABLE public.{name} ADD COLUMN IF NOT EXISTS {plain} pg_catalog.{kind}; \
                 ALTER TABLE public.{name} ALTER COLUMN {plain} DROP NOT NULL"
            ))?;
        }
        for grant in grants {
            spi.execute_script(&grant)?;
        }
        owner::take_ownership(spi, owner)?;
    }
    Ok(())
}

/// Reports the functions that go on naming these tables, once those that this
/// installation replaces are replaced.
pub fn report_mentions(run: &mut Run<'_>) -> Result<()> {
    for PhiTable { name, .. } in &run.raw {
        for function in mentioning(run.spi, &format!("{name}_raw"))? {
            run.report.warn(format!(
                "the body of function {function} has the word {name}_raw, a table that is in schema \
                 auria_raw now: change the function so that it uses view public.{name}"
            ));
        }
    }
    Ok(())
}

/// Seals the tables with patient data, where raw tables were brought back.
pub fn seal(run: &mut Run<'_>) -> Result<()> {
    let Run { spi, owner, report, sealed, .. } = run;
    if run.raw.is_empty() {
        return Ok(());
    }
    encrypt_leftovers(spi, owner, report)?;
    let open = TABLES.into_iter().filter(|table| !sealed.iter().any(|one| one.name == table.name));
    let found = warnings::collected(|| owner.act(|| open.into_iter().try_for_each(|table| tables::seal(spi, table))))?;
    report.warnings.extend(found);
    Ok(())
}

/// Encrypts what is still plain in the tables with patient data, so that they
/// can be sealed.
///
/// # Errors
/// 55000 where no encrypted value opens: the key is another one.
fn encrypt_leftovers(spi: &Spi, owner: &Owner, report: &mut Report) -> Result<()> {
    let mut all = Vec::new();
    for source in &phi::sources(spi)? {
        let found = owner.act(|| leftovers::encrypt(spi, source))?;
        let table = source.table.name;
        if found.differing > 0 {
            report.warn(format!(
                "{} plain values of table {table} said something else than the encrypted ones that clients read: \
                 the encrypted ones were kept",
                found.differing
            ));
        }
        if found.unreadable > 0 {
            report.warn(format!(
                "{} encrypted values of table {table} open with no key: SELECT * FROM auria.phi_status()",
                found.unreadable
            ));
        }
        all.push(found);
    }
    if all.iter().any(|found| found.unreadable > 0) && all.iter().all(|found| found.readable == 0) {
        return Err(error::phi_key_of_other_data());
    }
    Ok(())
}

/// The trigger functions that the original made for the view of this table.
fn trigger_functions(table: &PhiTable) -> [String; 3] {
    ["insert", "update", "delete"].map(|event| format!("public.{}_view_{event}()", table.name))
}

fn statements(spi: &Spi, query: &str, name: &str) -> Result<Vec<String>> {
    let rows = spi.query_once(query, args![name])?;
    rows.column()
}

/// The columns of the view that its table has neither plain nor encrypted.
fn missing_from_table(spi: &Spi, name: &str) -> Result<Vec<String>> {
    statements(spi, include_str!("raw_columns.sql"), name)
}

fn keep_view(spi: &Spi, name: &str) -> Result<()> {
    owner::as_owner_of_record(spi, "auria.replaced_functions", || {
        spi.execute(include_str!("keep_view.sql"), args![name])
    })
    .map(drop)
}

/// Drops a trigger function of a view that is gone, if the original shipped it
/// or `auria.adopt_functions` says so.
fn drop_trigger_function(spi: &Spi, signature: &str, report: &mut Report) -> Result<()> {
    let Some(body) = functions::body(spi, signature)? else {
        return Ok(());
    };
    if !body.is_known(signature) && guc::adopt_functions() != AdoptFunctions::All {
        report.warn(format!(
            "function {signature} is not one that AURIA shipped and was left unchanged, but nothing calls it any \
             more: unless something needs it, run DROP FUNCTION {signature}"
        ));
        return Ok(());
    }
    if functions::has_dependants(spi, body.oid)? {
        report.warn(format!("function {signature} was left unchanged: other objects depend on it"));
        return Ok(());
    }
    functions::keep(spi, body.oid, signature)?;
    spi.execute_script(&format!("DROP FUNCTION {signature}"))
}

/// The functions of `public` whose bodies are strings that have this word.
fn mentioning(spi: &Spi, word: &str) -> Result<Vec<String>> {
    statements(
        spi,
        "SELECT p.oid::pg_catalog.regprocedure::text \
           FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
          WHERE p.pronamespace = 'public'::pg_catalog.regnamespace AND l.lanname NOT IN ('c', 'internal') \
            AND p.prosrc OPERATOR(pg_catalog.~) ('\\m' || $1 || '\\M') \
          ORDER BY 1",
        word,
    )
}
