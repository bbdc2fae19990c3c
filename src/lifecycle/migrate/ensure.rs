//! Helpers that migrations use on populated tables.
//!
//! None of these fails or changes a row because of the rows that are there: a
//! rule they break is enforced for what is written from now on, and a warning
//! says how many rows break it and how to see them.

use std::cell::Cell;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{rules, warnings};
use crate::args;
use crate::error::{self, Error, Result, required};
use crate::pg::roles;
use crate::pg::spi::{self, Spi, quoted_identifier};

thread_local! {
    /// Whether an index of the right name and another definition is replaced.
    static RESTORING: Cell<bool> = const { Cell::new(false) };
}

/// Runs migrations that restore what was shipped, where `restoring`: an index
/// that has the name of one of theirs becomes it.
pub fn restoring<T>(restoring: bool, work: impl FnOnce() -> Result<T>) -> Result<T> {
    /// Stops replacing however the migrations end.
    struct Restoring;
    impl Drop for Restoring {
        fn drop(&mut self) {
            RESTORING.set(false);
        }
    }
    let _restoring = Restoring;
    RESTORING.set(restoring);
    work()
}

/// Adds a CHECK constraint where the table has none of that name. Where rows
/// break it, a trigger enforces it on the values that a statement changes
/// until no row does. `p_comment` becomes the comment of whichever is made;
/// NULL makes none. For migrations.
#[pg_extern(sql = false)]
fn ensure_check(
    p_table: Option<&str>,
    p_name: Option<&str>,
    p_expression: Option<&str>,
    p_comment: Option<&str>,
) -> Result<(), ErrorReport> {
    let table = required(p_table, "auria.ensure_check", "p_table")?;
    let name = required(p_name, "auria.ensure_check", "p_name")?;
    let expression = required(p_expression, "auria.ensure_check", "p_expression")?;
    spi::connected(|spi| rules::ensure(spi, table, name, expression, p_comment))?;
    Ok(())
}

/// Adds a foreign key, or replaces one of that name whose ON DELETE action is
/// another, and validates it where the rows allow. One of another name over
/// the same columns counts as this one. For migrations. `p_on_delete` is
/// NO ACTION, CASCADE or SET NULL (22023 otherwise).
#[pg_extern(sql = false)]
fn ensure_foreign_key(
    p_table: Option<&str>,
    p_name: Option<&str>,
    p_column: Option<&str>,
    p_references: Option<&str>,
    p_referenced_column: Option<&str>,
    p_on_delete: Option<&str>,
) -> Result<(), ErrorReport> {
    const THIS: &str = "auria.ensure_foreign_key";
    let table = required(p_table, THIS, "p_table")?;
    let name = required(p_name, THIS, "p_name")?;
    let column = quoted_identifier(required(p_column, THIS, "p_column")?);
    let references = required(p_references, THIS, "p_references")?;
    let referenced = quoted_identifier(required(p_referenced_column, THIS, "p_referenced_column")?);
    let on_delete = required(p_on_delete, THIS, "p_on_delete")?;
    let action = match on_delete {
        "NO ACTION" => "a",
        "CASCADE" => "c",
        "SET NULL" => "n",
        _ => {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                "p_on_delete must be NO ACTION, CASCADE or SET NULL",
            )
            .into());
        }
    };
    spi::connected(|spi| {
        let name = &foreign_key_over(spi, table, name, &column, references, &referenced)?;
        let quoted = quoted_identifier(name);
        let mut existing = constraint(spi, table, name)?;
        if existing.as_ref().is_some_and(|constraint| constraint.on_delete != action) {
            spi.execute_script(&format!("ALTER TABLE {table} DROP CONSTRAINT {quoted}"))?;
            existing = None;
        }
        if existing.as_ref().is_some_and(|constraint| constraint.is_valid) {
            return Ok(());
        }
        let orphans = format!(
            "FROM {table} AS child WHERE child.{column} IS NOT NULL AND NOT EXISTS \
             (SELECT FROM {references} AS parent WHERE parent.{referenced} = child.{column})"
        );
        let add = format!(
            "ALTER TABLE {table} ADD CONSTRAINT {quoted} FOREIGN KEY ({column}) \
             REFERENCES {references} ({referenced}) ON DELETE {on_delete}"
        );
        let is_hidden =
            references == USERS && spi.exists("SELECT WHERE pg_catalog.row_security_active('auth.users')", &[])?;
        let orphan_count = || {
            if is_hidden { count_without_user(spi, table, &column) } else { count(spi, &orphans) }
        };
        if existing.is_none() && is_partitioned(spi, table)? {
            // PostgreSQL adds it to a partitioned table validated, or not at all.
            return match orphan_count()? {
                0 => spi.execute_script(&add),
                rows => {
                    warnings::warn(format!(
                        "constraint {name} was not added to the partitioned table {table}: {rows} rows break it. \
                         See them with SELECT * {orphans}; once they are corrected, run \
                         SELECT * FROM auria.migrate(again => true)"
                    ));
                    Ok(())
                }
            };
        }
        if existing.is_none() {
            spi.execute_script(&format!("{add} NOT VALID"))?;
        }
        validate(spi, table, name, orphan_count()?, &orphans)
    })?;
    Ok(())
}

/// Adds a UNIQUE constraint where the table has none of that name and no
/// unique index over the same columns. Where rows are duplicates it cannot be
/// added, and a warning says so. For migrations.
#[pg_extern(sql = false)]
fn ensure_unique(
    p_table: Option<&str>,
    p_name: Option<&str>,
    p_columns: Option<Vec<Option<String>>>,
) -> Result<(), ErrorReport> {
    let table = required(p_table, "auria.ensure_unique", "p_table")?;
    let name = required(p_name, "auria.ensure_unique", "p_name")?;
    let columns: Option<Vec<String>> = p_columns.and_then(|columns| columns.into_iter().collect());
    let columns = required(columns, "auria.ensure_unique", "p_columns")?;
    spi::connected(|spi| {
        if constraint(spi, table, name)?.is_some() {
            return Ok(());
        }
        let quoted = quoted_identifier(name);
        if spi.exists(UNIQUE_INDEX_OF_THAT_NAME, args![table, name])? {
            return spi
                .execute_script(&format!("ALTER TABLE {table} ADD CONSTRAINT {quoted} UNIQUE USING INDEX {quoted}"));
        }
        if unique_index_over(spi, table, &columns)? {
            return Ok(());
        }
        let columns_list = unique_columns(spi, table, &columns)?;
        if has_duplicates(spi, table, "constraint", name, &columns, &columns_list)? {
            return Ok(());
        }
        spi.execute_script(&format!("ALTER TABLE {table} ADD CONSTRAINT {quoted} UNIQUE ({columns_list})"))
    })?;
    Ok(())
}

/// The columns as a list of SQL, and after them those of the table's partition
/// key that a unique index has to hold.
fn unique_columns(spi: &Spi, table: &str, columns: &[String]) -> Result<String> {
    let partition_key = missing_partition_key(spi, table, &columns.join(","))?;
    let quoted: Vec<String> = columns.iter().map(|column| quoted_identifier(column)).collect();
    Ok(quoted.join(", ") + &partition_key)
}

/// Whether rows repeat the columns, so that they cannot be made unique, which
/// is reported.
fn has_duplicates(
    spi: &Spi,
    table: &str,
    kind: &str,
    name: &str,
    columns: &[String],
    columns_list: &str,
) -> Result<bool> {
    let all_present = columns
        .iter()
        .map(|column| format!("{} IS NOT NULL", quoted_identifier(column)))
        .collect::<Vec<_>>()
        .join(" AND ");
    let duplicates = format!("FROM {table} WHERE {all_present} GROUP BY {columns_list} HAVING count(*) > 1");
    let count = count(spi, &format!("FROM (SELECT {columns_list} {duplicates}) AS duplicates"))?;
    if count > 0 {
        warnings::warn(format!(
            "{kind} {name} was not added: {count} values of ({columns_list}) occur more \
             than once in {table}. See them with SELECT {columns_list}, count(*) {duplicates}; \
             once they are corrected, run SELECT * FROM auria.migrate(again => true)"
        ));
    }
    Ok(count > 0)
}

/// Makes an index where the table has none of that name and none of the same
/// definition, and makes it anew where a concurrent build left an invalid one.
/// An index of that name and another definition stays, until
/// `auria.migrate(again => true)` replaces it. `p_definition` is what follows the table in CREATE INDEX, in the form in
/// which PostgreSQL writes it back. For migrations.
#[pg_extern(sql = false)]
fn ensure_index(p_table: Option<&str>, p_name: Option<&str>, p_definition: Option<&str>) -> Result<(), ErrorReport> {
    let table = required(p_table, "auria.ensure_index", "p_table")?;
    let name = required(p_name, "auria.ensure_index", "p_name")?;
    let definition = required(p_definition, "auria.ensure_index", "p_definition")?;
    spi::connected(|spi| {
        let quoted = quoted_identifier(name);
        let alike = index_like(spi, table, definition)?;
        if index_is_usable(spi, table, name)? {
            let is_another = !alike.iter().any(|one| one.name == name);
            if !(RESTORING.get() && is_another) {
                return Ok(());
            }
            let Some(own) = replaceable(spi, table, name)? else {
                return Ok(());
            };
            spi.execute_script(&format!("DROP INDEX {own}"))?;
            if let Some(alike) = alike.first() {
                return spi.execute_script(&format!("ALTER INDEX {} RENAME TO {quoted}", alike.qualified));
            }
        } else if !alike.is_empty() {
            return Ok(());
        }
        spi.execute_script(&format!("CREATE INDEX {quoted} ON {table} {definition}"))
    })?;
    Ok(())
}

/// Makes a unique index. A partial one, over a table with a column
/// `created_at`, holds only for rows made after the last duplicate where there
/// are duplicates. Without a predicate (NULL) it is not made where there are
/// duplicates, nor where another unique index has the same columns. A warning
/// names the duplicates. For migrations.
#[pg_extern(sql = false)]
fn ensure_unique_index(
    p_table: Option<&str>,
    p_name: Option<&str>,
    p_columns: Option<&str>,
    p_predicate: Option<&str>,
) -> Result<(), ErrorReport> {
    const THIS: &str = "auria.ensure_unique_index";
    let table = required(p_table, THIS, "p_table")?;
    let name = required(p_name, THIS, "p_name")?;
    let columns = required(p_columns, THIS, "p_columns")?;
    spi::connected(|spi| {
        if index_is_usable(spi, table, name)? {
            return Ok(());
        }
        let Some(predicate) = p_predicate else {
            return make_unique_index(spi, table, name, columns);
        };
        let duplicates = format!("FROM {table} WHERE {predicate} GROUP BY {columns} HAVING count(*) > 1");
        let last_duplicate = spi
            .query_once(
                &format!(
                    "SELECT pg_catalog.to_char(max(last) AT TIME ZONE 'UTC', \
                                               'YYYY-MM-DD HH24:MI:SS.US+00') \
                     FROM (SELECT max(created_at) AS last {duplicates}) AS duplicates"
                ),
                &[],
            )?
            .first()
            .map(|row| row.get::<String>(1))
            .transpose()?
            .flatten();
        let predicate = match last_duplicate {
            None => predicate.to_owned(),
            Some(last) => {
                warnings::warn(format!(
                    "index {name} holds only for rows made after {last}: older rows of {table} \
                     repeat ({columns}). See them with SELECT {columns}, count(*) {duplicates}"
                ));
                format!("({predicate}) AND created_at > TIMESTAMPTZ '{last}'")
            }
        };
        let columns = format!("{columns}{}", missing_partition_key(spi, table, columns)?);
        spi.execute_script(&format!(
            "CREATE UNIQUE INDEX {} ON {table} ({columns}) WHERE {predicate}",
            quoted_identifier(name)
        ))
    })?;
    Ok(())
}

fn make_unique_index(spi: &Spi, table: &str, name: &str, columns: &str) -> Result<()> {
    let columns: Vec<String> = columns.split(',').map(|column| column.trim().to_owned()).collect();
    if unique_index_over(spi, table, &columns)? {
        return Ok(());
    }
    let columns_list = unique_columns(spi, table, &columns)?;
    if has_duplicates(spi, table, "index", name, &columns, &columns_list)? {
        return Ok(());
    }
    spi.execute_script(&format!("CREATE UNIQUE INDEX {} ON {table} ({columns_list})", quoted_identifier(name)))
}

/// The name of the foreign key over this column to that one: the given name
/// unless only one of another name is there.
fn foreign_key_over(
    spi: &Spi,
    table: &str,
    name: &str,
    column: &str,
    references: &str,
    referenced: &str,
) -> Result<String> {
    let rows = spi.query_once(
        "SELECT c.conname::text \
           FROM pg_catalog.pg_constraint c \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
           JOIN pg_catalog.pg_attribute r ON r.attrelid = c.confrelid AND r.attnum = c.confkey[1] \
          WHERE c.contype = 'f' AND c.conrelid = $1::pg_catalog.regclass \
            AND c.confrelid = $4::pg_catalog.regclass AND pg_catalog.cardinality(c.conkey) = 1 \
            AND pg_catalog.quote_ident(a.attname) = $3 AND pg_catalog.quote_ident(r.attname) = $5 \
          ORDER BY c.conname <> $2, c.conname",
        args![table, name, column, references, referenced],
    )?;
    rows.first().map_or_else(|| Ok(name.to_owned()), |row| row.expect(1))
}

/// Whether a unique index, of a constraint or not, is over exactly these
/// columns and all rows.
fn unique_index_over(spi: &Spi, table: &str, columns: &[String]) -> Result<bool> {
    spi.exists(
        "SELECT FROM pg_catalog.pg_index i \
              WHERE i.indrelid = $1::pg_catalog.regclass AND i.indisunique AND i.indisvalid \
                AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL \
                AND (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\") \
                       FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS place \
                       JOIN pg_catalog.pg_attribute a \
                         ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place]) \
                  = (SELECT pg_catalog.array_agg(name ORDER BY name COLLATE \"C\") \
                       FROM pg_catalog.unnest($2) AS name)",
        args![table, columns],
    )
}

/// An index that is there.
struct Index {
    name: String,
    /// With its schema, as SQL takes it.
    qualified: String,
}

/// The valid indexes of this definition, whatever their names and storage
/// parameters.
fn index_like(spi: &Spi, table: &str, definition: &str) -> Result<Vec<Index>> {
    let rows = spi.query_once(
        "SELECT pg_catalog.regexp_replace( \
                    pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '^.*? USING ', ''), \
                    ' WITH \\([^)]*\\)', '', 'g'), \
                c.relname::text, i.indexrelid::pg_catalog.regclass::text \
           FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
          WHERE i.indrelid = $1::pg_catalog.regclass AND i.indisvalid ORDER BY c.relname",
        args![table],
    )?;
    let method_and_columns = match definition.trim().strip_prefix("USING ") {
        Some(definition) => definition.to_owned(),
        None => format!("btree {definition}"),
    };
    let sought = without_notation(&method_and_columns);
    let mut alike = Vec::new();
    for row in rows.iter() {
        if without_notation(&row.expect::<String>(1)?) == sought {
            alike.push(Index { name: row.expect(2)?, qualified: row.expect(3)? });
        }
    }
    Ok(alike)
}

/// The index of that name, as SQL takes it, unless it belongs to a constraint
/// or to the index of a partitioned table, and cannot be dropped by itself.
fn replaceable(spi: &Spi, table: &str, name: &str) -> Result<Option<String>> {
    let rows = spi.query_once(
        "SELECT i.indexrelid::pg_catalog.regclass::text \
           FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
          WHERE i.indrelid = $1::pg_catalog.regclass AND c.relname = $2 AND NOT c.relispartition \
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid)",
        args![table, name],
    )?;
    rows.first().map(|row| row.expect(1)).transpose()
}

/// An index definition without what PostgreSQL adds when it writes one back:
/// white space, parentheses and the types of literals.
fn without_notation(definition: &str) -> String {
    let mut plain: String = definition.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')')).collect();
    for literal_type in ["::text", "::jsonb"] {
        plain = plain.replace(literal_type, "");
    }
    plain
}

struct Constraint {
    is_valid: bool,
    /// `pg_constraint.confdeltype`; a blank for what is no foreign key.
    on_delete: String,
}

fn constraint(spi: &Spi, table: &str, name: &str) -> Result<Option<Constraint>> {
    let rows = spi.query_once(
        "SELECT convalidated, confdeltype::text FROM pg_catalog.pg_constraint \
          WHERE conrelid = $1::pg_catalog.regclass AND conname = $2",
        args![table, name],
    )?;
    rows.first().map(|row| Ok(Constraint { is_valid: row.expect(1)?, on_delete: row.expect(2)? })).transpose()
}

/// The users of the platform.
const USERS: &str = "auth.users";

/// How many rows refer to a user who does not exist, where row security hides
/// `auth.users` from the schema's owner, as Supabase's does.
///
/// Which users exist is asked with the rights of that table's owner, by a
/// statement that is fixed: the caller's text is never run with these rights.
fn count_without_user(spi: &Spi, table: &str, column: &str) -> Result<i64> {
    let array = |rows: spi::Rows<'_>| -> Result<String> { Ok(rows.one()?.unwrap_or_else(|| "{}".to_owned())) };
    let referenced = array(spi.query_once(
        &format!(
            "SELECT COALESCE(pg_catalog.array_agg(DISTINCT {column}), '{{}}')::text FROM {table} \
              WHERE {column} IS NOT NULL"
        ),
        &[],
    )?)?;
    let owner = spi
        .query_once("SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'auth.users'::pg_catalog.regclass", &[])?
        .first()
        .map_or_else(|| Err(error::unexpected_null(USERS)), |row| row.expect(1))?;
    let missing = roles::acting_as(owner, || {
        array(spi.query_once(
            "SELECT COALESCE(pg_catalog.array_agg(wanted.id), '{}')::text \
               FROM pg_catalog.unnest($1::pg_catalog.uuid[]) AS wanted (id) \
              WHERE NOT EXISTS (SELECT FROM auth.users AS parent \
                                 WHERE parent.id OPERATOR(pg_catalog.=) wanted.id)",
            args![&referenced],
        )?)
    })?;
    let rows = spi.query_once(
        &format!("SELECT count(*) FROM {table} WHERE {column} = ANY ($1::pg_catalog.uuid[])"),
        args![&missing],
    )?;
    Ok(rows.one()?.unwrap_or(0))
}

/// Validates a constraint unless rows break it; those are reported.
fn validate(spi: &Spi, table: &str, name: &str, rows: i64, offending: &str) -> Result<()> {
    match rows {
        0 => spi.execute_script(&format!("ALTER TABLE {table} VALIDATE CONSTRAINT {}", quoted_identifier(name))),
        rows => {
            warnings::warn(format!(
                "constraint {name} holds for new rows only: {rows} rows of {table} break it. \
                 See them with SELECT * {offending}; once they are corrected, run \
                 ALTER TABLE {table} VALIDATE CONSTRAINT {}",
                quoted_identifier(name)
            ));
            Ok(())
        }
    }
}

fn is_partitioned(spi: &Spi, table: &str) -> Result<bool> {
    spi.exists("SELECT FROM pg_catalog.pg_class WHERE oid = $1::pg_catalog.regclass AND relkind = 'p'", args![table])
}

/// The columns of a table's partition key that an index over `columns` lacks,
/// each after a comma: a unique index of a partitioned table holds them all.
fn missing_partition_key(spi: &Spi, table: &str, columns: &str) -> Result<String> {
    let rows = spi.query_once(
        "SELECT COALESCE(pg_catalog.string_agg(', ' || pg_catalog.quote_ident(a.attname), '' ORDER BY a.attnum), '') \
           FROM pg_catalog.pg_partitioned_table p \
           JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs) \
          WHERE p.partrelid = $1::pg_catalog.regclass \
            AND a.attname <> ALL (pg_catalog.regexp_split_to_array($2, '[,\\s]+'))",
        args![table, columns],
    )?;
    Ok(rows.one()?.unwrap_or_default())
}

pub fn count(spi: &Spi, from: &str) -> Result<i64> {
    let rows = spi.query_once(&format!("SELECT count(*) {from}"), &[])?;
    Ok(rows.one()?.unwrap_or(0))
}

const UNIQUE_INDEX_OF_THAT_NAME: &str = "SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
     WHERE i.indrelid = $1::pg_catalog.regclass AND c.relname = $2 \
       AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL";

/// Whether a valid index of that name is there; an invalid one is dropped.
fn index_is_usable(spi: &Spi, table: &str, name: &str) -> Result<bool> {
    let rows = spi.query_once(
        "SELECT i.indisvalid, i.indexrelid::pg_catalog.regclass::text \
           FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
          WHERE i.indrelid = $1::pg_catalog.regclass AND c.relname = $2",
        args![table, name],
    )?;
    let Some(row) = rows.first() else {
        return Ok(false);
    };
    if row.expect::<bool>(1)? {
        return Ok(true);
    }
    spi.execute_script(&format!("DROP INDEX {}", row.expect::<String>(2)?))?;
    Ok(false)
}
