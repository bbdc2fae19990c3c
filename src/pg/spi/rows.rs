//! What a statement gives.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::NonNull;

use pgrx::pg_sys;
use zeroize::{Zeroize, Zeroizing};

use super::{Arg, Spi, spi_failure};
use crate::error::{self, Error, Result};
use crate::pg::bytes::{Jsonb, Stored, Text};
use crate::pg::value::{Fields, Value, underlying};

/// The rows a statement gave; freed with it.
pub struct Rows<'spi> {
    table: Option<NonNull<pg_sys::SPITupleTable>>,
    processed: u64,
    _spi: PhantomData<&'spi Spi>,
}

impl<'spi> Rows<'spi> {
    pub(super) fn of_last_statement(code: i32) -> Result<Self> {
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
    pub(in crate::pg) fn copied(&self, position: i32, type_oid: pg_sys::Oid) -> Result<Option<pg_sys::Datum>> {
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
