//! The arguments of a statement.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{IntoDatum, pg_sys};
use uuid::Uuid;

use crate::pg::array;

/// A value passed to a statement: its type, and its datum or NULL. Made by `From`
/// from what it is made of; [`args!`](crate::args) makes a list of them.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    pub(super) oid: pg_sys::Oid,
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

    pub(in crate::pg) fn datum(&self) -> Option<pg_sys::Datum> {
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

/// The arguments as SPI takes them: their datums, and beside each a letter for
/// whether it is NULL.
pub(super) fn values_and_nulls(args: &[Arg<'_>]) -> (Vec<pg_sys::Datum>, Vec<core::ffi::c_char>) {
    args.iter()
        .map(|arg| match arg.datum() {
            Some(datum) => (datum, b' ' as core::ffi::c_char),
            None => (pg_sys::Datum::from(0), b'n' as core::ffi::c_char),
        })
        .unzip()
}
