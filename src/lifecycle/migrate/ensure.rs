//! The functions that migrations call on populated tables.
//!
//! None of these fails or changes a row because of the rows that are there: a
//! rule they break is enforced for what is written from now on, and a warning
//! says how many rows break it and how to see them.

use std::cell::Cell;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::target::Target;
use super::{foreign_key, index, rules, unique};
use crate::error::{Result, required};
use crate::pg::spi::{self, quoted_identifier};

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

/// The arguments, none of which may be NULL (22004).
macro_rules! all_of {
    ($function:literal: $($argument:ident),+) => { ($(required($argument, $function, stringify!($argument))?),+) };
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
    let (table, name, expression) = all_of!("auria.ensure_check": p_table, p_name, p_expression);
    Ok(spi::connected(|spi| rules::ensure(&Target { spi, table, name }, expression, p_comment))?)
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
    let (table, name, column, references, referenced_column, on_delete) = all_of!(
        "auria.ensure_foreign_key": p_table, p_name, p_column, p_references, p_referenced_column, p_on_delete
    );
    let key = foreign_key::ForeignKey {
        column: quoted_identifier(column),
        references,
        referenced: quoted_identifier(referenced_column),
        on_delete,
    };
    Ok(spi::connected(|spi| foreign_key::ensure(&Target { spi, table, name }, &key))?)
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
    let (table, name) = all_of!("auria.ensure_unique": p_table, p_name);
    let columns: Option<Vec<String>> = p_columns.and_then(|columns| columns.into_iter().collect());
    let columns = required(columns, "auria.ensure_unique", "p_columns")?;
    Ok(spi::connected(|spi| unique::ensure_constraint(&Target { spi, table, name }, &columns))?)
}

/// Makes an index where the table has none of that name and none of the same
/// definition, and makes it anew where a concurrent build left an invalid one.
/// An index of that name and another definition stays, until
/// `auria.migrate(again => true)` replaces it. `p_definition` is what follows
/// the table in CREATE INDEX. For migrations.
#[pg_extern(sql = false)]
fn ensure_index(p_table: Option<&str>, p_name: Option<&str>, p_definition: Option<&str>) -> Result<(), ErrorReport> {
    let (table, name, definition) = all_of!("auria.ensure_index": p_table, p_name, p_definition);
    Ok(spi::connected(|spi| index::ensure(&Target { spi, table, name }, definition, RESTORING.get()))?)
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
    let (table, name, columns) = all_of!("auria.ensure_unique_index": p_table, p_name, p_columns);
    // A list in one text: released migrations call it so.
    let columns: Vec<String> = columns.split(',').map(|column| column.trim().to_owned()).collect();
    Ok(spi::connected(|spi| unique::ensure_index(&Target { spi, table, name }, &columns, p_predicate))?)
}
