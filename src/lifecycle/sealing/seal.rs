//! `auria.phi_seal()`.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::{obstacles, tables};
use crate::error::{Error, Result};
use crate::pg::procedure::Call;
use crate::pg::roles::require_superuser;
use crate::pg::{extension, transaction};
use crate::phi;
use crate::phi::columns::TABLES;
use crate::phi::layout;
use crate::schema::owner;
use crate::schema::{citus, locks};

/// Seals every table with patient data that is open, in one transaction.
///
/// Errors: 42501 for others than superusers; 2D000 where it cannot commit;
/// 55P03 tables that are in use for a minute, or for as long as the session's
/// `lock_timeout` says; 55000 no key, or values that are not encrypted, differ from the plain ones
/// or cannot be read: nothing has changed then.
#[pg_extern(sql = false)]
fn phi_seal(fcinfo: pg_sys::FunctionCallInfo) -> Result<(), ErrorReport> {
    let call = Call::of(fcinfo, "auria.phi_seal")?;
    transaction::refuse_if_read_only(c"auria.phi_seal()");
    require_superuser("auria.phi_seal")?;
    // A backend that knows the previous key alone would not find the names that are sealed.
    call.transaction(owner::of_schema, |spi| {
        phi::KeysInUse::look(spi)?.wait_for_others();
        Ok(())
    })?;
    let (mentioning, publications) = call.transaction(owner::of_schema, |spi| {
        let (mut mentioning, mut publications) = (Vec::new(), Vec::new());
        let sealed = layout::sealed(spi)?;
        let open = TABLES.iter().filter(|table| !sealed.iter().any(|one| one.name == table.name));
        locks::lock_together(spi, open.map(|table| format!("public.{}", table.name)))?;
        obstacles::set_lock_timeout(spi)?;
        for (table, source) in TABLES.into_iter().zip(&phi::sources(spi)?) {
            if sealed.iter().any(|one| one.name == table.name) {
                continue;
            }
            obstacles::refuse_on_table(spi, table)?;
            refuse_unless_complete(table.name, &phi::count(spi, source)?)?;
            mentioning.extend(obstacles::mentioning(spi, table)?);
            publications.extend(obstacles::publications(spi, table)?);
            extension::with_settings(citus::settings(), || tables::seal(spi, table))?;
        }
        Ok((mentioning, publications))
    })?;
    for function in mentioning {
        extension::inform(&format!(
            "the body of function {function} has the names of patient data: it goes on through the views, except \
             for what docs/phi.md lists"
        ));
    }
    for publication in publications {
        extension::inform(&format!(
            "publication {publication} publishes the stored table now: a view cannot be published"
        ));
    }
    pgrx::notice!(
        "auria: patient data is sealed. Old copies may remain in WAL, backups, replicas and logs, and in \
         PostgreSQL's statistics: as a superuser, run VACUUM FULL pg_catalog.pg_statistic"
    );
    Ok(())
}

fn refuse_unless_complete(table: &str, counts: &[phi::Count]) -> Result<()> {
    for count in counts {
        if count.not_encrypted > 0 || count.differing > 0 || count.unreadable > 0 || count.unprotected > 0 {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("table \"{table}\" cannot be sealed yet"),
            )
            .detail(format!(
                "In one of its columns {} values are not encrypted, {} differ from the plain ones, \
                 {} cannot be read, {} have no integrity protection.",
                count.not_encrypted, count.differing, count.unreadable, count.unprotected
            ))
            .hint("CALL auria.phi_backfill(), and look at SELECT * FROM auria.phi_status()."));
        }
    }
    Ok(())
}
