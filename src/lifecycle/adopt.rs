//! Taking over what an AURIA database holds already: its PL/pgSQL functions
//! become members with their OIDs, its widening policies go. Only what belongs
//! to somebody trusted is taken over; anything else stops the installation.

use std::cell::RefCell;

use pgrx::prelude::*;

use super::access;
use super::functions::{FUNCTIONS, signatures};
use crate::error::{Error, Result};
use crate::guc;
use crate::pg::extension;
use crate::pg::spi::{Arg, Spi};

/// Every table of the schema, all of them in `public`.
pub const TABLES: [&str; 18] = [
    "credit_costs",
    "credit_pack_purchases",
    "credit_packs",
    "credit_usage",
    "evaluation_drafts",
    "evaluations",
    "patients",
    "payment_history",
    "profiles",
    "prompt_executions",
    "rate_limits",
    "resin_catalog",
    "resins",
    "session_detected_teeth",
    "shared_links",
    "subscription_plans",
    "subscriptions",
    "user_inventory",
];

thread_local! {
    /// Grants that a DBA made by hand on functions that were taken over, as
    /// statements: from the first step of the install script to its last.
    /// Cleared by the first step, so that what an aborted installation left
    /// here is never used.
    static HAND_MADE_GRANTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Refuses (42501) when a table, function or schema that would be taken over
/// belongs to somebody who is not trusted.
pub fn refuse_untrusted(spi: &Spi) -> Result<()> {
    let found = untrusted(spi)?;
    let Some(first) = found.first() else {
        return Ok(());
    };
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("will not take over {first}"),
    )
    .detail(format!(
        "{} such objects were found; nothing was changed.",
        found.len()
    ))
    .hint(
        "Give it to a superuser or to the owner of the database, or, if you trust that role, \
         name it in the setting auria.trusted_owners and create the extension again.",
    ))
}

/// The tables and functions, ours or to be ours, and the schema, that belong to
/// somebody who is not trusted. Trusted are the role whose rights are in force,
/// superusers, the database's owner, and the roles in `auria.trusted_owners`.
pub fn untrusted(spi: &Spi) -> Result<Vec<String>> {
    let tables = TABLES.map(|table| format!("public.{table}")).join(" ") + " auria.migrations";
    let functions = signatures();
    let trusted = guc::trusted_owners().join(",");
    let rows = spi.query_once(
        "WITH found (object, owner) AS ( \
            SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' \
                                  WHEN 'S' THEN 'sequence ' WHEN 'f' THEN 'foreign table ' \
                                  ELSE 'table ' END || name, c.relowner \
              FROM pg_catalog.regexp_split_to_table($1, ' ') AS name \
              JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(name) \
             UNION \
            SELECT 'function ' || signature, p.proowner \
              FROM pg_catalog.regexp_split_to_table($2, ' ') AS signature \
              JOIN pg_catalog.pg_proc p ON p.oid = pg_catalog.to_regprocedure(signature) \
             UNION \
            SELECT 'function ' || p.oid::pg_catalog.regprocedure, p.proowner \
              FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
             WHERE n.nspname = 'auria' \
             UNION \
            SELECT 'schema auria', n.nspowner \
              FROM pg_catalog.pg_namespace n WHERE n.nspname = 'auria') \
         SELECT pg_catalog.format('%s, which belongs to role \"%s\"', found.object, r.rolname) \
           FROM found JOIN pg_catalog.pg_roles r ON r.oid = found.owner \
          WHERE NOT r.rolsuper \
            AND r.rolname <> CURRENT_USER \
            AND r.rolname <> 'pg_database_owner' \
            AND r.oid <> (SELECT d.datdba FROM pg_catalog.pg_database d \
                           WHERE d.datname = pg_catalog.current_database()) \
            AND r.rolname <> ALL (pg_catalog.string_to_array($3, ',')) \
          ORDER BY 1",
        &[
            Arg::Text(Some(&tables)),
            Arg::Text(Some(&functions)),
            Arg::Text(Some(&trusted)),
        ],
    )?;
    rows.iter().map(|row| row.expect(1)).collect()
}

/// Makes the functions that exist members of the extension that is being
/// created, so that the script may replace them: their OIDs, and with them
/// the views and triggers that use them, live on.
pub fn adopt_functions(spi: &Spi) -> Result<()> {
    HAND_MADE_GRANTS.take();
    let Some(extension) = extension::being_created() else {
        return Err(outside_of_script("auria.prepare_install"));
    };
    let rows = spi.query_once(
        "SELECT pg_catalog.quote_ident(e.extname) FROM pg_catalog.pg_extension e WHERE e.oid = $1",
        &[Arg::Oid(extension)],
    )?;
    let extension: String = match rows.first() {
        Some(row) => row.expect(1)?,
        None => return Err(outside_of_script("auria.prepare_install")),
    };
    for function in FUNCTIONS.map(|function| function.signature) {
        let exists = spi.query_once(
            "SELECT p.oid FROM pg_catalog.pg_proc p \
              WHERE p.oid = pg_catalog.to_regprocedure($1) \
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
                                 WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
                                   AND d.objid = p.oid AND d.deptype = 'e')",
            &[Arg::Text(Some(function))],
        )?;
        if !exists.is_empty() {
            set_aside_hand_made_grants(spi, function)?;
            spi.execute_script(&format!(
                "ALTER EXTENSION {extension} ADD FUNCTION {function}"
            ))?;
            extension::tell(&format!(
                "function {function} is taken over and replaced by the compiled one"
            ));
        }
    }
    for form in other_forms(spi)? {
        extension::tell(&form);
    }
    Ok(())
}

/// Old forms of our functions: same name, other arguments. They stay, and a
/// caller may still reach them with the rights they had.
pub fn other_forms(spi: &Spi) -> Result<Vec<String>> {
    let rows = spi.query_once(
        "SELECT pg_catalog.format('%s is an old form of a function of ours and stays as it was: \
                                   unless something needs it, run DROP ROUTINE %1$s', \
                                  p.oid::pg_catalog.regprocedure) \
           FROM pg_catalog.pg_proc p \
          WHERE p.pronamespace = 'public'::pg_catalog.regnamespace \
            AND EXISTS (SELECT FROM pg_catalog.regexp_split_to_table($1, ' ') AS signature \
                         WHERE pg_catalog.starts_with(signature, 'public.' || p.proname || '(')) \
            AND NOT EXISTS (SELECT FROM pg_catalog.regexp_split_to_table($1, ' ') AS signature \
                             WHERE pg_catalog.to_regprocedure(signature) = p.oid) \
          ORDER BY 1",
        &[Arg::Text(Some(&signatures()))],
    )?;
    rows.iter().map(|row| row.expect(1)).collect()
}

/// Takes back the grants on a function that are neither its owner's nor those
/// this extension manages, and remembers them.
///
/// They are given again after the script: a grant that a function has while it
/// becomes a member counts as the extension's own, and pg_dump leaves it out.
fn set_aside_hand_made_grants(spi: &Spi, function: &str) -> Result<()> {
    let rows = spi.query_once(
        "SELECT pg_catalog.quote_ident(r.rolname), a.is_grantable \
           FROM pg_catalog.pg_proc p \
          CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS a \
           JOIN pg_catalog.pg_roles r ON r.oid = a.grantee \
          WHERE p.oid = pg_catalog.to_regprocedure($1) AND a.grantee <> p.proowner \
            AND r.rolname NOT IN ('anon', 'authenticated', 'service_role')",
        &[Arg::Text(Some(function))],
    )?;
    for row in rows.iter() {
        let grantee: String = row.expect(1)?;
        let option = if row.expect(2)? {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        spi.execute_script(&format!(
            "REVOKE ALL ON FUNCTION {function} FROM {grantee} CASCADE"
        ))?;
        HAND_MADE_GRANTS.with_borrow_mut(|grants| {
            grants.push(format!(
                "GRANT EXECUTE ON FUNCTION {function} TO {grantee}{option}"
            ));
        });
    }
    Ok(())
}

/// Gives the hand-made grants again, as a DBA's and not the extension's.
pub fn restore_hand_made_grants(spi: &Spi) -> Result<()> {
    let grants = HAND_MADE_GRANTS.take();
    extension::outside_of_extension(|| {
        grants
            .iter()
            .try_for_each(|grant| spi.execute_script(grant))
    })
}

/// Drops policies that are none of ours and let API roles see or write more
/// than ours do, telling each.
///
/// `storage.objects` is shared with other uses of the database: there, only a
/// policy that reaches into our buckets goes.
pub fn drop_widening_policies(spi: &Spi) -> Result<()> {
    for policy in access::widening_policies(spi)? {
        spi.execute_script(&format!("DROP POLICY {} ON {}", policy.name, policy.table))?;
        extension::tell(&format!(
            "policy {} on {} was dropped: it gave {} more than the access rules allow",
            policy.name, policy.table, policy.roles
        ));
    }
    Ok(())
}

/// 55000: an install step was called by hand.
pub fn outside_of_script(function: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("{function}() is a step of the install script"),
    )
    .hint("Run CREATE EXTENSION auria CASCADE, or SELECT * FROM auria.migrate().")
}
