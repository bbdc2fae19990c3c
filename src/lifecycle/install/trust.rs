//! Whether what exists may be taken over, called or fired. Only what belongs
//! to a trusted role is; anything else stops the installation.

use pgrx::PgSqlErrorCode;

use crate::args;
use crate::error::{Error, Result};
use crate::lifecycle::migrate::raw_tables;
use crate::pg::extension;
use crate::pg::spi::Spi;
use crate::schema::check::Findings;
use crate::schema::trust::trusted_roles;
use crate::schema::{SIGNATURES, TABLES, owner};

/// Refuses (42501) when an object that would be taken over, called or fired
/// with more rights than its owner's belongs to a role that is not trusted.
pub fn refuse_untrusted(spi: &Spi) -> Result<()> {
    let found = untrusted(spi)?;
    let Some(first) = found.first() else {
        return Ok(());
    };
    Err(Error::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, format!("will not take over {first}"))
        .detail(format!("{} such objects were found; nothing was changed.", found.len()))
        .hint(
            "Give it to a superuser or to the owner of the database, or, if you trust that role, \
         name it in the setting auria.trusted_owners and create the extension again.",
        ))
}

/// The objects that belong to roles that are not trusted.
fn untrusted(spi: &Spi) -> Result<Vec<String>> {
    let raw = raw_tables::found(spi)?;
    let raw_names = raw.iter().map(|table| format!("{}_raw", table.name));
    let names: Vec<String> = TABLES.iter().map(|name| (*name).to_owned()).chain(raw_names).collect();
    // The planner expects far more rows of the recursive parts than there are,
    // and would spend seconds on compiling the query.
    extension::with_settings(&[(c"jit", c"off")], || {
        let trusted = trusted_roles(spi)?;
        let rows =
            spi.query_once(include_str!("untrusted.sql"), args![names.as_slice(), SIGNATURES, trusted.as_slice()])?;
        rows.column()
    })
}

/// Whether everything belongs to a trusted role, and nothing that runs with its owner's rights to a superuser.
pub fn check_owners(spi: &Spi) -> Result<Findings> {
    let untrusted = untrusted(spi)?.into_iter();
    let mut failures: Vec<String> = untrusted
        .map(|object| format!("{object}: give it to the schema's owner, or name that role in auria.trusted_owners"))
        .collect();
    match owner::superuser_of_schema(spi)? {
        Some(whole) => failures.push(whole),
        None => failures.extend(owner::objects_of_superusers(spi)?),
    }
    Ok(failures.into())
}
