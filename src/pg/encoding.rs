//! How the database stores text, and the way between that and Rust's UTF-8.
//!
//! On every Supabase text is UTF-8 and nothing is converted. Elsewhere, what
//! has no equivalent is refused with PostgreSQL's own errors: 22021 where bytes
//! are no text (SQL_ASCII stores anything), 22P05 where a character does not
//! exist in the other encoding. pgrx's own conversion panics there.

use std::borrow::Cow;
use std::ops::Deref;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{PgSqlErrorCode, pg_sys};

use super::bytes::TextArg;
use crate::error::Error;

const UTF8: i32 = pg_sys::pg_enc::PG_UTF8 as i32;

/// Whether text of this database is UTF-8, as it is on every Supabase.
pub fn is_utf8() -> bool {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::GetDatabaseEncoding() == UTF8 }
}

/// Text of the database as UTF-8.
///
/// Raises 22021 or 22P05 for bytes that are no text of that encoding, or have
/// no equivalent.
pub fn from_server(text: &[u8]) -> Cow<'_, str> {
    let utf8 = match converted(text, pg_sys::pg_server_to_any) {
        Cow::Borrowed(text) => str::from_utf8(text).map(Cow::Borrowed).ok(),
        Cow::Owned(text) => String::from_utf8(text).map(Cow::Owned).ok(),
    };
    utf8.unwrap_or_else(|| {
        Error::new(PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "a value is not valid text in UTF-8").raise()
    })
}

/// A text as the database stores it.
///
/// Raises 22P05 for a character that the encoding does not have.
pub fn to_server(text: &str) -> Cow<'_, [u8]> {
    converted(text.as_bytes(), pg_sys::pg_any_to_server)
}

type Converter = unsafe fn(*const core::ffi::c_char, core::ffi::c_int, core::ffi::c_int) -> *mut core::ffi::c_char;

fn converted(text: &[u8], convert: Converter) -> Cow<'_, [u8]> {
    if is_utf8() {
        return Cow::Borrowed(text);
    }
    // A text of more than 1 GB does not exist in PostgreSQL.
    let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
    // SAFETY: called inside a transaction with as many bytes as said; they are
    // not NUL-terminated, and need not be. The answer is the same pointer where
    // nothing is to be converted, else a C string in the current memory context.
    unsafe {
        let given = text.as_ptr().cast::<core::ffi::c_char>();
        let result = convert(given, length, UTF8);
        if std::ptr::eq(result, given) {
            return Cow::Borrowed(text);
        }
        let copy = core::ffi::CStr::from_ptr(result).to_bytes().to_owned();
        pg_sys::pfree(result.cast());
        Cow::Owned(copy)
    }
}

/// A message as every database can store and send it: outside of UTF-8,
/// without characters beyond ASCII.
pub fn sendable(message: Cow<'static, str>) -> Cow<'static, str> {
    if message.is_ascii() || is_utf8() {
        return message;
    }
    message.replace('\u{2026}', "...").replace(|character: char| !character.is_ascii(), "?").into()
}

/// An argument of type `text`, converted to UTF-8.
#[derive(Debug)]
pub struct Utf8Arg<'call>(Cow<'call, str>);

impl Deref for Utf8Arg<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

// SAFETY: reads a text, by way of TextArg.
unsafe impl<'call> ArgAbi<'call> for Utf8Arg<'call> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'call>) -> Self {
        // SAFETY: the same argument under the same conditions.
        let text = unsafe { TextArg::unbox_arg_unchecked(arg) };
        Self(from_server(text.as_bytes()))
    }
}

// SAFETY: names the SQL type that is read.
unsafe impl SqlTranslatable for Utf8Arg<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Utf8Arg);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("text"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("text")));
}
