//! The functions of schema `public`: ordinary functions of the schema's owner,
//! tied to the extension and no members of it, so that a team may replace them
//! and the replacement is dumped, restored and kept.
//!
//! Language, library and symbol decide whether a function is the extension's, not
//! the tie: CREATE OR REPLACE removes that.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;

use super::Scope;
use super::run::Run;
use super::warnings::Report;
use crate::args;
use crate::error::{Error, Result};
use crate::guc::{self, AdoptFunctions};
use crate::pg::spi::{Spi, quoted_literal};
use crate::schema::functions::overloads;
use crate::schema::owner::{Owner, as_owner_of_record};
use crate::schema::{COVERED_BODIES, FUNCTIONS, Function};

/// When a function that is not the compiled one is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replace {
    /// When the original shipped it, or all of them where
    /// `auria.adopt_functions` says so: CREATE EXTENSION.
    Adopted,
    /// Never, and a function that a team dropped is not made again: UPDATE.
    Nothing,
    /// Always: `auria.migrate(again => true)`, `auria.restore_function()`.
    Everything,
}

/// A function that exists, and what its body is known by.
pub struct Body {
    /// The function.
    pub oid: pg_sys::Oid,
    md5: String,
    md5_without_cr: String,
}

impl Body {
    /// Whether it is one that the original shipped under this signature, and
    /// that the extension covers.
    pub fn is_known(&self, signature: &str) -> bool {
        COVERED_BODIES
            .iter()
            .any(|body| body.signature == signature && (body.md5 == self.md5 || body.md5 == self.md5_without_cr))
    }
}

/// What stands under the signature of a managed function.
struct Existing {
    /// Whether it is the library's.
    is_compiled: bool,
    body: Body,
    /// Whether CREATE OR REPLACE could replace it.
    is_replaceable: bool,
    /// Whether it is a function at all, not a procedure or an aggregate.
    is_function: bool,
}

/// Makes every function that is missing, and brings those that exist up to
/// date as the scope asks.
pub fn ensure(run: &mut Run<'_>) -> Result<()> {
    let Run { spi, owner, report, .. } = run;
    let replace = match run.scope {
        Scope::Install => Replace::Adopted,
        Scope::Pending | Scope::Layout => Replace::Nothing,
        Scope::Again => Replace::Everything,
    };
    for function in FUNCTIONS {
        ensure_one(spi, function, owner, replace, report)?;
    }
    if replace == Replace::Adopted {
        for overload in overloads(spi)? {
            report.warn(overload);
        }
    }
    Ok(())
}

/// Makes or replaces one function.
pub fn ensure_one(spi: &Spi, function: &Function, owner: &Owner, replace: Replace, report: &mut Report) -> Result<()> {
    let signature = function.signature;
    let Some(existing) = existing(spi, function)? else {
        if replace == Replace::Nothing && owner.act(|| was_installed(spi, function))? {
            report.inform(format!(
                "function {signature} was dropped and is not made again; to restore it, run {}",
                function.restore_statement()
            ));
            return Ok(());
        }
        create(spi, function, owner)?;
        spi.execute_script(function.access)?;
        if replace == Replace::Everything {
            report.inform(format!("function {signature} was restored"));
        }
        return Ok(());
    };
    if existing.is_compiled {
        create(spi, function, owner)?;
        if replace != Replace::Nothing {
            spi.execute_script(function.access)?;
        }
        return Ok(());
    }
    let is_replaced = match replace {
        Replace::Everything => true,
        Replace::Nothing => false,
        Replace::Adopted => existing.body.is_known(signature) || guc::adopt_functions() == AdoptFunctions::All,
    };
    if !is_replaced {
        let text = format!(
            "function {signature} is not one that AURIA shipped and was left unchanged; \
             to replace it, run {}",
            function.restore_statement()
        );
        if replace == Replace::Adopted {
            report.warn(text);
        } else {
            report.inform(text);
        }
        return let_owner_execute(spi, function, owner);
    }
    if !existing.is_function || !existing.is_replaceable && has_dependants(spi, existing.body.oid)? {
        report.warn(format!(
            "function {signature} was left unchanged: its declaration differs and other objects \
             depend on it; drop it, then run {}",
            function.restore_statement()
        ));
        return let_owner_execute(spi, function, owner);
    }
    keep(spi, existing.body.oid, signature)?;
    if !existing.is_replaceable {
        spi.execute_script(&format!("DROP FUNCTION {signature}"))?;
    }
    create(spi, function, owner)?;
    spi.execute_script(function.access)?;
    if replace == Replace::Everything {
        report.inform(format!(
            "function {signature} was replaced by the shipped one; its definition is kept in auria.replaced_functions"
        ));
    }
    Ok(())
}

/// CREATE OR REPLACE as the superuser who calls, since C functions are theirs
/// to make; then the function goes to the schema's owner and is tied.
fn create(spi: &Spi, function: &Function, owner: &Owner) -> Result<()> {
    let signature = function.signature;
    let (library, _) = library_and_extension(spi)?;
    spi.execute_script(&function.create.replace("'MODULE_PATHNAME'", &quoted_literal(&library)))?;
    spi.execute_script(&format!("ALTER FUNCTION {signature} OWNER TO {}", owner.quoted()))?;
    tie(spi, signature, true)?;
    owner.act(|| {
        spi.query_once(
            "INSERT INTO auria.installed_functions (signature) VALUES ($1) ON CONFLICT DO NOTHING",
            args![signature],
        )
    })?;
    Ok(())
}

/// Makes DROP EXTENSION drop a function, or leave it.
pub fn tie(spi: &Spi, signature: &str, tied: bool) -> Result<()> {
    let (_, extension) = library_and_extension(spi)?;
    let no = if tied { "" } else { "NO " };
    spi.execute_script(&format!("ALTER FUNCTION {signature} {no}DEPENDS ON EXTENSION {extension}"))
}

/// The library, and the extension that owns this call's functions: it may have
/// been created under either of its names.
fn library_and_extension(spi: &Spi) -> Result<(String, String)> {
    let rows = spi.query_once(include_str!("library.sql"), &[])?;
    match rows.first() {
        Some(row) => Ok((row.expect(1)?, row.expect(2)?)),
        None => Err(Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the extension auria is not installed in this database",
        )
        .hint("Run CREATE EXTENSION auria CASCADE.")),
    }
}

fn existing(spi: &Spi, function: &Function) -> Result<Option<Existing>> {
    let rows =
        spi.query_once(include_str!("existing.sql"), args![function.signature, function.returns, function.arguments])?;
    let (Some(row), Some(body)) = (rows.first(), body(spi, function.signature)?) else {
        return Ok(None);
    };
    Ok(Some(Existing {
        is_compiled: row.get(1)?.unwrap_or(false),
        body,
        is_replaceable: row.get(2)?.unwrap_or(false),
        is_function: row.expect(3)?,
    }))
}

/// The function of this signature, if there is one.
pub fn body(spi: &Spi, signature: &str) -> Result<Option<Body>> {
    let rows = spi.query_once(
        "SELECT p.oid, pg_catalog.md5(p.prosrc), \
                pg_catalog.md5(pg_catalog.replace(p.prosrc, E'\\r', '')) \
           FROM pg_catalog.pg_proc p WHERE p.oid = pg_catalog.to_regprocedure($1)",
        args![signature],
    )?;
    rows.first()
        .map(|row| Ok(Body { oid: row.expect(1)?, md5: row.expect(2)?, md5_without_cr: row.expect(3)? }))
        .transpose()
}

/// Whether something would have to go with the function.
pub fn has_dependants(spi: &Spi, function: pg_sys::Oid) -> Result<bool> {
    spi.exists(
        "SELECT FROM pg_catalog.pg_depend d \
                         WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
                           AND d.refobjid = $1 AND d.deptype IN ('n', 'a', 'i')",
        args![function],
    )
}

/// Keeps the definition of what is about to be replaced, for
/// [`way_back`](crate::lifecycle::way_back): with the rights of the record's
/// owner, a superuser, since whoever writes it chooses whose rights code gets
/// there.
pub fn keep(spi: &Spi, function: pg_sys::Oid, signature: &str) -> Result<()> {
    as_owner_of_record(spi, "auria.replaced_functions", || {
        spi.execute(
            "INSERT INTO auria.replaced_functions (signature, definition, owner) \
             SELECT $2, pg_catalog.pg_get_functiondef(p.oid), r.rolname \
               FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_roles r ON r.oid = p.proowner \
              WHERE p.oid = $1",
            args![function, signature],
        )
    })
    .map(drop)
}

fn was_installed(spi: &Spi, function: &Function) -> Result<bool> {
    spi.exists("SELECT FROM auria.installed_functions WHERE signature = $1", args![function.signature])
}

/// To make a trigger, the owner needs EXECUTE on its function, which stays
/// with another role.
fn let_owner_execute(spi: &Spi, function: &Function, owner: &Owner) -> Result<()> {
    let may_execute = spi.exists(
        "SELECT WHERE pg_catalog.has_function_privilege($1, $2::pg_catalog.regprocedure, 'EXECUTE')",
        args![&owner.name, function.signature],
    )?;
    if function.returns != "trigger" || may_execute {
        return Ok(());
    }
    spi.execute_script(&format!("GRANT EXECUTE ON ROUTINE {} TO {}", function.signature, owner.quoted()))
}
