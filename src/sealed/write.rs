//! The trigger functions of the views, which write to the stored tables, and
//! the guard of the stored tables.
//!
//! They run with the rights of whoever writes, so that row-level security
//! decides. What is written where follows from the catalogue and from
//! [`columns`]: one function of each kind serves all views.

use std::cell::Cell;

use auria_openpgp::limits::MAX_MESSAGE;
use pgrx::datum::Date;
use pgrx::{PgSqlErrorCode, pg_extern, pg_sys};
use uuid::Uuid;

use super::stored;
use crate::args;
use crate::error::{self, Error, Result};
use crate::pg::caught::{self, Caught, Text};
use crate::pg::spi::{self, Arg, Snapshot, Spi, quoted_identifier};
use crate::pg::trigger::{self, Column, RowTrigger, TriggeredRow};
use crate::pg::{roles, transaction};
use crate::phi::quiet;
use crate::phi::{self, columns, columns::Kind, columns::Table, layout};
use crate::statement;

/// The longest name, in octets: what an index of the open layout holds.
const LONGEST_NAME: usize = 2680;

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
            ["anon", "authenticated", "service_role"].iter().any(|role| roles::has_rights_of(writer, &c_name(role)));
        if THROUGH_THE_VIEW.get() || !is_client || roles::has_rights_of_role(writer, row.table_owner()) {
            return Ok(());
        }
        Err(error::write_through_view(&row.table()))
    })
}

fn c_name(name: &str) -> std::ffi::CString {
    std::ffi::CString::new(name).unwrap_or_default()
}

/// INSTEAD OF INSERT on a view. Errors: 42501 a ciphertext that does not open
/// to the plain value; 54000 a name that is too long, or a value; 55000 no key.
#[pg_extern(sql = false)]
fn sealed_insert(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    fire(fcinfo, "sealed_insert", insert)
}

/// INSTEAD OF UPDATE on a view. Errors as [`sealed_insert`]; 40001 where the
/// row has changed since the statement began.
#[pg_extern(sql = false)]
fn sealed_update(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    fire(fcinfo, "sealed_update", update)
}

/// INSTEAD OF DELETE on a view. Errors: 40001 where the row has changed since
/// the statement began.
#[pg_extern(sql = false)]
fn sealed_delete(fcinfo: pg_sys::FunctionCallInfo) -> TriggeredRow {
    fire(fcinfo, "sealed_delete", delete)
}

fn fire(
    fcinfo: pg_sys::FunctionCallInfo,
    function: &'static str,
    write: fn(&Spi, &mut RowTrigger<'_>, &'static Table) -> Result<()>,
) -> TriggeredRow {
    trigger::fire(fcinfo, function, |row| {
        let name = row.table();
        let Some(table) = columns::TABLES.iter().find(|table| table.name == name) else {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                format!("{function}() is for the views of the sealed layout"),
            ));
        };
        if !row.is_instead() {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                format!("{function}() must be an INSTEAD OF trigger"),
            ));
        }
        spi::connected(|spi| write(spi, row, table))
    })
}

/// What a row's write sets in the stored table.
struct Assignments {
    names: Vec<String>,
    ordinary: Vec<(usize, Arg<'static>)>,
    bytes: Vec<(usize, Option<Vec<u8>>)>,
}

impl Assignments {
    fn new() -> Self {
        Self { names: Vec::new(), ordinary: Vec::new(), bytes: Vec::new() }
    }

    fn set(&mut self, name: &str, value: Arg<'static>) {
        self.ordinary.push((self.names.len(), value));
        self.names.push(quoted_identifier(name));
    }

    fn set_bytes(&mut self, name: &str, value: Option<Vec<u8>>) {
        self.bytes.push((self.names.len(), value));
        self.names.push(quoted_identifier(name));
    }

    fn args(&self) -> Vec<Arg<'_>> {
        let mut args: Vec<(usize, Arg<'_>)> = self.ordinary.clone();
        let bytes = self.bytes.iter();
        args.extend(bytes.map(|(place, value)| (*place, Arg::from(value.as_deref()))));
        args.sort_by_key(|(place, _)| *place);
        args.into_iter().map(|(_, arg)| arg).collect()
    }
}

fn insert(spi: &Spi, row: &mut RowTrigger<'_>, table: &'static Table) -> Result<()> {
    let stored = stored::stored(spi, table)?;
    let owner = owner_of(row)?;
    let mut new = Assignments::new();
    for (column, name) in row.columns() {
        if plain_of(table, &name).is_some() || stored.is_generated(&name) {
            continue;
        }
        if let Some(pair) = encrypted_of(table, &name) {
            let plain = row.column(pair.plain);
            let value = match plain {
                Some(plain) if !row.new_is_null(plain) => {
                    check_given(row, pair, plain, column, owner)?;
                    Some(sealed(row, pair, plain, owner)?)
                }
                _ if row.new_is_null(column) => None,
                _ if is_trusted(row) => row.new_stored(column)?.map(|given| given.read().to_vec()),
                _ => return Err(refused(row, pair)),
            };
            if value.is_none() && stored.is_required(&name) {
                return Err(missing(table, &pair.plain.to_string_lossy()));
            }
            new.set_bytes(&name, value);
            continue;
        }
        if row.new_is_null(column) && stored.is_required(&name) {
            return Err(missing(table, &name));
        }
        new.set(&name, row.new_argument(column));
    }
    let digests = Digests::of(row, table, owner)?;
    digests.set(table, &mut new);
    let places: Vec<String> = (1..=new.names.len()).map(|place| format!("${place}")).collect();
    // Whoever saves a draft again replaces the last one.
    let replacing = if table.name == columns::EVALUATION_DRAFTS.name {
        "ON CONFLICT (user_id) DO UPDATE SET draft_data_encrypted = excluded.draft_data_encrypted, \
             updated_at = pg_catalog.now()"
    } else {
        ""
    };
    let returned = returned_columns(row, table);
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({}) {replacing} RETURNING {}",
        layout::stored_name(table),
        new.names.join(", "),
        places.join(", "),
        quoted(&returned),
    );
    store(spi, row, &sql, &new.args(), &returned)?;
    if let Some(id) = row.column(c"id").and_then(|id| row.stored_id(id)) {
        digests.settle(spi, id)?;
    }
    Ok(())
}

fn update(spi: &Spi, row: &mut RowTrigger<'_>, table: &'static Table) -> Result<()> {
    let stored = stored::stored(spi, table)?;
    let id = lock_as_seen(spi, row, table)?;
    let Some(id) = id else {
        row.skip();
        return Ok(());
    };
    let owner = owner_of(row)?;
    let moves = row.column(c"user_id").is_some_and(|user| row.changes(user));
    let mut new = Assignments::new();
    for (column, name) in row.columns() {
        if plain_of(table, &name).is_some() || stored.is_generated(&name) {
            continue;
        }
        let Some(pair) = encrypted_of(table, &name) else {
            if row.changes(column) {
                if row.new_is_null(column) && stored.is_required(&name) {
                    return Err(missing(table, &name));
                }
                new.set(&name, row.new_argument(column));
            }
            continue;
        };
        let Some(plain) = row.column(pair.plain) else {
            continue;
        };
        let is_null = row.new_is_null(plain);
        if row.changes(column) && !is_trusted(row) {
            if is_null {
                if !row.new_is_null(column) {
                    return Err(refused(row, pair));
                }
            } else if !row.new_is_null(column) {
                check_given(row, pair, plain, column, owner)?;
            }
        }
        let value = if row.changes(plain) || (moves && !is_null) {
            match is_null {
                true => None,
                false => Some(sealed(row, pair, plain, owner)?),
            }
        } else if row.changes(column) && is_trusted(row) {
            row.new_stored(column)?.map(|given| given.read().to_vec())
        } else {
            continue;
        };
        if value.is_none() && stored.is_required(&name) {
            return Err(missing(table, &pair.plain.to_string_lossy()));
        }
        new.set_bytes(&name, value);
    }
    let renamed = row.column(c"name").is_some_and(|name| row.changes(name));
    let digests = if renamed || moves {
        let digests = Digests::of(row, table, owner)?;
        digests.set(table, &mut new);
        digests
    } else {
        Digests::default()
    };
    let mut settings: Vec<String> = (1..).zip(&new.names).map(|(place, name)| format!("{name} = ${place}")).collect();
    if settings.is_empty() {
        // The row is written all the same, as a table's would be.
        settings.push("id = id".to_owned());
    }
    let returned = returned_columns(row, table);
    let sql = format!(
        "UPDATE {} SET {} WHERE id OPERATOR(pg_catalog.=) ${} RETURNING {}",
        layout::stored_name(table),
        settings.join(", "),
        new.names.len() + 1,
        quoted(&returned),
    );
    let mut args = new.args();
    args.push(Arg::from(id));
    store(spi, row, &sql, &args, &returned)?;
    digests.settle(spi, id)
}

fn delete(spi: &Spi, row: &mut RowTrigger<'_>, table: &'static Table) -> Result<()> {
    let Some(id) = lock_as_seen(spi, row, table)? else {
        row.skip();
        return Ok(());
    };
    let sql = format!("DELETE FROM {} WHERE id OPERATOR(pg_catalog.=) $1", layout::stored_name(table));
    let deleted = run(spi, &sql, args![id])?;
    if deleted.is_empty() {
        row.skip();
    }
    Ok(())
}

/// Runs the statement and gives the row what is stored; leaves it out where
/// row-level security hid it.
fn store(
    spi: &Spi,
    row: &mut RowTrigger<'_>,
    sql: &str,
    args: &[Arg<'_>],
    returned: &[(Column, String)],
) -> Result<()> {
    let rows = run(spi, sql, args)?;
    let Some(found) = rows.first() else {
        row.skip();
        return Ok(());
    };
    for (position, (column, _)) in (1..).zip(returned) {
        row.take(*column, &found, position)?;
    }
    Ok(())
}

/// Runs a statement on the stored table. PostgreSQL's own errors speak of the
/// table that clients know; those of a team's triggers are the team's.
fn run<'spi>(spi: &'spi Spi, sql: &str, args: &[Arg<'_>]) -> Result<spi::Rows<'spi>> {
    through_the_view(|| caught::catching(|| spi.query_text(sql, args)))
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
        .and_then(|name| columns::TABLES.iter().find(|table| name.strip_suffix("_raw") == Some(table.name)));
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
        if quotes_a_key && error.text(Text::Detail).is_some_and(|detail| !detail.contains("name_digest")) {
            rename(&mut error, Text::Detail);
        } else {
            error.set(Text::Detail, None);
        }
    }
    error
}

fn rename(error: &mut Caught, text: Text) {
    let Some(stored) = error.text(text) else {
        return;
    };
    let known = columns::TABLES.iter().fold(stored.to_string(), |text, table| {
        text.replace(&format!("\"{}_raw\"", table.name), &format!("\"{}\"", table.name))
    });
    if known != stored {
        error.set(text, Some(&known));
    }
}

statement! {
    PATIENTS_SEEN = "SELECT ctid::pg_catalog.text FROM auria_raw.patients_raw WHERE id = $1";
    EVALUATIONS_SEEN = "SELECT ctid::pg_catalog.text FROM auria_raw.evaluations_raw WHERE id = $1";
    DRAFTS_SEEN = "SELECT ctid::pg_catalog.text FROM auria_raw.evaluation_drafts_raw WHERE id = $1";
    PATIENTS_LOCK = "SELECT ctid::pg_catalog.text, xmin::pg_catalog.text::pg_catalog.int8 \
          FROM auria_raw.patients_raw WHERE id = $1 FOR UPDATE";
    EVALUATIONS_LOCK = "SELECT ctid::pg_catalog.text, xmin::pg_catalog.text::pg_catalog.int8 \
          FROM auria_raw.evaluations_raw WHERE id = $1 FOR UPDATE";
    DRAFTS_LOCK = "SELECT ctid::pg_catalog.text, xmin::pg_catalog.text::pg_catalog.int8 \
          FROM auria_raw.evaluation_drafts_raw WHERE id = $1 FOR UPDATE";
}

/// Locks the stored row of the view's row and returns its id; `None` where it
/// is gone, hidden from the writer, or written by this very statement before.
///
/// # Errors
/// 40001 where somebody has changed it since the statement began: the row's
/// conditions were checked on what it was.
fn lock_as_seen(spi: &Spi, row: &RowTrigger<'_>, table: &Table) -> Result<Option<Uuid>> {
    let id = row.column(c"id").map(|id| row.old_value::<Uuid>(id));
    let Some(id) = id.transpose()?.flatten() else {
        return Ok(None);
    };
    let (seen, lock) = match table.name {
        "patients" => (&PATIENTS_SEEN, &PATIENTS_LOCK),
        "evaluations" => (&EVALUATIONS_SEEN, &EVALUATIONS_LOCK),
        _ => (&DRAFTS_SEEN, &DRAFTS_LOCK),
    };
    let seen: Option<String> = spi.query(seen, Snapshot::Caller, args![id])?.one()?;
    let rows = spi.query(lock, Snapshot::New, args![id])?;
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

fn owner_of(row: &RowTrigger<'_>) -> Result<Uuid> {
    let owner = row.column(c"user_id").map(|user| row.new_value::<Uuid>(user));
    owner.transpose()?.flatten().ok_or_else(|| not_null(&row.table(), "user_id"))
}

fn plain_of(table: &'static Table, name: &str) -> Option<&'static columns::Column> {
    let mut pairs = table.columns.iter();
    pairs.find(|pair| pair.plain.to_bytes() == name.as_bytes())
}

fn encrypted_of(table: &'static Table, name: &str) -> Option<&'static columns::Column> {
    let mut pairs = table.columns.iter();
    pairs.find(|pair| pair.encrypted.to_bytes() == name.as_bytes())
}

/// The plain value, encrypted for its owner.
fn sealed(row: &RowTrigger<'_>, pair: &columns::Column, plain: Column, owner: Uuid) -> Result<Vec<u8>> {
    match pair.kind {
        Kind::Text | Kind::Jsonb => {
            let text = row.new_stored(plain)?;
            phi::encrypt_for(text.map_or(&[][..], |text| text.read()), owner)
        }
        Kind::Date => {
            let date = row.new_value::<Date>(plain)?;
            let text = date.map(columns::iso).unwrap_or_default();
            phi::encrypt_for(text.as_bytes(), owner)
        }
    }
}

/// A ciphertext that the statement gives beside a plain value has to open to
/// it, unless the writer is trusted: then it is written anew in any case.
fn check_given(
    row: &RowTrigger<'_>,
    pair: &columns::Column,
    plain: Column,
    encrypted: Column,
    owner: Uuid,
) -> Result<()> {
    let Some(given) = row.new_stored(encrypted)? else {
        return Ok(());
    };
    if is_trusted(row) {
        return Ok(());
    }
    let fits = given.len() <= MAX_MESSAGE
        && match pair.kind {
            Kind::Text | Kind::Jsonb => {
                let Some(text) = row.new_stored(plain)? else {
                    return Err(refused(row, pair));
                };
                opens(given.read(), owner, |found| text.says(found.as_bytes()))?
            }
            Kind::Date => {
                let Some(date) = row.new_value::<Date>(plain)? else {
                    return Err(refused(row, pair));
                };
                opens(given.read(), owner, |found| columns::iso(date) == found)?
            }
        };
    if fits { Ok(()) } else { Err(refused(row, pair)) }
}

/// Whether a value of this owner's says the text. Somebody else's says nothing:
/// a guess at it must not be confirmed.
fn opens(given: &[u8], owner: Uuid, says: impl FnOnce(&str) -> bool) -> Result<bool> {
    let opened = phi::decrypt_bound(given, |found, origin| origin.owner == Some(owner) && says(found));
    match opened {
        Ok(fits) => Ok(fits),
        Err(error) if error.is_about_a_stored_value() => Ok(false),
        Err(error) => Err(error),
    }
}

fn refused(row: &RowTrigger<'_>, pair: &columns::Column) -> Error {
    error::phi_ciphertext_refused(&row.table(), &pair.encrypted.to_string_lossy())
}

fn is_trusted(row: &RowTrigger<'_>) -> bool {
    let writer = roles::effective();
    roles::has_rights_of_role(writer, row.table_owner()) || roles::has_rights_of(writer, c"service_role")
}

/// The digests that keep a dentist's names apart.
#[derive(Default)]
struct Digests {
    /// What is stored.
    current: Option<[u8; 16]>,
    /// What writers and rows have that know the previous secret alone.
    previous: Option<[u8; 16]>,
}

impl Digests {
    /// Those of the name that is being written. Errors: 54000 where it is too
    /// long.
    fn of(row: &RowTrigger<'_>, table: &Table, owner: Uuid) -> Result<Self> {
        let column = row.column(c"name");
        let Some(column) = column.filter(|_| table.name == columns::PATIENTS.name) else {
            return Ok(Self::default());
        };
        let Some(name) = row.new_stored(column)? else {
            return Ok(Self::default());
        };
        let name = name.read();
        if name.len() > LONGEST_NAME {
            return Err(error::name_too_long(LONGEST_NAME));
        }
        Ok(Self { current: Some(phi::name_digest(owner, name)?), previous: phi::previous_name_digest(owner, name)? })
    }

    /// Sets the digest. During a rotation the row is written under the previous
    /// one first: it meets in the index whoever knows that one alone.
    fn set(&self, table: &Table, new: &mut Assignments) {
        if table.name == columns::PATIENTS.name {
            let first = self.previous.or(self.current);
            new.set_bytes("name_digest", first.map(|digest| digest.to_vec()));
        }
    }

    /// Writes the row under the current digest, too, where it meets whoever has
    /// done so before. While somebody may still write who knows the previous
    /// secret alone, it then goes back to the previous one, for them to meet:
    /// `auria.phi_backfill()` settles it when they have ended.
    fn settle(&self, spi: &Spi, id: Uuid) -> Result<()> {
        let (Some(current), Some(previous)) = (&self.current, &self.previous) else {
            return Ok(());
        };
        let settle = "UPDATE auria_raw.patients_raw SET name_digest = $2 \
             WHERE id OPERATOR(pg_catalog.=) $1";
        let set_to = |digest: &[u8; 16]| {
            quiet::kept("auria_raw.patients_raw", || run(spi, settle, args![id, &digest[..]]).map(drop))
        };
        set_to(current)?;
        if phi::another_key_is_in_use(spi)? {
            set_to(previous)?;
        }
        Ok(())
    }
}

/// What the statement returns: everything that is stored as it is.
fn returned_columns(row: &RowTrigger<'_>, table: &'static Table) -> Vec<(Column, String)> {
    let mut columns = row.columns();
    columns.retain(|(_, name)| plain_of(table, name).is_none());
    columns
}

fn quoted(columns: &[(Column, String)]) -> String {
    let names: Vec<String> = columns.iter().map(|(_, name)| quoted_identifier(name)).collect();
    names.join(", ")
}

fn missing(table: &Table, column: &str) -> Error {
    not_null(table.name, column)
}

fn not_null(table: &str, column: &str) -> Error {
    error::null_in_column(table, column)
}
