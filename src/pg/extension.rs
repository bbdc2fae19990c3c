//! The install script's surroundings, and settings of a call.

use std::ffi::CStr;

use pgrx::pg_sys;

/// Reserves a prefix of setting names, so that a misspelt one is refused.
pub fn reserve_setting_prefix(prefix: &CStr) {
    // SAFETY: called while the library is loaded; `prefix` is a C string.
    unsafe {
        #[cfg(any(feature = "pg13", feature = "pg14"))]
        pg_sys::EmitWarningsOnPlaceholders(prefix.as_ptr());
        #[cfg(not(any(feature = "pg13", feature = "pg14")))]
        pg_sys::MarkGUCPrefixReserved(prefix.as_ptr());
    }
}

/// The extension whose script is running; `None` outside of one.
pub fn being_created() -> Option<pg_sys::Oid> {
    // SAFETY: reads globals of the backend.
    unsafe { pg_sys::creating_extension.then_some(pg_sys::CurrentExtensionObject) }
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

/// Whether the session wants row-level security applied. pg_dump's scripts
/// turn it off, which is how a restore is told from an installation.
pub fn row_security_is_on() -> bool {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::row_security }
}

/// Tells the DBA something, also from inside an extension's script, where
/// PostgreSQL raises `client_min_messages` to hide the script's own noise.
pub fn tell(message: &str) {
    with_settings(&[(c"client_min_messages", c"notice")], || {
        pgrx::notice!("auria: {message}")
    });
}

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
                if pg_sys::superuser() {
                    pg_sys::GucContext::PGC_SUSET
                } else {
                    pg_sys::GucContext::PGC_USERSET
                },
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
