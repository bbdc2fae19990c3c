//! The values of columns.

use pgrx::datum::{Date, TimestampWithTimeZone, Uuid};
use pgrx::{FromDatum, IntoDatum, JsonB, pg_sys};

use super::bytes::utf8;
use crate::error::{self, Result};

/// The columns of a row, by their positions, which count from 1.
pub trait Fields {
    /// The value of a column; `None` is NULL.
    ///
    /// # Errors
    /// 42804 when the column is of a type that does not read as `T`.
    fn get<T: Value>(&self, position: i32) -> Result<Option<T>>;

    /// The value of a column that must not be NULL.
    ///
    /// # Errors
    /// 42804 when it is, as the column may have lost its NOT NULL.
    fn expect<T: Value>(&self, position: i32) -> Result<T> {
        self.get(position)?.ok_or_else(|| self.null(position))
    }

    /// What is raised where a column that must not be NULL is.
    fn null(&self, _position: i32) -> error::Error {
        error::column_of_other_shape("a column of a managed table is NULL and must not be".to_owned())
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

read_by_pgrx!(bool, i8, i16, i64, f32, f64, pg_sys::Oid);
read_by_pgrx!(Date, TimestampWithTimeZone, Uuid, JsonB, Vec<u8>);

/// A team may have widened a counter to bigint: it counts while its values fit.
impl Value for i32 {
    fn reads(type_oid: pg_sys::Oid) -> bool {
        matches!(type_oid, pg_sys::INT4OID | pg_sys::INT8OID)
    }

    unsafe fn read(datum: pg_sys::Datum, is_null: bool, type_oid: pg_sys::Oid) -> Option<Self> {
        if type_oid != pg_sys::INT8OID {
            // SAFETY: the caller's promise.
            return unsafe { Self::from_polymorphic_datum(datum, is_null, type_oid) };
        }
        // SAFETY: the caller's promise.
        let wide: Option<i64> = unsafe { i64::from_polymorphic_datum(datum, is_null, type_oid) };
        wide.map(|wide| Self::try_from(wide).unwrap_or_else(|_| error::integer_out_of_range().raise()))
    }
}

/// A counter where any number will do: one that a team's bigint holds beyond an integer is the greatest or smallest.
#[derive(Clone, Copy)]
pub struct Clamped(pub i32);

impl Value for Clamped {
    fn reads(type_oid: pg_sys::Oid) -> bool {
        i32::reads(type_oid)
    }

    unsafe fn read(datum: pg_sys::Datum, is_null: bool, type_oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller's promise; a bigint is read as one.
        let number = unsafe {
            match type_oid {
                pg_sys::INT8OID => i64::from_polymorphic_datum(datum, is_null, type_oid),
                _ => i32::read(datum, is_null, type_oid).map(i64::from),
            }
        };
        let within = |number: i64| number.clamp(i32::MIN.into(), i32::MAX.into());
        number.and_then(|number| i32::try_from(within(number)).ok()).map(Self)
    }
}

/// The built-in type whose values a type has: the type itself, what is below a
/// domain, and `text` for another string type of its layout, such as citext.
pub(super) fn underlying(type_oid: pg_sys::Oid) -> pg_sys::Oid {
    if type_oid.to_u32() < pg_sys::FirstNormalObjectId || type_oid == pg_sys::InvalidOid {
        return type_oid;
    }
    // SAFETY: look-ups in the catalogue's caches, of a type that a column has.
    unsafe {
        let base = pg_sys::getBaseType(type_oid);
        let (mut category, mut is_preferred) = (0, false);
        pg_sys::get_type_category_preferred(base, &mut category, &mut is_preferred);
        let is_string = category as u8 == pg_sys::TYPCATEGORY_STRING;
        if is_string && pg_sys::get_typlen(base) == -1 && base.to_u32() >= pg_sys::FirstNormalObjectId {
            pg_sys::TEXTOID
        } else {
            base
        }
    }
}

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

impl Value for String {
    fn reads(type_oid: pg_sys::Oid) -> bool {
        matches!(type_oid, pg_sys::TEXTOID | pg_sys::VARCHAROID)
    }

    unsafe fn read(datum: pg_sys::Datum, is_null: bool, _type_oid: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller's promise; text has the layout of bytea.
        let bytes: Option<&[u8]> = unsafe { FromDatum::from_datum(datum, is_null) };
        bytes.map(|bytes| utf8(bytes).to_owned())
    }
}

/// The id in an argument that must not be NULL.
pub fn required_id(id: Option<Uuid>, function: &str, argument: &str) -> Result<uuid::Uuid> {
    error::required(id, function, argument).map(|id| uuid::Uuid::from_bytes(*id.as_bytes()))
}
