//! The install script's surroundings, and settings of a call.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::compat;
use crate::error::{self, Result};

/// Refuses a database in another encoding than UTF8 (0A000): OpenPGP text is UTF-8, and so is
/// Rust's.
pub fn require_utf8() -> Result<()> {
    // SAFETY: read a global of the backend; the name is a constant C string.
    let (encoding, name) =
        unsafe { (pg_sys::GetDatabaseEncoding(), CStr::from_ptr(pg_sys::GetDatabaseEncodingName())) };
    if encoding == pg_sys::pg_enc::PG_UTF8 as i32 { Ok(()) } else { Err(error::needs_utf8(&name.to_string_lossy())) }
}

/// Reserves a prefix of setting names, so that a misspelt one is refused.
pub fn reserve_setting_prefix(prefix: &CStr) {
    // SAFETY: called while the library is loaded; `prefix` is a C string.
    unsafe {
        pg_sys::MarkGUCPrefixReserved(prefix.as_ptr());
    }
}

/// The extension whose script is running; `None` outside of one.
pub fn being_created() -> Option<pg_sys::Oid> {
    // SAFETY: reads globals of the backend.
    unsafe { pg_sys::creating_extension.then_some(pg_sys::CurrentExtensionObject) }
}

/// Whether this extension is in the database.
pub fn exists(name: &CStr) -> bool {
    // SAFETY: looks into the catalogue; `name` is a C string.
    unsafe { pg_sys::get_extension_oid(name.as_ptr(), true) != pg_sys::InvalidOid }
}

/// Runs `work` so that what it creates belongs to nobody but its owner: not to
/// the extension whose script may be running.
pub fn outside_of_extension<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: puts back what was read below. While an error unwinds,
            // PostgreSQL's own clean-up clears the flag again afterwards.
            unsafe { pg_sys::creating_extension = self.0 }
        }
    }
    // SAFETY: a flag of this backend, read and written on its main thread.
    let _restore = unsafe {
        let restore = Restore(pg_sys::creating_extension);
        pg_sys::creating_extension = false;
        restore
    };
    work()
}

/// Whether this is a restore: what pg_dump writes turns `row_security` off, or
/// at least `check_function_bodies`.
pub fn is_restore() -> bool {
    // SAFETY: reads two globals of the backend.
    let (row_security, check_function_bodies) = unsafe { (pg_sys::row_security, pg_sys::check_function_bodies) };
    !row_security || !(check_function_bodies || script_turned_off_check_function_bodies())
}

/// Whether `check_function_bodies` is off because PostgreSQL turns it off while
/// an extension's script runs, and not because the session did.
fn script_turned_off_check_function_bodies() -> bool {
    const NAME: &CStr = c"check_function_bodies";
    // SAFETY: read on the main thread; a stack entry belongs to the running transaction.
    unsafe {
        for setting in compat::settings() {
            if CStr::from_ptr((**setting).name) == NAME {
                let saved = (**setting).stack;
                return !saved.is_null()
                    && (*saved).state == pg_sys::GucStackState::GUC_SAVE
                    && (*saved).prior.val.boolval;
            }
        }
    }
    false
}

/// Raises a WARNING: something that the DBA must act on.
pub fn warn(message: &str) {
    pgrx::warning!("auria: {message}");
}

/// Raises a NOTICE. Inside an extension's script PostgreSQL hides notices to
/// hide the script's own noise: there, the level is lowered for this one.
pub fn inform(message: &str) {
    if being_created().is_some() {
        with_settings(&[(c"client_min_messages", c"notice")], || pgrx::notice!("auria: {message}"));
    } else {
        pgrx::notice!("auria: {message}");
    }
}

/// Runs `work` under the search path that functions of the library declare: for those
/// that cannot declare it, or do not, because it would cost more than they do.
pub fn with_fixed_path<T>(work: impl FnOnce() -> T) -> T {
    with_settings(&[(c"search_path", c"pg_catalog, pg_temp")], work)
}

/// The settings under which PostgreSQL writes definitions back in the form that
/// they are compared with.
pub const AS_COMPARED: &[(&CStr, &CStr)] = &[
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"quote_all_identifiers", c"off"),
    (c"standard_conforming_strings", c"on"),
    (c"transform_null_equals", c"off"),
    (c"DateStyle", c"ISO, YMD"),
    (c"IntervalStyle", c"postgres"),
    (c"bytea_output", c"hex"),
];

/// Runs `work` with settings that last only as long.
pub fn with_settings<T>(settings: &[(&CStr, &CStr)], work: impl FnOnce() -> T) -> T {
    // SAFETY: the nesting level opened here is closed below; when an error
    // unwinds past, the abort of the transaction closes all levels.
    let level = unsafe { pg_sys::NewGUCNestLevel() };
    for (name, value) in settings {
        // SAFETY: C strings; the function owner's rights decide as for SET.
        unsafe {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                if pg_sys::superuser() { pg_sys::GucContext::PGC_SUSET } else { pg_sys::GucContext::PGC_USERSET },
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
    }
    let outcome = work();
    // SAFETY: closes the level opened above.
    unsafe { pg_sys::AtEOXact_GUC(true, level) };
    outcome
}
