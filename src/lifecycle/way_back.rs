//! `auria.restore_replaced()`: the way back. Puts the functions in place again
//! that the adoption had replaced, so that a database that leaves the extension
//! runs as before.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::migrate::functions::tie;
use super::migrate::quietly;
use crate::args;
use crate::error::{Error, Result};
use crate::pg::advisory::{self, Lock};
use crate::pg::extension;
use crate::pg::roles::require_superuser;
use crate::pg::spi::{Spi, quoted_identifier};
use crate::pg::transaction;
use crate::phi::layout;
use crate::schema::{FUNCTIONS, Function, owner};

/// A function that the adoption replaced, as it was.
struct Replaced {
    function: &'static Function,
    definition: String,
    owner: String,
}

/// Restores each function in `auria.replaced_functions` as the adoption found
/// it, which is its earliest entry, gives it to the role that owned it, and
/// unties it, so that DROP EXTENSION leaves it. Grants stay as they are. Raises
/// a NOTICE that says how many, and a WARNING for each whose owner is gone: that
/// one stays with the schema's owner.
///
/// The views of an earlier sealed layout, and their trigger functions, stay in
/// the record: the tables have the views' names now. A NOTICE names them.
///
/// Superusers only (42501): the record is a superuser's, as what it holds may
/// get a superuser's rights back. 55000 where it belongs to another role, and
/// in a sealed database; 2BP01 where the declarations differ and something
/// depends on the function.
#[pg_extern(sql = false)]
fn restore_replaced() -> Result<(), ErrorReport> {
    transaction::refuse_if_read_only(c"auria.restore_replaced()");
    require_superuser("auria.restore_replaced")?;
    advisory::lock(Lock::Migration, 0);
    let (restored, kept, warnings) = quietly(|spi| {
        refuse_foreign_record(spi)?;
        refuse_sealed(spi)?;
        let owner = owner::name(spi)?;
        let functions = replaced(spi)?;
        let mut warnings = Vec::new();
        for function in &functions {
            restore(spi, function, &owner, &mut warnings)?;
        }
        Ok((functions.len(), kept_in_record(spi)?, warnings))
    })?;
    for warning in warnings {
        extension::warn(&warning);
    }
    extension::inform(&format!(
        "{restored} functions are as they were before the extension and stay when it is dropped"
    ));
    if !kept.is_empty() {
        extension::inform(&format!(
            "not restored, because tables have taken the place of the views: {}",
            kept.join(", ")
        ));
    }
    Ok(())
}

/// The views that decrypt would go with the extension, and what is encrypted
/// would stay where the original's functions do not look.
fn refuse_sealed(spi: &Spi) -> Result<()> {
    if layout::sealed(spi)?.is_empty() {
        return Ok(());
    }
    Err(Error::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "this database is sealed")
        .detail("Without the extension nobody would read its patients.")
        .hint("Run CALL auria.phi_unseal() first."))
}

/// What the record holds beside functions that can be put back.
fn kept_in_record(spi: &Spi) -> Result<Vec<String>> {
    let rows = spi.query_once("SELECT DISTINCT signature FROM auria.replaced_functions ORDER BY 1", &[])?;
    let signatures: Vec<String> = rows.column()?;
    Ok(signatures.into_iter().filter(|signature| FUNCTIONS.iter().all(|known| known.signature != *signature)).collect())
}

/// A role that can write the record chooses code, and the role whose rights it gets.
fn refuse_foreign_record(spi: &Spi) -> Result<()> {
    let rows = spi.query_once(include_str!("writers.sql"), &[])?;
    match rows.one::<String>()? {
        None => Ok(()),
        Some(role) => Err(Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "auria.replaced_functions can be written by a role that is no superuser",
        )
        .detail(format!("Role \"{role}\" could have changed what is restored, and its owner."))
        .hint(
            "Read the definitions and owners in auria.replaced_functions. If they are right, make a superuser \
             its owner (ALTER TABLE … OWNER TO), revoke what others may write, and call it again.",
        )),
    }
}

/// The functions that the record holds.
fn replaced(spi: &Spi) -> Result<Vec<Replaced>> {
    let rows = spi.query_once(
        "SELECT DISTINCT ON (signature) signature, definition, owner \
           FROM auria.replaced_functions ORDER BY signature, id",
        &[],
    )?;
    let mut replaced = Vec::new();
    for row in rows.iter() {
        let signature: String = row.expect(1)?;
        // Only what was replaced is put back: nothing else can be named.
        if let Some(function) = FUNCTIONS.iter().find(|known| known.signature == signature) {
            replaced.push(Replaced { function, definition: row.expect(2)?, owner: row.expect(3)? });
        }
    }
    Ok(replaced)
}

/// Runs the definition that PostgreSQL itself wrote. No code of the function
/// runs before it belongs to its owner.
fn restore(spi: &Spi, replaced: &Replaced, owner: &str, warnings: &mut Vec<String>) -> Result<()> {
    let signature = replaced.function.signature;
    if let Err(caught) = transaction::attempt(|| spi.execute_script(&replaced.definition)) {
        // Other names of arguments, defaults or result: not to be replaced in place.
        if caught.code != PgSqlErrorCode::ERRCODE_INVALID_FUNCTION_DEFINITION {
            caught.raise();
        }
        spi.execute_script(&format!("DROP FUNCTION IF EXISTS {signature}"))?;
        spi.execute_script(&replaced.definition)?;
        spi.execute_script(replaced.function.access)?;
    }
    let exists = spi.exists("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", args![&replaced.owner])?;
    if !exists {
        warnings.push(format!(
            "role \"{}\", which owned function {signature}, does not exist: the function belongs to role \"{owner}\"",
            replaced.owner
        ));
    }
    spi.execute_script(&format!(
        "ALTER FUNCTION {signature} OWNER TO {}",
        quoted_identifier(if exists { &replaced.owner } else { owner })
    ))?;
    tie(spi, signature, false)
}
