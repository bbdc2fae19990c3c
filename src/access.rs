//! Who may call what, and about whom.

use pgrx::pg_sys;
use uuid::Uuid;

use crate::error::{self, Result};
use crate::pg::procedure::{self, Called};
use crate::pg::spi::{self, Snapshot};
use crate::pg::{extension, roles};
use crate::statement;

statement! {
    SIGNED_IN_USER = "SELECT auth.uid()";
}

/// The roles of clients that no function of the backend answers. What a role of its own may
/// call is for the team to decide.
const CLIENTS: &[&str] = &["anon", "authenticated"];

/// Refuses `anon` and `authenticated` (42501), whatever was granted, in a function that is the
/// backend's alone: a restore under default privileges grants EXECUTE on everything.
///
/// Such a function calls it first, before it takes its owner's rights: until then the role in
/// force is the one that called, also where a team's SECURITY DEFINER function did.
pub fn for_the_backend_alone(fcinfo: pg_sys::FunctionCallInfo, function: &str) -> Result<Called> {
    let called = Called::by(fcinfo)?;
    let is_client = roles::has_one_of_the_names(called.caller(), CLIENTS);
    if is_client { Err(error::for_the_backend_alone(function)) } else { Ok(called) }
}

/// [`for_the_backend_alone`] for a function that a query calls for each row: asked again only
/// when the roles have changed, as it would take a quarter of the time of a decryption.
pub fn for_the_backend_alone_in_each_row(fcinfo: pg_sys::FunctionCallInfo, function: &str) -> Result<()> {
    let roles = (roles::caller(), roles::effective());
    let ask = || for_the_backend_alone(fcinfo, function).map(|_| roles);
    procedure::once_in_a_query(fcinfo, |asked| *asked == roles, ask).map(drop)
}

/// Runs `work`, which writes, of a function that is the backend's alone, with the rights of the
/// function's owner. The function is not declared SECURITY DEFINER, which would hide who calls.
pub fn as_owner_for_the_backend<T>(
    fcinfo: pg_sys::FunctionCallInfo,
    function: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    for_the_backend_alone(fcinfo, function)?.writing_as_owner(work)
}

/// Whether the role in force may write ciphertexts that nobody checks to a table of this owner: the
/// backend, the owner and its members. A superuser has the rights of every role.
pub fn may_write_ciphertexts(table_owner: pg_sys::Oid) -> bool {
    let writer = roles::effective();
    roles::has_rights_of_role(writer, table_owner) || roles::has_rights_of(writer, c"service_role")
}

/// Lets service_role, superusers and the function's owner ask about anyone,
/// and everybody else about themselves only (42501).
pub fn may_ask_about(function: &str, user: Uuid) -> Result<()> {
    let caller = roles::caller();
    // Inside a SECURITY DEFINER function, the rights in force are its owner's.
    if caller == roles::effective() || roles::is_superuser(caller) || roles::has_rights_of(caller, c"service_role") {
        return Ok(());
    }
    // auth.uid() is not managed: it gets no more rights than the caller has.
    let signed_in = extension::with_fixed_path(|| {
        spi::connected(|spi| {
            roles::acting_as(caller, || {
                let rows = spi.query(&SIGNED_IN_USER, Snapshot::Caller, &[])?;
                rows.one::<Uuid>()
            })
        })
    })?;
    if signed_in == Some(user) { Ok(()) } else { Err(error::not_own_user(function)) }
}
