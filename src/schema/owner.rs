//! The role that owns the schema: its tables, and the functions of `public`,
//! so that SECURITY DEFINER means this role's rights. It is no superuser.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::{signatures, tables};
use crate::error::{Error, Result};
use crate::pg::roles;
use crate::pg::spi::{Snapshot, Spi, quoted_identifier};
use crate::{args, statement};

/// The role that owns a new schema.
pub const OWNER: &str = "auria_owner";

statement! {
    /// The record of the migrations is made first and belongs to the owner.
    OWNER_OF_THE_RECORD = "SELECT c.relowner FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'auria' AND c.relname = 'migrations'";
}

/// The owner of the installed schema.
///
/// # Errors
/// 55000 where nothing is installed, or a superuser owns it.
pub fn of_schema(spi: &Spi) -> Result<pg_sys::Oid> {
    let rows = spi.query(&OWNER_OF_THE_RECORD, Snapshot::Caller, &[])?;
    let owner = rows.first().map(|row| row.expect::<pg_sys::Oid>(1)).transpose()?;
    owner.filter(|owner| !roles::is_superuser(*owner)).ok_or_else(|| {
        Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the AURIA schema is not installed in this database",
        )
        .detail("auria.migrations is missing or belongs to a superuser.")
        .hint("As a superuser, run SELECT * FROM auria.migrate().")
    })
}

/// The role that owns the schema.
pub struct Owner {
    /// Its name.
    pub name: String,
    id: pg_sys::Oid,
}

impl Owner {
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

/// Determines the name of the role that owns the schema, or is to own it: the
/// owner of an installed schema; else the role without superuser rights that
/// owns most of the tables; else `auria_owner`.
pub fn determine(spi: &Spi) -> Result<String> {
    let rows = spi.query_once(
        "SELECT r.rolname::text \
           FROM pg_catalog.pg_class c \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
           JOIN pg_catalog.pg_roles r ON r.oid = c.relowner AND NOT r.rolsuper \
          WHERE c.relkind IN ('r', 'p') \
            AND (n.nspname = 'public' AND c.relname = ANY (pg_catalog.string_to_array($1, ' ')) \
                 OR n.nspname = 'auria' AND c.relname = 'migrations') \
          GROUP BY r.rolname \
          ORDER BY pg_catalog.bool_or(n.nspname = 'auria') DESC, \
                   pg_catalog.count(*) DESC, r.rolname",
        args![&tables()],
    )?;
    match rows.first() {
        Some(row) => row.expect(1),
        None => Ok(OWNER.to_owned()),
    }
}

/// Gives the tables that superusers own, or another role, and the record to
/// the owner, and grants it what the schema builds on: the owner of `auth` and
/// `storage` objects keeps them. Two records stay with a superuser: what
/// functions were before they were replaced, which `auria.restore_replaced()`
/// trusts, and the log of erasures, which an auditor does.
pub fn take_ownership(spi: &Spi, owner: &Owner) -> Result<()> {
    let rows = spi.query_once(
        "SELECT pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, $2) \
           FROM pg_catalog.pg_class c \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
           JOIN pg_catalog.pg_roles r ON r.oid = c.relowner \
          WHERE r.rolname <> $2 \
            AND (n.nspname = 'public' AND c.relkind IN ('r', 'p') \
                    AND (c.relname = ANY (pg_catalog.string_to_array($1, ' ')) \
                         OR EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) AS a (relid) \
                                      JOIN pg_catalog.pg_class p ON p.oid = a.relid \
                                     WHERE p.relnamespace = n.oid \
                                       AND p.relname = ANY (pg_catalog.string_to_array($1, ' ')))) \
                 OR r.rolsuper AND (n.nspname = 'auria_raw' AND c.relkind IN ('r', 'p') \
                                    OR n.nspname = 'public' AND c.relkind = 'v' \
                                       AND pg_catalog.to_regclass('auria_raw.' || c.relname || '_raw') IS NOT NULL) \
                 OR n.nspname = 'auria' AND (c.relkind = 'r' AND c.relname NOT IN ('replaced_functions', 'erasures') \
                                             OR c.relkind = 'S' AND c.relname LIKE 'refused\\_%'))",
        args![&tables(), &owner.name],
    )?;
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

/// Functions of `public` that run with the rights of a superuser who owns
/// them: as they declare, or, compiled ones, by taking them. Members of other extensions are theirs to judge. Where a team's own
/// function stands in for a managed one, it may need what only its owner may
/// do (Vault), so the shipped one is the remedy.
pub fn definer_functions_of_superusers(spi: &Spi) -> Result<Vec<String>> {
    let rows = spi.query_once(
        "SELECT pg_catalog.format( \
                    CASE WHEN l.lanname <> 'c' AND EXISTS ( \
                             SELECT FROM pg_catalog.string_to_table($2, '|') AS signature \
                              WHERE pg_catalog.to_regprocedure(signature) = p.oid) \
                         THEN '%s runs with the rights of superuser \"%s\": \
                               run SELECT auria.restore_function(%4$L)' \
                         ELSE '%s runs with the rights of superuser \"%s\": \
                               run ALTER FUNCTION %1$s OWNER TO %3$I' END, \
                    p.oid::pg_catalog.regprocedure, r.rolname, $1, p.oid::pg_catalog.regprocedure::text) \
           FROM pg_catalog.pg_proc p \
           JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
           JOIN pg_catalog.pg_roles r ON r.oid = p.proowner AND r.rolsuper \
          WHERE (p.prosecdef OR l.lanname = 'c' AND p.probin = '$libdir/auria_pg') \
            AND p.pronamespace = 'public'::pg_catalog.regnamespace \
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
                             WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
                               AND d.objid = p.oid AND d.deptype = 'e') \
          ORDER BY 1",
        args![&determine(spi)?, &signatures()],
    )?;
    rows.column()
}

/// Runs `work`, which writes to this table of schema `auria`, with the rights of
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
