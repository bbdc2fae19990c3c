//! The account the server runs as.

/// The user id that files of the server must belong to.
pub fn server_account() -> u32 {
    // SAFETY: has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}
