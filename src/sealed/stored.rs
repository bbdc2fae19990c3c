//! What a stored table is, as far as its view's trigger functions ask.

use std::cell::RefCell;
use std::rc::Rc;

use crate::args;
use crate::error::Result;
use crate::pg::spi::{Snapshot, Spi};
use crate::pg::transaction;
use crate::phi::columns::Table;
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
pub fn stored(spi: &Spi, table: &'static Table) -> Result<Rc<Stored>> {
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
