//! What a stored table is, as far as its view's trigger functions ask, and the lock of its rows.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::PgSqlErrorCode;
use uuid::Uuid;

use crate::args;
use crate::error::{Error, Result};
use crate::pg::spi::{Snapshot, Spi};
use crate::pg::transaction;
use crate::pg::trigger::RowTrigger;
use crate::phi::columns::PhiTable;
use crate::phi::layout::stored_name;
use crate::statement;

/// A stored table, as far as its view's trigger functions ask.
pub struct Stored {
    table: &'static str,
    generated: Vec<String>,
    required: Vec<String>,
}

impl Stored {
    /// Whether PostgreSQL computes the column.
    pub fn is_generated(&self, column: &str) -> bool {
        self.generated.iter().any(|name| name == column)
    }

    /// Whether the column is NOT NULL.
    pub fn is_required(&self, column: &str) -> bool {
        self.required.iter().any(|name| name == column)
    }
}

thread_local! {
    /// By the transaction that looked: no definition changes under its locks.
    static KNOWN: RefCell<(u32, Vec<Rc<Stored>>)> = const { RefCell::new((0, Vec::new())) };
}

statement! {
    COLUMNS = "SELECT a.attname::pg_catalog.text, a.attgenerated <> '', a.attnotnull \
          FROM pg_catalog.pg_attribute a \
         WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";
}

/// The stored table behind a view.
pub fn stored(spi: &Spi, table: &'static PhiTable) -> Result<Rc<Stored>> {
    let now = transaction::local_number();
    let known = KNOWN.with_borrow_mut(|(transaction, known)| {
        if *transaction != now {
            *transaction = now;
            known.clear();
        }
        known.iter().find(|stored| stored.table == table.name).cloned()
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let mut stored = Stored { table: table.name, generated: Vec::new(), required: Vec::new() };
    let name = stored_name(table);
    for row in spi.query(&COLUMNS, Snapshot::Caller, args![&name])?.iter() {
        let name: String = row.expect(1)?;
        if row.expect(2)? {
            stored.generated.push(name.clone());
        }
        if row.expect(3)? {
            stored.required.push(name);
        }
    }
    let stored = Rc::new(stored);
    KNOWN.with_borrow_mut(|(_, known)| known.push(stored.clone()));
    Ok(stored)
}

/// Locks the stored row of the view's row and returns its id; `None` where it
/// is gone, hidden from the writer, or written by this very statement before.
///
/// # Errors
/// 40001 where somebody has changed it since the statement began: the row's
/// conditions were checked on what it was.
pub fn lock_as_seen(spi: &Spi, row: &RowTrigger<'_>, table: &PhiTable) -> Result<Option<Uuid>> {
    let id = row.column(c"id").map(|id| row.old_value::<Uuid>(id));
    let Some(id) = id.transpose()?.flatten() else {
        return Ok(None);
    };
    let stored = stored_name(table);
    let seen = format!("SELECT ctid::pg_catalog.text FROM {stored} WHERE id OPERATOR(pg_catalog.=) $1");
    let seen: Option<String> = spi.query_text(&seen, Snapshot::Caller, args![id])?.one()?;
    let lock = format!(
        "SELECT ctid::pg_catalog.text, xmin::pg_catalog.text::pg_catalog.int8 \
           FROM {stored} WHERE id OPERATOR(pg_catalog.=) $1 FOR UPDATE"
    );
    let rows = spi.query_text(&lock, Snapshot::New, args![id])?;
    let Some(now) = rows.first() else {
        return Ok(None);
    };
    if seen == now.get::<String>(1)? {
        return Ok(Some(id));
    }
    // Written by this very statement before, as in a join that meets it twice.
    if transaction::is_own(now.expect::<i64>(2)?) {
        return Ok(None);
    }
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        "could not serialize access due to concurrent update",
    )
    .hint("Run the statement again."))
}
