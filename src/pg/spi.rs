//! SQL from inside the backend (Server Programming Interface).
//!
//! pgrx has a client for SPI (`pgrx::Spi`). This layer stands beside it, because
//! the extension needs what that client does not offer:
//!
//! | need | who needs it | what pgrx's client does |
//! |---|---|---|
//! | reading without a transaction id, as a hot standby requires | `can_use_credits`, sealed reads, doctor | `get_one`, `run` and `update` assign one |
//! | the caller's snapshot in a STABLE function | every function that only answers | the same |
//! | a snapshot of this instant under REPEATABLE READ | the ledger under the user's lock | none: an old ledger would be shown |
//! | non-atomic mode, so that a procedure may commit | `phi_backfill`, `reset_monthly`, `phi_seal` | always connects atomically |
//! | wiping a result that holds a secret | the key from Vault | hands out copies that nobody wipes |

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::rc::Rc;
use std::thread::LocalKey;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{IntoDatum, pg_sys};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use super::array;
use super::boundary;
use super::bytes::{Jsonb, Stored, Text};
use super::value::{Fields, Value, underlying};
use crate::error::{self, Error, Result};

/// The snapshot that a statement runs with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Snapshot {
    /// The caller's, no writes: for STABLE functions and standbys.
    Caller,
    /// A new one, as a statement of a client gets; writes allowed.
    New,
    /// Everything committed by now, whatever the isolation level. No writes.
    Latest,
}

/// A value passed to a statement: its type, and its datum or NULL. Made by `From`
/// from what it is made of; [`args!`](crate::args) makes a list of them.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    oid: pg_sys::Oid,
    value: Native<'a>,
}

/// What a datum is made of when the statement runs, in the memory of that moment.
#[derive(Clone, Copy, Debug)]
enum Native<'a> {
    Null,
    Datum(pg_sys::Datum),
    Uuid(Uuid),
    Text(&'a str),
    Bytes(&'a [u8]),
    Texts(&'a [String]),
    Names(&'a [&'a str]),
    Uuids(&'a [Uuid]),
    Oids(&'a [pg_sys::Oid]),
    ByteStrings(&'a [Vec<u8>]),
}

impl Arg<'_> {
    /// A value that PostgreSQL handed over, of this type; `None` is NULL.
    pub fn of_type(oid: pg_sys::Oid, datum: Option<pg_sys::Datum>) -> Self {
        Self { oid, value: datum.map_or(Native::Null, Native::Datum) }
    }

    pub(super) fn datum(&self) -> Option<pg_sys::Datum> {
        match self.value {
            Native::Null => None,
            Native::Datum(datum) => Some(datum),
            Native::Uuid(id) => pgrx::datum::Uuid::from_bytes(*id.as_bytes()).into_datum(),
            // A text has the layout of a bytea.
            Native::Text(text) => text.as_bytes().into_datum(),
            Native::Bytes(bytes) => bytes.into_datum(),
            Native::Texts(texts) => Some(array_of(pg_sys::TEXTOID, texts)),
            Native::Names(names) => Some(array_of(pg_sys::TEXTOID, names.iter().copied())),
            Native::Uuids(ids) => Some(array_of(pg_sys::UUIDOID, ids.iter().copied())),
            Native::Oids(oids) => Some(array_of(pg_sys::OIDOID, oids.iter().copied())),
            Native::ByteStrings(strings) => Some(array_of(pg_sys::BYTEAOID, strings.iter().map(Vec::as_slice))),
        }
    }
}

/// An array of what is passed singly as an [`Arg`] of the type.
fn array_of<'a>(element: pg_sys::Oid, elements: impl IntoIterator<Item: Into<Arg<'a>>>) -> pg_sys::Datum {
    let datums = elements.into_iter().filter_map(|element| element.into().datum()).collect();
    // SAFETY: each datum was made for an argument of this type.
    unsafe { array::of(element, datums) }
}

macro_rules! arg_from {
    ($($rust:ty => $oid:ident, $native:expr;)+) => {$(
        impl<'a> From<$rust> for Arg<'a> {
            fn from(value: $rust) -> Self {
                let native: fn($rust) -> Native<'a> = $native;
                Self { oid: pg_sys::$oid, value: native(value) }
            }
        }

        /// `None` is NULL.
        impl<'a> From<Option<$rust>> for Arg<'a> {
            fn from(value: Option<$rust>) -> Self {
                value.map_or(Self { oid: pg_sys::$oid, value: Native::Null }, Self::from)
            }
        }
    )+};
}

arg_from! {
    Uuid => UUIDOID, Native::Uuid;
    &'a str => TEXTOID, Native::Text;
    &'a String => TEXTOID, |text| Native::Text(text);
    &'a [u8] => BYTEAOID, Native::Bytes;
    &'a [String] => TEXTARRAYOID, Native::Texts;
    &'a [&'a str] => TEXTARRAYOID, Native::Names;
    &'a [Uuid] => UUIDARRAYOID, Native::Uuids;
    &'a [pg_sys::Oid] => OIDARRAYOID, Native::Oids;
    &'a [Vec<u8>] => BYTEAARRAYOID, Native::ByteStrings;
    i32 => INT4OID, |value| Native::Datum(value.into());
    i64 => INT8OID, |value| Native::Datum(value.into());
    pg_sys::Oid => OIDOID, |value| Native::Datum(value.into());
    bool => BOOLOID, |value| Native::Datum(value.into());
    TimestampWithTimeZone => TIMESTAMPTZOID, |value| {
        Native::Datum(pg_sys::TimestampTz::from(value).into())
    };
}

/// The arguments of a statement: `args![user, operation, 30]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        &[$($crate::pg::spi::Arg::from($value)),*]
    };
}

/// A statement whose plan is made at its first use and cached until this is dropped,
/// over transactions too: for as long as the backend lives, if it is declared with
/// [`statement!`](crate::statement).
pub struct Statement {
    sql: Cow<'static, CStr>,
    plan: Cell<Option<NonNull<pg_sys::_SPI_plan>>>,
}

impl Statement {
    /// A statement of the sources.
    pub const fn new(sql: &'static CStr) -> Self {
        Self { sql: Cow::Borrowed(sql), plan: Cell::new(None) }
    }

    /// A statement whose text is put together at run time.
    pub fn of(sql: &str) -> Result<Self> {
        Ok(Self { sql: Cow::Owned(c_string(sql)?), plan: Cell::new(None) })
    }

    /// The plan, made if it is not there yet. The caller holds an [`Spi`].
    fn plan(&self, args: &[Arg<'_>]) -> Result<NonNull<pg_sys::_SPI_plan>> {
        if let Some(plan) = self.plan.get() {
            return Ok(plan);
        }
        let mut types: Vec<pg_sys::Oid> = args.iter().map(|arg| arg.oid).collect();
        // SAFETY: `sql` is a C string, `types` holds as many oids as is said,
        // and the caller holds an `Spi`, so SPI is connected. An error in the
        // SQL raises; a null pointer means misuse and is checked.
        let plan = unsafe {
            let plan = boundary::with_reserve(|| {
                pg_sys::SPI_prepare(self.sql.as_ptr(), types.len() as core::ffi::c_int, types.as_mut_ptr())
            });
            let plan = NonNull::new(plan).ok_or_else(|| spi_failure("SPI_prepare"))?;
            // Moves the plan to memory that outlives this call and transaction.
            if pg_sys::SPI_keepplan(plan.as_ptr()) != 0 {
                return Err(spi_failure("SPI_keepplan"));
            }
            plan
        };
        self.plan.set(Some(plan));
        Ok(plan)
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if let Some(plan) = self.plan.take() {
            // SAFETY: the plan was kept, so it is this value's to free, once. An abort
            // leaves it alone.
            unsafe { pg_sys::SPI_freeplan(plan.as_ptr()) };
        }
    }
}

/// A statement that [`statement!`](crate::statement) declares. It is not dropped: at the
/// backend's end there is nothing to free any more.
pub type Declared = LocalKey<ManuallyDrop<Statement>>;

/// What [`Spi::query`] runs.
pub trait Planned {
    /// Calls `work` with the statement.
    fn with_statement<T>(self, work: impl FnOnce(&Statement) -> T) -> T;
}

impl Planned for &Statement {
    fn with_statement<T>(self, work: impl FnOnce(&Statement) -> T) -> T {
        work(self)
    }
}

impl Planned for &'static Declared {
    fn with_statement<T>(self, work: impl FnOnce(&Statement) -> T) -> T {
        self.with(|statement| work(statement))
    }
}

/// Declares statements: `statement! { NAME = "SELECT …"; }`, or with
/// `include_str!("name.sql")`.
#[macro_export]
macro_rules! statement {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        thread_local! {
            $($(#[$doc])* static $name: std::mem::ManuallyDrop<$crate::pg::spi::Statement> = const {
                // The literal is NUL-terminated right here and holds no other NUL.
                match core::ffi::CStr::from_bytes_with_nul(concat!($sql, "\0").as_bytes()) {
                    Ok(sql) => std::mem::ManuallyDrop::new($crate::pg::spi::Statement::new(sql)),
                    Err(_) => panic!("a statement must not contain NUL"),
                }
            };)+
        }
    };
}

/// How many statements that are made at run time a backend caches.
const CACHED_STATEMENTS: usize = 128;

/// The text of a statement, and the types of its arguments.
type TextAndTypes = (String, Vec<pg_sys::Oid>);

thread_local! {
    /// What [`Spi::query_text`] has prepared.
    static CACHED: ManuallyDrop<RefCell<HashMap<TextAndTypes, Rc<Statement>>>> = ManuallyDrop::default();
}

/// Proof that SPI is connected; made by [`connected`].
pub struct Spi {
    _not_send: PhantomData<*const ()>,
}

/// Connects to SPI, runs `work`, and disconnects.
///
/// When PostgreSQL raises an error inside, the panic passes through here
/// without a disconnect: the abort of the (sub)transaction does that.
pub fn connected<T>(work: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    connected_with(0, work)
}

/// [`connected`] for a procedure, which may commit inside.
pub fn connected_to_commit<T>(work: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    connected_with(pg_sys::SPI_OPT_NONATOMIC, work)
}

fn connected_with<T>(options: u32, work: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
    boundary::guarded(|| {
        // SAFETY: called on the backend's main thread inside a transaction, as all
        // code of this library is; each connect is paired with a finish below.
        if unsafe { pg_sys::SPI_connect_ext(options as i32) } != pg_sys::SPI_OK_CONNECT as i32 {
            return Err(spi_failure("SPI_connect"));
        }
        let outcome = work(&Spi { _not_send: PhantomData });
        // SAFETY: connected above, at the same nesting level.
        if unsafe { pg_sys::SPI_finish() } != pg_sys::SPI_OK_FINISH as i32 {
            return Err(spi_failure("SPI_finish"));
        }
        outcome
    })
}

impl Spi {
    /// Runs a statement whose plan is cached, and gives its rows (or those of RETURNING).
    pub fn query(&self, statement: impl Planned, snapshot: Snapshot, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        let plan = statement.with_statement(|statement| statement.plan(args))?;
        self.execute_plan(plan, snapshot, args)
    }

    /// [`Spi::query`] with a new snapshot for a text that is made at run time: for few
    /// different ones that are run often.
    pub fn query_text(&self, sql: &str, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        let key = (sql.to_owned(), args.iter().map(|arg| arg.oid).collect());
        let cached = CACHED.with(|cached| cached.borrow().get(&key).cloned());
        let statement = match cached {
            Some(statement) => statement,
            None => {
                let statement = Rc::new(Statement::of(sql)?);
                CACHED.with(|cached| {
                    let mut cached = cached.borrow_mut();
                    if cached.len() >= CACHED_STATEMENTS {
                        cached.clear();
                    }
                    cached.insert(key, statement.clone());
                });
                statement
            }
        };
        self.query(&*statement, Snapshot::New, args)
    }

    fn execute_plan(&self, plan: NonNull<pg_sys::_SPI_plan>, snapshot: Snapshot, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        let (mut values, nulls) = values_and_nulls(args);
        let read_only = snapshot != Snapshot::New;
        // SAFETY: the plan was kept, so it outlives this call;
        // `values` and `nulls` have one entry per parameter of the plan, whose
        // types are those of the same `args` that prepared it. The pushed
        // snapshot is popped on the way out, and by the abort on an error.
        let code = unsafe {
            if snapshot == Snapshot::Latest {
                pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
            }
            let code = boundary::with_reserve(|| {
                pg_sys::SPI_execute_plan(plan.as_ptr(), values.as_mut_ptr(), nulls.as_ptr(), read_only, 0)
            });
            if snapshot == Snapshot::Latest {
                pg_sys::PopActiveSnapshot();
            }
            code
        };
        Rows::of_last_statement(code)
    }

    /// Runs a statement that is needed once, with a snapshot of its own.
    pub fn query_once(&self, sql: &str, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        self.run(sql, args, false)
    }

    /// Runs a read-only statement that is needed once.
    pub fn read_once(&self, sql: &str, args: &[Arg<'_>]) -> Result<Rows<'_>> {
        self.run(sql, args, true)
    }

    /// Whether a query that is needed once gives a row.
    pub fn exists(&self, sql: &str, args: &[Arg<'_>]) -> Result<bool> {
        Ok(!self.query_once(sql, args)?.is_empty())
    }

    /// Runs a statement that is needed once for its effect; how many rows it
    /// changed.
    pub fn execute(&self, sql: &str, args: &[Arg<'_>]) -> Result<usize> {
        Ok(self.query_once(sql, args)?.len())
    }

    /// Runs a script of several statements, as an install step needs.
    pub fn execute_script(&self, sql: &str) -> Result<()> {
        let sql = c_string(sql)?;
        // SAFETY: SPI is connected and `sql` is a C string.
        let code = boundary::with_reserve(|| unsafe { pg_sys::SPI_execute(sql.as_ptr(), false, 0) });
        if code < 0 { Err(spi_failure("SPI_execute")) } else { Ok(()) }
    }

    fn run(&self, sql: &str, args: &[Arg<'_>], read_only: bool) -> Result<Rows<'_>> {
        let sql = c_string(sql)?;
        let mut types: Vec<pg_sys::Oid> = args.iter().map(|arg| arg.oid).collect();
        let (mut values, nulls) = values_and_nulls(args);
        // SAFETY: SPI is connected; the three arrays have the length passed.
        let code = boundary::with_reserve(|| unsafe {
            pg_sys::SPI_execute_with_args(
                sql.as_ptr(),
                args.len() as core::ffi::c_int,
                types.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_ptr(),
                read_only,
                0,
            )
        });
        Rows::of_last_statement(code)
    }
}

/// The rows a statement gave; freed with it.
pub struct Rows<'spi> {
    table: Option<NonNull<pg_sys::SPITupleTable>>,
    processed: u64,
    _spi: PhantomData<&'spi Spi>,
}

impl<'spi> Rows<'spi> {
    fn of_last_statement(code: i32) -> Result<Self> {
        if code < 0 {
            return Err(spi_failure("SPI_execute_plan"));
        }
        // SAFETY: SPI sets both globals for the statement that just ran; only
        // the main thread touches them.
        let (table, processed) = unsafe { (NonNull::new(pg_sys::SPI_tuptable), pg_sys::SPI_processed) };
        Ok(Self { table, processed, _spi: PhantomData })
    }

    /// How many rows were read, written or returned.
    pub fn len(&self) -> usize {
        self.processed as usize
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.processed == 0
    }

    /// The first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.row(0)
    }

    /// The first column of the first row; `None` where that is NULL or there is
    /// no row.
    pub fn one<T: Value>(&self) -> Result<Option<T>> {
        self.first().map_or(Ok(None), |row| row.get(1))
    }

    /// The first column of every row, none of which may be NULL there.
    pub fn column<T: Value>(&self) -> Result<Vec<T>> {
        self.iter().map(|row| row.expect(1)).collect()
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).filter_map(|index| self.row(index))
    }

    fn row(&self, index: usize) -> Option<Row<'_>> {
        let table = self.table?;
        if index >= self.len() {
            return None;
        }
        // SAFETY: `table` is the live tuple table of this statement, and it
        // holds `processed` tuples, more than `index`.
        unsafe {
            let table = table.as_ref();
            let tuple = *table.vals.add(index);
            Some(Row { tuple, descriptor: table.tupdesc, _rows: PhantomData })
        }
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        // An error that is being raised has perhaps freed the table already.
        if let Some(table) = self.table.filter(|_| !std::thread::panicking()) {
            // SAFETY: the table belongs to this statement and is freed once.
            unsafe { pg_sys::SPI_freetuptable(table.as_ptr()) }
        }
    }
}

/// One row of a result.
pub struct Row<'rows> {
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
    _rows: PhantomData<&'rows ()>,
}

impl Fields for Row<'_> {
    fn get<T: Value>(&self, position: i32) -> Result<Option<T>> {
        Row::get(self, position)
    }

    fn null(&self, position: i32) -> Error {
        self.is_null(position)
    }
}

impl Row<'_> {
    /// The value of the column at `position`, counted from 1; `None` is NULL.
    ///
    /// # Errors
    /// 42804 when the column is of a type that does not read as `T`.
    pub fn get<T: Value>(&self, position: i32) -> Result<Option<T>> {
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong to the live tuple table. The
        // column's type is compared with T's before the datum is read as one.
        unsafe {
            let actual = underlying(pg_sys::SPI_gettypeid(self.descriptor, position));
            if !T::reads(actual) {
                return Err(self.unexpected_type(position));
            }
            let datum = pg_sys::SPI_getbinval(self.tuple, self.descriptor, position, &mut is_null);
            Ok(T::read(datum, is_null, actual))
        }
    }

    /// The value of a column that must not be NULL.
    ///
    /// # Errors
    /// 42804 when it is, as the column may have lost its NOT NULL.
    pub fn expect<T: Value>(&self, position: i32) -> Result<T> {
        self.get(position)?.ok_or_else(|| self.is_null(position))
    }

    fn is_null(&self, position: i32) -> Error {
        error::column_of_other_shape(format!("{} is NULL and must not be", self.named(position)))
    }

    fn unexpected_type(&self, position: i32) -> Error {
        // SAFETY: the descriptor is that of the live tuple table; the name of a
        // type is a C string in memory of this statement.
        let type_name = unsafe {
            let actual = pg_sys::SPI_gettypeid(self.descriptor, position);
            CStr::from_ptr(pg_sys::format_type_be(actual)).to_string_lossy().into_owned()
        };
        let named = self.named(position);
        error::column_of_other_shape(format!("{named} is of type {type_name}, which the functions do not work with"))
    }

    /// A column, with the managed tables that have one of its name and type: a
    /// result does not say where it is from.
    fn named(&self, position: i32) -> String {
        // SAFETY: as above; a column that the statement does not have has no name.
        let (name, actual) = unsafe {
            let name = pg_sys::SPI_fname(self.descriptor, position);
            if name.is_null() {
                return format!("column {position} of a query");
            }
            let name = CStr::from_ptr(name).to_string_lossy().into_owned();
            (name, pg_sys::SPI_gettypeid(self.descriptor, position))
        };
        let spi = Spi { _not_send: PhantomData };
        let tables = spi
            .read_once(
                "SELECT pg_catalog.string_agg(n.nspname || '.' || c.relname, ', ' ORDER BY n.nspname, c.relname) \
                   FROM pg_catalog.pg_attribute a \
                   JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'auria_raw') \
                  WHERE a.attname = $1 AND a.atttypid = $2 AND NOT a.attisdropped",
                &[Arg::from(name.as_str()), Arg::from(actual)],
            )
            .and_then(|rows| rows.one::<String>());
        match tables {
            Ok(Some(tables)) => format!("column {name} of {tables}"),
            _ => format!("column {name}"),
        }
    }

    /// A `text`, `bytea` or `jsonb` column, not fetched yet.
    pub fn stored(&self, position: i32) -> Result<Option<Stored<'_>>> {
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong to the live tuple table, and the
        // type is compared before the datum is taken for a varlena.
        unsafe {
            let actual = underlying(pg_sys::SPI_gettypeid(self.descriptor, position));
            if !Stored::is_of_type(actual) {
                return Err(self.unexpected_type(position));
            }
            let datum = pg_sys::SPI_getbinval(self.tuple, self.descriptor, position, &mut is_null);
            Ok((!is_null).then(|| Stored::of(datum, actual)))
        }
    }

    /// A text column that holds a secret: copied into memory that is wiped
    /// when dropped, and wiped where SPI had put it.
    pub fn take_secret(&self, position: i32) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong to the live tuple table, and the
        // type is compared before the datum is read. The bytes overwritten are
        // those of the copy SPI made for this statement alone: an inline value
        // lies in its tuple, another was detoasted into memory of our own.
        unsafe {
            if pg_sys::SPI_gettypeid(self.descriptor, position) != pg_sys::TEXTOID {
                return Err(error::unexpected_null("the secret's column"));
            }
            let datum = pg_sys::SPI_getbinval(self.tuple, self.descriptor, position, &mut is_null);
            if is_null {
                return Ok(None);
            }
            let text = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
            let secret = Zeroizing::new(pgrx::varlena_to_byte_slice(text).to_vec());
            std::slice::from_raw_parts_mut(pgrx::vardata_any(text).cast_mut().cast::<u8>(), secret.len()).zeroize();
            Ok(Some(secret))
        }
    }

    /// A text column, to be returned as it is.
    pub fn text(&self, position: i32) -> Result<Option<Text>> {
        let datum = self.copied(position, Text::OID)?;
        // SAFETY: the type was compared.
        Ok(datum.map(|datum| unsafe { Text::of(datum) }))
    }

    /// A jsonb column, to be returned as it is.
    pub fn jsonb(&self, position: i32) -> Result<Option<Jsonb>> {
        let datum = self.copied(position, Jsonb::OID)?;
        // SAFETY: the type was compared.
        Ok(datum.map(|datum| unsafe { Jsonb::of(datum) }))
    }

    /// The value of a column, copied to where it outlives the statement: the
    /// memory context that was current before SPI was connected.
    pub(super) fn copied(&self, position: i32, type_oid: pg_sys::Oid) -> Result<Option<pg_sys::Datum>> {
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong to the live tuple table; the type
        // is compared before the copy, and says how its values are stored.
        unsafe {
            let actual = pg_sys::SPI_gettypeid(self.descriptor, position);
            let is_text = |oid| matches!(underlying(oid), pg_sys::TEXTOID | pg_sys::VARCHAROID);
            if actual != type_oid && underlying(actual) != type_oid && !(is_text(actual) && is_text(type_oid)) {
                return Err(self.unexpected_type(position));
            }
            let (mut length, mut by_value) = (0, false);
            pg_sys::get_typlenbyval(actual, &mut length, &mut by_value);
            let datum = pg_sys::SPI_getbinval(self.tuple, self.descriptor, position, &mut is_null);
            let copy = || pg_sys::SPI_datumTransfer(datum, by_value, length.into());
            Ok((!is_null).then(copy))
        }
    }
}

/// The arguments as SPI takes them: their datums, and beside each a letter for
/// whether it is NULL.
fn values_and_nulls(args: &[Arg<'_>]) -> (Vec<pg_sys::Datum>, Vec<core::ffi::c_char>) {
    args.iter()
        .map(|arg| match arg.datum() {
            Some(datum) => (datum, b' ' as core::ffi::c_char),
            None => (pg_sys::Datum::from(0), b'n' as core::ffi::c_char),
        })
        .unzip()
}

/// A name, quoted where SQL needs it.
pub fn quoted_identifier(name: &str) -> String {
    pgrx::spi::quote_identifier(name)
}

/// A text as a literal of SQL.
pub fn quoted_literal(text: &str) -> String {
    pgrx::spi::quote_literal(text)
}

fn c_string(sql: &str) -> Result<CString> {
    CString::new(sql)
        .map_err(|_| Error::new(pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "a statement contains a NUL byte"))
}

fn spi_failure(function: &str) -> Error {
    // SAFETY: a plain integer that SPI sets, read on the main thread.
    let code = unsafe { pg_sys::SPI_result };
    Error::new(pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("{function} failed with code {code}"))
}
