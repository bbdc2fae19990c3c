//! The role that owns the schema: its tables, and the functions of `public`,
//! so that SECURITY DEFINER means this role's rights. It is no superuser.
//!
//! It is the owner of `auria.migrations`, which is made first. Functions of an installed schema ask [`of_schema`]; what
//! makes or checks the schema asks [`name`], which has an answer before there is a record, too.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::check::lines;
use super::{SIGNATURES, TABLES};
use crate::args;
use crate::error::{Error, Result};
use crate::pg::spi::{Spi, quoted_identifier};
use crate::pg::{relation, roles, transaction};

/// The role that owns a new schema.
pub const OWNER: &str = "auria_owner";

/// The owner of the record, unless that is a superuser.
fn of_record() -> Option<pg_sys::Oid> {
    relation::owner(c"auria", c"migrations").filter(|owner| !roles::is_superuser(*owner))
}

/// The owner of the installed schema.
///
/// # Errors
/// 55000 where nothing is installed, or a superuser owns it.
pub fn of_schema(_: &Spi) -> Result<pg_sys::Oid> {
    of_record().ok_or_else(|| {
        Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the AURIA schema is not installed in this database",
        )
        .detail("auria.migrations is missing or belongs to a superuser.")
        .hint("As a superuser, run SELECT * FROM auria.migrate().")
    })
}

/// The name of the role that owns the schema, or is to own it: the owner of the
/// record; else the role without superuser rights that owns most of the tables;
/// else `auria_owner`, which may not exist yet.
pub fn name(spi: &Spi) -> Result<String> {
    let rows = match of_record() {
        Some(owner) => spi.query_once("SELECT pg_catalog.pg_get_userbyid($1)::text", args![owner])?,
        None => spi.query_once(include_str!("most_common_owner.sql"), args![TABLES])?,
    };
    Ok(rows.one()?.unwrap_or_else(|| OWNER.to_owned()))
}

/// The role that owns the schema.
pub struct Owner {
    /// Its name.
    pub name: String,
    id: pg_sys::Oid,
}

impl Owner {
    /// The role that [`name`] answers (42704 raised where it does not exist).
    pub fn of(spi: &Spi) -> Result<Self> {
        name(spi).map(Self::named)
    }

    /// The same, for work that writes with its rights: deferred constraints are
    /// checked at the end of each statement from now on.
    pub fn to_write(spi: &Spi) -> Result<Self> {
        transaction::check_constraints_now();
        Self::of(spi)
    }

    /// A role that exists (42704 raised otherwise).
    pub fn named(name: String) -> Self {
        let id = roles::named(&name);
        Self { name, id }
    }

    /// Its name, quoted where SQL needs it.
    pub fn quoted(&self) -> String {
        quoted_identifier(&self.name)
    }

    /// Runs `work` with this role's rights. Whatever reads or writes a table
    /// that the owner can alter goes through here: a trigger or rule that was
    /// put there must not have the rights of the superuser who called.
    pub fn act<T>(&self, work: impl FnOnce() -> T) -> T {
        roles::acting_as(self.id, work)
    }
}

/// Gives the tables that superusers own, or another role, and the record to
/// the owner, and grants it what the schema builds on: the owner of `auth` and
/// `storage` objects keeps them. Two records stay with a superuser: what
/// functions were before they were replaced, which `auria.restore_replaced()`
/// trusts, and the log of erasures, which an auditor does.
pub fn take_ownership(spi: &Spi, owner: &Owner) -> Result<()> {
    let rows = spi.query_once(include_str!("take_ownership.sql"), args![TABLES, &owner.name])?;
    let statements: Vec<String> = rows.column()?;
    statements.iter().try_for_each(|statement| spi.execute_script(statement))
}

/// Grants the owner what the schema refers to outside of `public`.
pub fn grant_foundation(spi: &Spi, owner: &Owner, trigram_schema: &str) -> Result<()> {
    let owner = owner.quoted();
    spi.execute_script(&format!(
        "GRANT USAGE, CREATE ON SCHEMA public TO {owner}; \
         GRANT USAGE ON SCHEMA auria, auth, storage, {trigram_schema} TO {owner}; \
         GRANT SELECT, REFERENCES ON TABLE auth.users TO {owner}; \
         GRANT EXECUTE ON ALL ROUTINES IN SCHEMA auria TO {owner};"
    ))
}

/// What is reported where the schema belongs to a superuser, as after REASSIGN
/// OWNED or a restore without owners: one line, with the command that helps.
pub fn superuser_of_schema(spi: &Spi) -> Result<Option<String>> {
    let found = lines(
        spi,
        "SELECT pg_catalog.format('the schema belongs to superuser \"%s\": \
                                   run SELECT * FROM auria.migrate(again => true)', r.rolname) \
           FROM pg_catalog.pg_class c \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'auria' \
           JOIN pg_catalog.pg_roles r ON r.oid = c.relowner AND r.rolsuper WHERE c.relname = 'migrations'",
        &[],
    )?;
    Ok(found.into_iter().next())
}

/// Tables that superusers own, and functions of `public` that run with the
/// rights of a superuser who owns them: as they declare, or, compiled ones, by
/// taking them. Members of other extensions are theirs to judge. Where a team's
/// own function stands in for a managed one, it may need what only its owner
/// may do (Vault), so the shipped one is the remedy.
pub fn objects_of_superusers(spi: &Spi) -> Result<Vec<String>> {
    let owner = name(spi)?;
    let mut found: Vec<String> =
        spi.query_once(include_str!("definer_functions.sql"), args![&owner, SIGNATURES])?.column()?;
    found.extend(lines(spi, include_str!("tables_of_superusers.sql"), args![TABLES, &owner])?);
    Ok(found)
}

/// Runs `work`, which reads or writes this table of schema `auria`, with the rights of
/// the table's owner: a superuser, where nobody else is to write it.
pub fn as_owner_of_record<T>(spi: &Spi, table: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let record = spi.query_once(
        "SELECT c.relowner FROM pg_catalog.pg_class c \
          WHERE c.oid = $1::pg_catalog.regclass",
        args![table],
    )?;
    let record_owner: pg_sys::Oid = record.one()?.ok_or_else(|| crate::error::unexpected_null(table))?;
    roles::acting_as(record_owner, work)
}
