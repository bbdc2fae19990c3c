//! CREATE EXTENSION: the two steps of its script.
//!
//! | file | what |
//! |---|---|
//! | `trust` | whether what exists may be taken over, called or fired |
//! | `version` | whether library and extension have the same version |
//! | `preflight` | what has the name of a managed object and cannot become it |

mod preflight;
pub mod trust;
pub mod version;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::migrate::{self, Scope, platform, raw_tables};
use crate::error::{Error, Result};
use crate::pg::spi::Spi;
use crate::pg::{extension, spi};
use crate::phi;
use crate::schema::locks;
use crate::schema::{FUNCTIONS, TABLES, access, owner};

/// The first step of the install script: refuses a database in another encoding
/// than UTF8 (0A000), and what must not be trusted or cannot be taken over, and makes the roles that are missing.
///
/// 55000 outside of an extension script.
#[pg_extern(sql = false)]
fn prepare_install() -> Result<(), ErrorReport> {
    require_script("auria.prepare_install")?;
    extension::require_utf8()?;
    spi::connected(|spi| {
        if !extension::is_restore() {
            trust::refuse_untrusted(spi)?;
            preflight::refuse(spi)?;
            raw_tables::refuse_obstacles(spi)?;
        }
        Ok(())
    })?;
    let is_restore = extension::is_restore();
    migrate::quietly(|spi| {
        platform::ensure_roles(spi)?;
        if is_restore {
            // The dump gives its tables to this role.
            platform::ensure_owner(spi, owner::OWNER.to_owned())?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The last step of the install script: makes the functions of `public` and
/// the schema, as ordinary objects of the schema's owner, and checks once more
/// that everything that was taken over is trusted.
///
/// A restore brings all of that with it: then nothing is made here. 55000
/// outside of an extension script.
#[pg_extern(sql = false)]
fn finish_install() -> Result<(), ErrorReport> {
    require_script("auria.finish_install")?;
    if extension::is_restore() {
        extension::inform(
            "this looks like a restore (row_security or check_function_bodies is off): the schema is left to \
             the dump. If it is none, run SELECT * FROM auria.migrate().",
        );
        spi::connected(warn_about_default_privileges)?;
        return Ok(());
    }
    // What somebody made while the first check had passed and a lock was awaited
    // is found here, and what is no table, at the end.
    migrate::quietly(|spi| {
        locks::lock_schema(spi)?;
        trust::refuse_untrusted(spi)
    })?;
    let outcome = migrate::run(Scope::Install)?;
    spi::connected(|spi| {
        trust::refuse_untrusted(spi)?;
        preflight::refuse_after_migrations(spi)?;
        warn_about_views(spi)
    })?;
    if let Err(error) = phi::check_key() {
        extension::warn(&format!("patients cannot be stored yet: {}. {}", error.summary(), error.advice()));
    }
    extension::inform(&format!(
        "{} tables and {} functions belong to role \"{}\"; SELECT * FROM auria.doctor() checks them",
        TABLES.len(),
        FUNCTIONS.len(),
        outcome.owner.name
    ));
    Ok(())
}

/// A dump takes rights from PUBLIC alone: what default privileges give to API roles is still
/// there after the restore.
fn warn_about_default_privileges(spi: &Spi) -> Result<()> {
    for privileges in access::default_privileges(spi)? {
        extension::warn(&format!(
            "{privileges}, also in this restore, which does not take them back: when it is through, run \
             SELECT * FROM auria.migrate(again => true)"
        ));
    }
    Ok(())
}

/// phi_encrypt and phi_decrypt are for service_role: a view that calls them
/// fails for any other role that may read it.
fn warn_about_views(spi: &Spi) -> Result<()> {
    let rows = spi.query_once(include_str!("phi_views.sql"), &[])?;
    for row in rows.iter() {
        let (view, roles): (String, String) = (row.expect(1)?, row.expect(2)?);
        extension::warn(&format!(
            "view {view} calls phi_encrypt or phi_decrypt, which {roles} may not execute: reading it fails \
             with 42501; revoke SELECT on it, or read it as service_role"
        ));
    }
    Ok(())
}

/// 55000 outside of an extension script.
fn require_script(function: &'static str) -> Result<()> {
    if extension::being_created().is_some() {
        return Ok(());
    }
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("{function}() is a step of the install script"),
    )
    .hint("Run CREATE EXTENSION auria CASCADE, or SELECT * FROM auria.migrate()."))
}
