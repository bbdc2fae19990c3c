//! How the database stores text.

use pgrx::pg_sys;

/// Whether text of this database is UTF-8, as it is on every Supabase.
pub fn is_utf8() -> bool {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as i32 }
}
