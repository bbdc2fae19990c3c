//! Procedures that commit on their way.

use pgrx::pg_catalog::pg_proc::PgProc;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::spi::{self, Spi};
use crate::error::{self, Error, Result};

/// A procedure's call: who owns the procedure, and whether it may commit.
pub struct Call {
    owner: pg_sys::Oid,
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
        // procedure; CALL gives it a CallContext, told by the node's tag.
        let (oid, may_commit) = unsafe {
            let context = (*fcinfo).context;
            let may_commit = !context.is_null()
                && (*context).type_ == pg_sys::NodeTag::T_CallContext
                && !(*context.cast::<pg_sys::CallContext>()).atomic;
            ((*(*fcinfo).flinfo).fn_oid, may_commit)
        };
        if !may_commit {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_INVALID_TRANSACTION_TERMINATION,
                format!("{procedure}() commits, and cannot do so here"),
            )
            .hint("CALL it by itself, outside of a transaction block and of any function."));
        }
        let owner = PgProc::new(oid)
            .map(|procedure| procedure.proowner())
            .ok_or_else(|| error::unexpected_null("the procedure's catalogue entry"))?;
        Ok(Self { owner })
    }

    /// Runs `work` in a transaction of its own and commits it: with the rights
    /// of the procedure's owner and a search path of our own, neither of which
    /// PostgreSQL lets a procedure that commits declare.
    pub fn transaction<T>(&self, work: impl FnOnce(&Spi) -> Result<T>) -> Result<T> {
        spi::connected_to_commit(|spi| {
            let outcome = {
                let _rights = Rights::of(self.owner);
                super::extension::with_settings(
                    &[(c"search_path", c"pg_catalog, pg_temp")],
                    || work(spi),
                )?
            };
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

/// The rights in force, put back when dropped.
struct Rights {
    before: pg_sys::Oid,
    context: i32,
}

impl Rights {
    fn of(role: pg_sys::Oid) -> Self {
        let (mut before, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: what SECURITY DEFINER does. The abort of a transaction puts
        // the rights back by itself, as the drop of this does otherwise.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut before, &mut context);
            pg_sys::SetUserIdAndSecContext(
                role,
                context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
            );
        }
        Self { before, context }
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        // SAFETY: puts back what was read above.
        unsafe { pg_sys::SetUserIdAndSecContext(self.before, self.context) }
    }
}
