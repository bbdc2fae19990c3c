//! Random bytes from the system's generator, as PostgreSQL's own functions
//! take them.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::error::Error;

/// `N` random bytes, fit for secrets. Raises XX000 when the system has
/// none to give.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    // SAFETY: writes N bytes into a buffer of N bytes.
    if !unsafe { pg_sys::pg_strong_random(buffer.as_mut_ptr().cast(), N) } {
        Error::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "the system's random number generator gave no bytes")
            .raise();
    }
    buffer
}
