//! Results that are copied straight into PostgreSQL's memory, with no copy in
//! Rust's between.

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{IntoDatum, pg_sys};

/// A `text` in the memory of the calling query.
pub struct Text(pg_sys::Datum);

impl Text {
    /// A copy of `text`.
    pub fn copy_of(text: &str) -> Self {
        // Never `None`: only an `Option` can be.
        Self(text.into_datum().unwrap_or(pg_sys::Datum::null()))
    }
}

// SAFETY: the datum is a text made by PostgreSQL's own allocator.
unsafe impl BoxRet for Text {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: see above; it lives as long as the caller's memory context.
        unsafe { fcinfo.return_raw_datum(self.0) }
    }
}

// SAFETY: names the SQL type that the datum is of.
unsafe impl SqlTranslatable for Text {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Text);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("text"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("text")));
}
