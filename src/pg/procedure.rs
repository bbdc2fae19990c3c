//! Functions and procedures: the one that was called, those that commit, and which are the library's.

use std::ffi::CStr;

use pgrx::{FromDatum, IntoDatum, PgSqlErrorCode, pg_sys};

use super::boundary;
use super::roles;
use super::spi::{self, Spi};
use super::transaction;
use crate::error::{self, Error, Result};

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
            let outcome = super::extension::with_fixed_path(|| {
                transaction::check_constraints_now();
                let role = role(spi)?;
                roles::acting_as(role, || work(spi))
            })?;
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

/// The function that PostgreSQL called, as the catalogue has it.
pub struct Called {
    oid: pg_sys::Oid,
    owner: pg_sys::Oid,
    is_definer: bool,
}

impl Called {
    /// Looks the function up.
    #[allow(clippy::not_unsafe_ptr_arg_deref)] // only PostgreSQL makes an fcinfo
    pub fn by(fcinfo: pg_sys::FunctionCallInfo) -> Result<Self> {
        // SAFETY: PostgreSQL passes a valid fcinfo with the FmgrInfo of this function. A
        // catalogue look-up inside a transaction; the tuple is read before it is released.
        unsafe {
            let oid = (*(*fcinfo).flinfo).fn_oid;
            let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::PROCOID as i32, pg_sys::Datum::from(oid));
            if tuple.is_null() {
                return Err(error::unexpected_null("the called function"));
            }
            let entry: *const pg_sys::FormData_pg_proc = pg_sys::heap_tuple_get_struct(tuple);
            let called = Self { oid, owner: (*entry).proowner, is_definer: (*entry).prosecdef };
            pg_sys::ReleaseSysCache(tuple);
            Ok(called)
        }
    }

    /// The role that was in force when the function was called.
    ///
    /// Where it is declared SECURITY DEFINER, as up to 0.3.1 and by a dump of that time, PostgreSQL
    /// has put the owner in its place: then it is the session's role if that may call the function,
    /// and else the owner of what it called instead.
    pub fn caller(&self) -> pg_sys::Oid {
        let session = roles::caller();
        if self.is_definer && may_execute(session, self.oid) { session } else { roles::effective() }
    }

    /// Runs `work` with the rights of the role that owns the function, as SECURITY DEFINER does.
    pub fn with_rights_of_owner<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        boundary::guarded(|| roles::with_rights_of(self.owner, work))
    }

    /// [`Called::with_rights_of_owner`] for what writes: no trigger of a row that it wrote runs
    /// with a superuser's rights later.
    pub fn writing_as_owner<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        // Before the rights change: pending triggers are the caller's.
        transaction::check_constraints_now_for_superusers();
        self.with_rights_of_owner(work)
    }
}

fn may_execute(role: pg_sys::Oid, function: pg_sys::Oid) -> bool {
    let arguments = [role.into_datum(), function.into_datum(), "EXECUTE".into_datum()];
    // SAFETY: a function of the server's own, with arguments of its types.
    unsafe { pgrx::direct_function_call(pg_sys::has_function_privilege_id_id, &arguments) }.unwrap_or(false)
}

/// What `find` found for an earlier row of the same query, if it `still_holds`, else what it
/// finds now: as PostgreSQL does with a sub-select that depends on no row.
///
/// For a function whose first argument is a column. Where it is something else the call may be
/// in an expression that PL/pgSQL caches from one statement to the next: there it finds again.
#[allow(clippy::not_unsafe_ptr_arg_deref)] // only PostgreSQL makes an fcinfo
pub fn once_in_a_query<T: Copy + 'static>(
    fcinfo: pg_sys::FunctionCallInfo,
    still_holds: impl FnOnce(&T) -> bool,
    find: impl FnOnce() -> Result<T>,
) -> Result<T> {
    // SAFETY: PostgreSQL passes a valid fcinfo with the FmgrInfo of this function, which lives as
    // long as its memory context; its fn_extra is this function's alone, null or as set below.
    unsafe {
        let place = (*fcinfo).flinfo;
        if !is_given_a_column((*place).fn_expr) {
            return find();
        }
        let mut cached: *mut T = (*place).fn_extra.cast();
        if !cached.is_null() && still_holds(&*cached) {
            return Ok(*cached);
        }
        let found = find()?;
        if cached.is_null() {
            cached = pg_sys::MemoryContextAlloc((*place).fn_mcxt, size_of::<T>()).cast();
            (*place).fn_extra = cached.cast();
        }
        cached.write(found);
        Ok(found)
    }
}

/// # Safety
/// `call` is null or the node that calls a function.
unsafe fn is_given_a_column(call: *mut pg_sys::Node) -> bool {
    // SAFETY: the tags say what the nodes are; a call has a list of arguments, or null.
    unsafe {
        if call.is_null() || (*call).type_ != pg_sys::NodeTag::T_FuncExpr {
            return false;
        }
        let arguments = (*call.cast::<pg_sys::FuncExpr>()).args;
        if arguments.is_null() {
            return false;
        }
        let first: *mut pg_sys::Node = (*(*arguments).elements).ptr_value.cast();
        (*first).type_ == pg_sys::NodeTag::T_Var
    }
}

/// Whether this function is the library's compiled one of this symbol. Only a superuser
/// can declare such a function.
pub fn is_ours(function: pg_sys::Oid, symbol: &CStr) -> bool {
    /// As the control file has it.
    const LIBRARY: &[u8] = b"$libdir/auria_pg";
    // SAFETY: catalogue look-ups inside a transaction; the tuple is read before it is
    // released, and the texts are copies.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(function));
        if tuple.is_null() {
            return false;
        }
        let entry: *const pg_sys::FormData_pg_proc = pg_sys::heap_tuple_get_struct(tuple);
        let is_compiled = (*entry).prolang == pg_sys::get_language_oid(c"c".as_ptr(), true);
        let text = |attribute: u32| {
            let mut is_null = false;
            let datum = pg_sys::SysCacheGetAttr(cache, tuple, attribute as pg_sys::AttrNumber, &mut is_null);
            Vec::<u8>::from_datum(datum, is_null)
        };
        let is_ours = is_compiled
            && text(pg_sys::Anum_pg_proc_probin).is_some_and(|text| text == LIBRARY)
            && text(pg_sys::Anum_pg_proc_prosrc).is_some_and(|text| text == symbol.to_bytes());
        pg_sys::ReleaseSysCache(tuple);
        is_ours
    }
}
