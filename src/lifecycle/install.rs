//! The steps that the install script calls, first and last.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{adopt, migrate, obstacle, platform};
use crate::error::Result;
use crate::pg::{extension, spi};

extension_sql!(
    "SELECT auria.prepare_install();",
    name = "prepare_install",
    requires = [prepare_install]
);

extension_sql_file!(
    "../../sql/finish_install.sql",
    name = "finish_install",
    finalize
);

/// The first step of the install script: refuses what it must not trust or
/// cannot replace, makes the roles that are missing, and takes over the
/// functions that exist.
///
/// 55000 outside of an extension script.
#[pg_extern(volatile, parallel_unsafe, name = "prepare_install")]
#[search_path(pg_catalog, pg_temp)]
fn prepare_install() -> Result<(), ErrorReport> {
    spi::connected(|spi| {
        adopt::refuse_untrusted(spi)?;
        obstacle::refuse(spi)?;
        extension::outside_of_extension(|| platform::ensure_roles(spi))?;
        adopt::adopt_functions(spi)
    })?;
    Ok(())
}

/// The last step of the install script: makes the schema, as ordinary objects
/// of the installing role.
///
/// A restore by pg_dump's scripts, which set `row_security` off, brings the
/// schema with it: then nothing is made here. 55000 outside of an extension
/// script.
#[pg_extern(volatile, parallel_unsafe, requires = ["prepare_install"])]
#[search_path(pg_catalog, pg_temp)]
fn finish_install() -> Result<(), ErrorReport> {
    if extension::being_created().is_none() {
        return Err(adopt::outside_of_script("auria.finish_install").into());
    }
    if extension::row_security_is_on() {
        migrate::run(true)?;
    } else {
        extension::tell(
            "row_security is off, as in a restore: functions and roles are made, tables \
             are left to the dump. If this is no restore, run SELECT * FROM auria.migrate().",
        );
    }
    spi::connected(adopt::restore_hand_made_grants)?;
    Ok(())
}
