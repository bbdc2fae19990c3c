//! Sequences, without SQL.

use std::ffi::CStr;

use pgrx::{IntoDatum, pg_sys};

use super::relation;
use crate::error::{self, Result};

/// The last number that a sequence gave out; `None` before the first. With the
/// rights in force, which have to include SELECT or USAGE on it (42501).
///
/// # Errors
/// XX000 where it does not exist.
pub fn last_value(schema: &CStr, name: &CStr) -> Result<Option<i64>> {
    let sequence = find(schema, name)?;
    // SAFETY: a function of the server's own that takes one oid and may return
    // NULL. A statement that asks the same costs 5 µs more, at each month that
    // is reset.
    let value = unsafe { pgrx::direct_function_call::<i64>(pg_sys::pg_sequence_last_value, &[sequence.into_datum()]) };
    Ok(value)
}

/// The next number of a sequence, as nextval() gives it.
///
/// # Errors
/// 42501 without USAGE or UPDATE on it; XX000 where it does not exist.
pub fn next_value(schema: &CStr, name: &CStr) -> Result<i64> {
    let sequence = find(schema, name)?;
    // SAFETY: a function of the server's own that takes one oid.
    let value = unsafe { pgrx::direct_function_call::<i64>(pg_sys::nextval_oid, &[sequence.into_datum()]) };
    value.ok_or_else(|| error::unexpected_null("nextval()"))
}

fn find(schema: &CStr, name: &CStr) -> Result<pg_sys::Oid> {
    relation::find(schema, name).ok_or_else(|| error::unexpected_null("a sequence of the ledger"))
}
