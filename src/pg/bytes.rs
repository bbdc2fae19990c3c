//! Arguments and results whose bytes are passed as they are, without a copy in
//! Rust's memory.
//!
//! CREATE EXTENSION refuses a database in another encoding than UTF8, so a text
//! is UTF-8. It is checked all the same: Rust's `str` must never be anything else.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ops::Deref;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{IntoDatum, pg_sys};

use crate::error;

/// The bytes of a stored text or an argument. Raises 22021 where they are not UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_else(|_| error::not_utf8().raise())
}

/// An argument of type `text`, checked; the bytes of pgrx's `&str` are not.
#[derive(Clone, Copy)]
pub struct TextArg<'call>(&'call str);

impl<'call> TextArg<'call> {
    /// The text, for as long as the call lasts.
    pub fn as_str(&self) -> &'call str {
        self.0
    }
}

impl Deref for TextArg<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

// SAFETY: a `text` has the layout of a `bytea`, which is what is read.
unsafe impl<'call> ArgAbi<'call> for TextArg<'call> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'call>) -> Self {
        // SAFETY: the argument is a text that lives as long as the call. It is
        // not NULL: pgrx asks for `Option` first where it may be.
        Self(utf8(unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_default()))
    }
}

// SAFETY: names the SQL type that is read.
unsafe impl SqlTranslatable for TextArg<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(TextArg);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("text"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("text")));
}

/// A stored `text`, `bytea` or `jsonb`, which may be compressed and out of
/// line. It is fetched when it is read, so that a page of rows holds no large
/// values.
#[derive(Clone, Copy)]
pub struct Stored<'row> {
    datum: pg_sys::Datum,
    is_jsonb: bool,
    _lives: PhantomData<&'row ()>,
}

impl<'row> Stored<'row> {
    /// # Safety
    /// The datum must be a non-null value of this type, one of
    /// [`Stored::is_of_type`], that lives as long as the row.
    pub(super) unsafe fn of(datum: pg_sys::Datum, type_oid: pg_sys::Oid) -> Self {
        Self { datum, is_jsonb: type_oid == pg_sys::JSONBOID, _lives: PhantomData }
    }

    /// Whether a column of this type holds such values.
    pub(super) fn is_of_type(oid: pg_sys::Oid) -> bool {
        [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BYTEAOID, pg_sys::JSONBOID].contains(&oid)
    }

    /// How many bytes it has when read, found without reading it; of `jsonb`,
    /// how many its stored form has, which are about as many.
    pub fn len(&self) -> usize {
        // SAFETY: a value of variable length, whose header says its size.
        let with_header = unsafe { pg_sys::toast_raw_datum_size(self.datum) };
        with_header.saturating_sub(pg_sys::VARHDRSZ)
    }

    /// Its bytes, those of `jsonb` as PostgreSQL writes it. What is fetched for
    /// it stays in the current memory context: read it within
    /// [`scratch`](super::memory::scratch).
    pub fn read(&self) -> &'row [u8] {
        // SAFETY: a value of variable length, and out of line only while a
        // snapshot is active that sees it: the caller's, or the portal's. The
        // output function of jsonb returns a C string.
        unsafe {
            let value = pg_sys::pg_detoast_datum_packed(self.datum.cast_mut_ptr());
            if self.is_jsonb {
                let text: Option<&CStr> = pgrx::direct_function_call(pg_sys::jsonb_out, &[Some(value.into())]);
                return text.map_or(&[], CStr::to_bytes);
            }
            pgrx::varlena_to_byte_slice(value)
        }
    }

    /// Whether `bytes` are its bytes.
    pub fn equals(&self, bytes: &[u8]) -> bool {
        (self.is_jsonb || self.len() == bytes.len()) && self.read() == bytes
    }
}

macro_rules! passed_on {
    ($(#[$doc:meta] $name:ident is $sql:literal ($oid:ident);)+) => {$(
        #[$doc]
        pub struct $name(pg_sys::Datum);

        impl $name {
            /// # Safety
            /// The datum must be a non-null value of this type that lives as
            /// long as the call.
            pub(super) unsafe fn of(datum: pg_sys::Datum) -> Self {
                Self(datum)
            }

            /// The type's OID.
            pub(super) const OID: pg_sys::Oid = pg_sys::$oid;
        }

        // SAFETY: the datum is one that PostgreSQL made.
        unsafe impl BoxRet for $name {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
                // SAFETY: see above; it lives as long as the caller's memory context.
                unsafe { fcinfo.return_raw_datum(self.0) }
            }
        }

        impl IntoDatum for $name {
            fn into_datum(self) -> Option<pg_sys::Datum> {
                Some(self.0)
            }

            fn type_oid() -> pg_sys::Oid {
                Self::OID
            }
        }

        // SAFETY: names the SQL type that the datum is of.
        unsafe impl SqlTranslatable for $name {
            const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!($name);
            const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
            const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> =
                Ok(SqlMappingRef::literal($sql));
            const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
                Ok(ReturnsRef::One(SqlMappingRef::literal($sql)));
        }
    )+};
}

passed_on! {
    /// A `text` in the memory of the calling query.
    Text is "text" (TEXTOID);
    /// A `jsonb` in the memory of the calling query.
    Jsonb is "jsonb" (JSONBOID);
}

impl Text {
    /// A copy of `text`.
    pub fn copy_of(text: &str) -> Self {
        // A text has the layout of a bytea. Never `None`: only an `Option` can be.
        Self(text.as_bytes().into_datum().unwrap_or(pg_sys::Datum::null()))
    }
}
