//! What happens when Rust code panics, before pgrx turns that into an ERROR.

use std::io::Write;
use std::panic::PanicHookInfo;

/// Replaces pgrx's panic hook, which captures a backtrace that then becomes
/// part of the DETAIL a client gets: in every error that PostgreSQL raised
/// below Rust code, when `RUST_BACKTRACE` is set for the server. Printing one
/// reads debug information from disk, and a backend was seen to hang in it.
///
/// Without that hook pgrx has no backtrace to add, whatever the environment.
/// Called by `_PG_init`; pgrx sets its own before that, in `Pg_magic_func`.
pub fn keep_backtraces_from_clients() {
    std::panic::set_hook(Box::new(log_place_of_defect));
}

/// A panic with a text is a defect of this library; its place goes to the
/// server's standard error, which is its log. The text is the error's message,
/// which PostgreSQL logs by itself. Errors travel as panics of other types and
/// carry their place with them.
fn log_place_of_defect(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    if !payload.is::<&str>() && !payload.is::<String>() {
        return;
    }
    if let Some(place) = panic.location() {
        // A server may have closed its standard error; there is no other place to go.
        let _ = writeln!(std::io::stderr(), "auria_pg: panic at {place}");
    }
}
