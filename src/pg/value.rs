//! The values of columns.

use std::borrow::Cow;

use pgrx::datum::{Date, TimestampWithTimeZone, Uuid};
use pgrx::{FromDatum, IntoDatum, JsonB, pg_sys};

use super::encoding;
use crate::error::{self, Result};

/// The columns of a row, by their positions, which count from 1.
pub trait Fields {
    /// The value of a column; `None` is NULL.
    ///
    /// # Errors
    /// XX000 when the column is of another type than `T`.
    fn get<T: Value>(&self, position: i32) -> Result<Option<T>>;

    /// The value of a column that cannot be NULL.
    fn expect<T: Value>(&self, position: i32) -> Result<T> {
        self.get(position)?.ok_or_else(|| error::unexpected_null("a query's result"))
    }
}

/// A type that the value of a column can be read as.
pub trait Value: Sized {
    /// Whether a column of this type can be read so.
    fn reads(type_oid: pg_sys::Oid) -> bool;

    /// The value; `None` is NULL.
    ///
    /// # Safety
    /// The datum must be of this type, one that [`Value::reads`] agreed to.
    unsafe fn read(datum: pg_sys::Datum, is_null: bool, type_oid: pg_sys::Oid) -> Option<Self>;
}

macro_rules! read_by_pgrx {
    ($($rust:ty),+) => {$(
        impl Value for $rust {
            fn reads(type_oid: pg_sys::Oid) -> bool {
                Self::is_compatible_with(type_oid)
            }

            unsafe fn read(
                datum: pg_sys::Datum,
                is_null: bool,
                type_oid: pg_sys::Oid,
            ) -> Option<Self> {
                // SAFETY: the caller's promise.
                unsafe { Self::from_polymorphic_datum(datum, is_null, type_oid) }
            }
        }
    )+};
}

read_by_pgrx!(bool, i8, i16, i32, i64, f32, f64, pg_sys::Oid);
read_by_pgrx!(Date, TimestampWithTimeZone, Uuid, JsonB, Vec<u8>);

impl Value for uuid::Uuid {
    fn reads(type_oid: pg_sys::Oid) -> bool {
        Uuid::is_compatible_with(type_oid)
    }

    unsafe fn read(datum: pg_sys::Datum, is_null: bool, type_oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller's promise.
        let id: Option<Uuid> = unsafe { Uuid::from_polymorphic_datum(datum, is_null, type_oid) };
        id.map(|id| Self::from_bytes(*id.as_bytes()))
    }
}

/// As long as the row is there. pgrx would panic over text that is not UTF-8.
impl Value for Cow<'_, str> {
    fn reads(type_oid: pg_sys::Oid) -> bool {
        String::is_compatible_with(type_oid)
    }

    unsafe fn read(datum: pg_sys::Datum, is_null: bool, _type_oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller's promise; text has the layout of bytea.
        let bytes: Option<&[u8]> = unsafe { FromDatum::from_datum(datum, is_null) };
        bytes.map(encoding::from_server)
    }
}

impl Value for String {
    fn reads(type_oid: pg_sys::Oid) -> bool {
        Self::is_compatible_with(type_oid)
    }

    unsafe fn read(datum: pg_sys::Datum, is_null: bool, type_oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe { Cow::read(datum, is_null, type_oid) }.map(Cow::into_owned)
    }
}

/// The id in an argument that must not be NULL.
pub fn required_id(id: Option<Uuid>, function: &str, argument: &str) -> Result<uuid::Uuid> {
    error::required(id, function, argument).map(|id| uuid::Uuid::from_bytes(*id.as_bytes()))
}
