//! Statements on the stored tables: the guard that lets them through, and what a client reads
//! of their errors.

use std::cell::Cell;

use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};

use crate::error::{self, Result};
use crate::pg::caught::{self, Caught, Text};
use crate::pg::roles;
use crate::pg::spi::{Arg, Rows, Snapshot, Spi};
use crate::pg::trigger::{self, TriggeredRow};
use crate::phi::columns::{PhiTable, TABLES};

thread_local! {
    /// A view's trigger function is writing to its stored table.
    static THROUGH_THE_VIEW: Cell<bool> = const { Cell::new(false) };
}

fn through_the_view<T>(work: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            THROUGH_THE_VIEW.set(self.0);
        }
    }
    let _before = Before(THROUGH_THE_VIEW.replace(true));
    work()
}

/// BEFORE INSERT, UPDATE or DELETE on a stored table: refuses API roles what
/// does not come through the view.
///
/// # Errors
/// 42501.
#[pg_extern(sql = false)]
fn refuse_direct_write(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    trigger::fire(fcinfo, "refuse_direct_write", |row| {
        let writer = roles::effective();
        let is_client =
            [c"anon", c"authenticated", c"service_role"].iter().any(|role| roles::has_rights_of(writer, role));
        if THROUGH_THE_VIEW.get() || !is_client || roles::has_rights_of_role(writer, row.table_owner()) {
            return Ok(());
        }
        Err(error::write_through_view(&row.table()))
    })
}

/// Runs a statement on the stored table. PostgreSQL's own errors speak of the
/// table that clients know; those of a team's triggers are the team's.
pub fn run<'spi>(spi: &'spi Spi, sql: &str, args: &[Arg<'_>]) -> Result<Rows<'spi>> {
    through_the_view(|| caught::catching(|| spi.query_text(sql, Snapshot::New, args)))
        .unwrap_or_else(|error| as_known(error, sql).raise())
}

/// The error with the names of the views for those of the stored tables, and
/// without this statement, which no client sent.
fn as_known(mut error: Caught, statement: &str) -> Caught {
    let context = error.text(Text::Context).unwrap_or_default();
    let sent: Vec<&str> = context.lines().filter(|line| !line.contains(statement)).collect();
    let sent = sent.join("\n");
    error.set(Text::Context, (!sent.is_empty()).then_some(&sent));
    let stored = error
        .text(Text::Table)
        .filter(|_| error.text(Text::Schema).as_deref() == Some("auria_raw"))
        .and_then(|name| PhiTable::named(name.strip_suffix("_raw")?));
    if let Some(table) = stored {
        error.set(Text::Schema, Some("public"));
        error.set(Text::Table, Some(table.name));
    }
    if !error.names_objects() {
        return error;
    }
    rename(&mut error, Text::Message);
    if stored.is_some() {
        // It may quote the stored row, or a digest: only the values of a key are a client's to read.
        let quotes_a_key = error.code == PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION
            || error.code == PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION;
        if !quotes_a_key {
            error.set(Text::Detail, None);
        } else if error.text(Text::Detail).is_some_and(|detail| detail.contains("name_digest")) {
            // As PostgreSQL says it of the name, which no log of a sealed database is to have.
            error.set(Text::Detail, Some("Key (user_id, name) already exists."));
        } else {
            rename(&mut error, Text::Detail);
        }
    }
    error
}

fn rename(error: &mut Caught, text: Text) {
    let Some(stored) = error.text(text) else {
        return;
    };
    let known = TABLES.iter().fold(stored.to_string(), |text, table| {
        text.replace(&format!("\"{}_raw\"", table.name), &format!("\"{}\"", table.name))
    });
    if known != stored {
        error.set(text, Some(&known));
    }
}
