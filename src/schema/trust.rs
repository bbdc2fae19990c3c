//! The roles whose objects may be taken over, called or fired with more rights than their owner's.

use pgrx::pg_sys;

use super::owner;
use crate::args;
use crate::error::Result;
use crate::guc;
use crate::pg::compat::MAY_SET_ROLE;
use crate::pg::spi::Spi;

/// The roles that are trusted: the role
/// whose rights are in force, superusers, the database's owner, the roles in
/// `auria.trusted_owners`, and, where it is one of these or `auria_owner`, the
/// role that owns the schema and the roles that may become it.
pub fn trusted_roles(spi: &Spi) -> Result<Vec<pg_sys::Oid>> {
    let rows = spi.query_once(
        include_str!("trusted.sql"),
        args![guc::trusted_owners().as_slice(), &owner::name(spi)?, owner::OWNER, MAY_SET_ROLE],
    )?;
    rows.column()
}
