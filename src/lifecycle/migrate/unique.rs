//! UNIQUE constraints and unique indexes of tables that hold rows.

use super::target::{Target, count};
use super::{index, warnings};
use crate::args;
use crate::error::Result;
use crate::pg::spi::quoted_identifier;

/// Adds the constraint where the table has none of that name, no unique index
/// over the same columns, and no duplicates.
pub fn ensure_constraint(target: &Target<'_>, columns: &[String]) -> Result<()> {
    let exists = "SELECT FROM pg_catalog.pg_constraint WHERE conrelid = $1::pg_catalog.regclass AND conname = $2";
    if target.spi.exists(exists, args![target.table, target.name])? {
        return Ok(());
    }
    let quoted = target.quoted();
    if target.spi.exists(UNIQUE_INDEX_OF_THAT_NAME, args![target.table, target.name])? {
        return target.alter(&format!("ADD CONSTRAINT {quoted} UNIQUE USING INDEX {quoted}"));
    }
    match to_be_made(target, "constraint", columns)? {
        Some(list) => target.alter(&format!("ADD CONSTRAINT {quoted} UNIQUE ({list})")),
        None => Ok(()),
    }
}

/// Makes the index where no valid one of that name is there: without predicate
/// as a constraint is made, with one for the rows after the last duplicate.
pub fn ensure_index(target: &Target<'_>, columns: &[String], predicate: Option<&str>) -> Result<()> {
    let (spi, table, quoted) = (target.spi, target.table, target.quoted());
    if index::is_usable(target)? {
        return Ok(());
    }
    let Some(predicate) = predicate else {
        return match to_be_made(target, "index", columns)? {
            Some(list) => spi.execute_script(&format!("CREATE UNIQUE INDEX {quoted} ON {table} ({list})")),
            None => Ok(()),
        };
    };
    let columns_list = columns.join(", ");
    let duplicates = format!("FROM {table} WHERE {predicate} GROUP BY {columns_list} HAVING count(*) > 1");
    let last_duplicate: Option<String> = spi
        .query_once(
            &format!(
                "SELECT pg_catalog.to_char(max(last) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') \
                   FROM (SELECT max(created_at) AS last {duplicates}) AS duplicates"
            ),
            &[],
        )?
        .one()?;
    let predicate = match last_duplicate {
        None => predicate.to_owned(),
        Some(last) => {
            warnings::warn(format!(
                "index {} holds only for rows made after {last}: older rows of {table} repeat ({columns_list}). \
                 See them with SELECT {columns_list}, count(*) {duplicates}",
                target.name
            ));
            format!("({predicate}) AND created_at > TIMESTAMPTZ '{last}'")
        }
    };
    let list = with_partition_key(target, columns)?;
    spi.execute_script(&format!("CREATE UNIQUE INDEX {quoted} ON {table} ({list}) WHERE {predicate}"))
}

/// The columns of what is to be made, as SQL takes them. `None` where a unique
/// index over these columns is there, or where rows repeat them, which is
/// reported.
fn to_be_made(target: &Target<'_>, kind: &str, columns: &[String]) -> Result<Option<String>> {
    let (spi, table, name) = (target.spi, target.table, target.name);
    if spi.exists(include_str!("unique_index.sql"), args![table, columns])? {
        return Ok(None);
    }
    let list = with_partition_key(target, columns)?;
    let present = columns.iter().map(|column| format!("{} IS NOT NULL", quoted_identifier(column)));
    let present = present.collect::<Vec<_>>().join(" AND ");
    let duplicates = format!("FROM {table} WHERE {present} GROUP BY {list} HAVING count(*) > 1");
    let values = count(spi, &format!("FROM (SELECT {list} {duplicates}) AS duplicates"))?;
    if values == 0 {
        return Ok(Some(list));
    }
    warnings::warn(format!(
        "{kind} {name} was not added: {values} values of ({list}) occur more than once in {table}. \
         See them with SELECT {list}, count(*) {duplicates}; \
         once they are corrected, run SELECT * FROM auria.migrate(again => true)"
    ));
    Ok(None)
}

/// The columns as a list of SQL, and after them those of the table's partition
/// key that they lack: a unique index of a partitioned table holds them all.
fn with_partition_key(target: &Target<'_>, columns: &[String]) -> Result<String> {
    let rows = target.spi.query_once(
        "SELECT a.attname::text FROM pg_catalog.pg_partitioned_table p \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs) \
          WHERE p.partrelid = $1::pg_catalog.regclass AND a.attname <> ALL ($2) ORDER BY a.attnum",
        args![target.table, columns],
    )?;
    let partition_key: Vec<String> = rows.column()?;
    let all = columns.iter().chain(&partition_key).map(|column| quoted_identifier(column));
    Ok(all.collect::<Vec<_>>().join(", "))
}

const UNIQUE_INDEX_OF_THAT_NAME: &str = "SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
     WHERE i.indrelid = $1::pg_catalog.regclass AND c.relname = $2 \
       AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL";
