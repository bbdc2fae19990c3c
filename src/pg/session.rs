//! What the running statement is, and what the client has set.

use std::ffi::CStr;

use pgrx::pg_sys;

/// When the client sent the running statement: a number that tells it from the
/// statements before and after it.
pub fn statement() -> i64 {
    // SAFETY: reads a value of the running transaction.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// The value of a setting that need not exist, as it is now.
pub fn setting(name: &CStr) -> Option<&CStr> {
    // SAFETY: `name` is a C string; the value is one, or null, and is read
    // before anything could change the setting.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}
