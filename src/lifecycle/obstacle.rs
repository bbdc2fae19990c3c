//! What has the name of a table or function of ours and cannot become it.
//!
//! PostgreSQL would stop there as well, in the middle of the script and with
//! words that say neither which object it is nor what to do.

use pgrx::prelude::*;

use super::adopt::TABLES;
use super::functions::FUNCTIONS;
use crate::error::{Error, Result};
use crate::pg::spi::{Arg, Spi};

/// Refuses what is no table but has the name of one (42809), and a function
/// that CREATE OR REPLACE could not replace (42P13).
pub fn refuse(spi: &Spi) -> Result<()> {
    refuse_no_table(spi)?;
    refuse_other_declaration(spi)
}

/// A partition is refused, too: who reads its parent reads it past its policies.
fn refuse_no_table(spi: &Spi) -> Result<()> {
    let rows = spi.query_once(
        "SELECT CASE c.relkind WHEN 'r' THEN 'partition' WHEN 'p' THEN 'partition' \
                               WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' \
                               WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' \
                               ELSE 'index or type' END, \
                c.oid::pg_catalog.regclass::text \
           FROM pg_catalog.regexp_split_to_table($1, ' ') AS name \
           JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass('public.' || name) \
          WHERE c.relkind NOT IN ('r', 'p') OR c.relispartition \
          ORDER BY name",
        &[Arg::Text(Some(&TABLES.join(" ")))],
    )?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let (kind, name): (String, String) = (row.expect(1)?, row.expect(2)?);
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
        format!("will not take over {kind} {name}: it is no table of its own"),
    )
    .detail(format!(
        "{} such objects were found; nothing was changed.",
        rows.len()
    ))
    .hint("Rename it, move it to another schema or drop it, then create the extension again."))
}

/// Names, once given to arguments, and the type of the result cannot change,
/// and defaults cannot go.
fn refuse_other_declaration(spi: &Spi) -> Result<()> {
    let ours = FUNCTIONS
        .map(|ours| format!("{};{};{}", ours.signature, ours.arguments, ours.returns))
        .join("\n");
    let rows = spi.query_once(
        "SELECT signature, \
                pg_catalog.format( \
                    'It is a %s that takes (%s) and returns %s; the compiled function takes (%s) and returns %s.', \
                    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, \
                    pg_catalog.pg_get_function_arguments(p.oid), \
                    COALESCE(pg_catalog.pg_get_function_result(p.oid), 'nothing'), \
                    pg_catalog.replace(arguments, ' ', ', '), returns) \
           FROM pg_catalog.regexp_split_to_table($1, '\\n') AS line \
          CROSS JOIN LATERAL (SELECT pg_catalog.split_part(line, ';', 1), \
                                     pg_catalog.split_part(line, ';', 2), \
                                     pg_catalog.split_part(line, ';', 3) \
                             ) AS ours (signature, arguments, returns) \
           JOIN pg_catalog.pg_proc p ON p.oid = pg_catalog.to_regprocedure(signature) \
          WHERE p.prokind <> 'f' \
             OR p.pronargdefaults > 0 \
             OR pg_catalog.pg_get_function_result(p.oid) IS DISTINCT FROM returns \
             OR EXISTS (SELECT FROM pg_catalog.unnest(p.proargnames[1:p.pronargs]) \
                               WITH ORDINALITY AS argument (name, place) \
                         WHERE name <> '' \
                           AND name <> (pg_catalog.string_to_array(arguments, ' '))[place])",
        &[Arg::Text(Some(&ours))],
    )?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let (signature, difference): (String, String) = (row.expect(1)?, row.expect(2)?);
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_INVALID_FUNCTION_DEFINITION,
        format!("will not take over {signature}: it is declared otherwise"),
    )
    .detail(format!(
        "{difference} {} such functions were found; nothing was changed.",
        rows.len()
    ))
    .hint(format!(
        "ALTER ROUTINE {signature} RENAME TO another name keeps what depends on it; \
         DROP ROUTINE does not. Then create the extension again."
    )))
}
