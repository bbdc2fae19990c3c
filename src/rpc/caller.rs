//! Whom a signed-in user may ask about.

use uuid::Uuid;

use crate::error::{self, Result};
use crate::pg::spi::{self, Snapshot};
use crate::pg::{extension, roles};
use crate::statement;

statement! {
    SIGNED_IN_USER = "SELECT auth.uid()";
}

/// Lets service_role, superusers and the function's owner ask about anyone,
/// and everybody else about themselves only (42501).
pub fn may_ask_about(function: &str, user: Uuid) -> Result<()> {
    let caller = roles::caller();
    // Inside a SECURITY DEFINER function, the rights in force are its owner's.
    if caller == roles::effective() || roles::is_superuser(caller) || roles::has_rights_of(caller, c"service_role") {
        return Ok(());
    }
    // The function is not ours: it gets no more rights than the caller has.
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
