//! Procedures that commit on their way.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::roles;
use super::spi::{self, Spi};
use crate::error::{Error, Result};

/// A procedure's call that may commit.
pub struct Call {
    _checked: (),
}

impl Call {
    /// Reads the call that PostgreSQL made with `fcinfo`.
    ///
    /// # Errors
    /// 2D000 inside a transaction block or a function, where nothing can be
    /// committed.
    #[allow(clippy::not_unsafe_ptr_arg_deref)] // only PostgreSQL makes an fcinfo
    pub fn of(fcinfo: pg_sys::FunctionCallInfo, procedure: &str) -> Result<Self> {
        // SAFETY: PostgreSQL passes a valid fcinfo with the FmgrInfo of this
        // procedure; CALL gives it a CallContext, as the node's tag says.
        let may_commit = unsafe {
            let context = (*fcinfo).context;
            !context.is_null()
                && (*context).type_ == pg_sys::NodeTag::T_CallContext
                && !(*context.cast::<pg_sys::CallContext>()).atomic
        };
        if !may_commit {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_TERMINATION,
                format!("{procedure}() commits, and cannot do so here"),
            )
            .hint("CALL it by itself, outside of a transaction block and of any function."));
        }
        Ok(Self { _checked: () })
    }

    /// Runs `work` in a transaction of its own and commits it: with the rights
    /// of `role` and a fixed search path, neither of which PostgreSQL lets a
    /// procedure that commits declare.
    pub fn transaction<T>(
        &self,
        role: fn(&Spi) -> Result<pg_sys::Oid>,
        work: impl FnOnce(&Spi) -> Result<T>,
    ) -> Result<T> {
        spi::connected_to_commit(|spi| {
            let outcome = super::extension::with_settings(
                &[(c"search_path", c"pg_catalog, pg_temp")],
                || {
                    // A deferred trigger would run at the commit, when the
                    // rights are no longer the owner's: it is refused there.
                    spi.execute_script("SET CONSTRAINTS ALL IMMEDIATE")?;
                    let role = role(spi)?;
                    roles::acting_as(role, || work(spi))
                },
            )?;
            // SAFETY: SPI is connected for this, the call is not atomic, and
            // no snapshot, row or setting of the work is left.
            unsafe {
                pg_sys::SPI_commit();
                pg_sys::SPI_start_transaction();
            }
            Ok(outcome)
        })
    }
}
