//! Who is calling.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::error::{Error, Result};

/// The role the session acts as: what SET ROLE set, else the login role. A
/// SECURITY DEFINER function does not change it, and no setting can forge it.
pub fn caller() -> pg_sys::Oid {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::GetOuterUserId() }
}

/// The role whose rights are in force: inside a SECURITY DEFINER function,
/// the function's owner.
pub fn effective() -> pg_sys::Oid {
    // SAFETY: reads a global of the backend.
    unsafe { pg_sys::GetUserId() }
}

/// Runs `work` with the rights of `role` and no others, as PostgreSQL does for
/// the expressions of an index: code that belongs to somebody else and is
/// called meanwhile cannot change the role back, nor leave something behind
/// that runs later with more rights.
pub fn acting_as<T>(role: pg_sys::Oid, work: impl FnOnce() -> T) -> T {
    let _rights = Rights::of(role, pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION);
    work()
}

/// Runs `work` with the rights of `role`, as SECURITY DEFINER does.
pub fn with_rights_of<T>(role: pg_sys::Oid, work: impl FnOnce() -> T) -> T {
    let _rights = Rights::of(role, pg_sys::SECURITY_LOCAL_USERID_CHANGE);
    work()
}

/// The rights in force, put back when dropped.
struct Rights {
    before: pg_sys::Oid,
    context: i32,
}

impl Rights {
    fn of(role: pg_sys::Oid, limits: u32) -> Self {
        let (mut before, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: what SECURITY DEFINER and index expressions do. The abort of
        // a (sub)transaction puts the rights back by itself, as the drop of
        // this does otherwise.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut before, &mut context);
            pg_sys::SetUserIdAndSecContext(role, context | limits as i32);
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

/// The role of this name.
///
/// # Errors
/// 42704 (raised) where there is none.
pub fn named(name: &str) -> pg_sys::Oid {
    let name = std::ffi::CString::new(name).unwrap_or_default();
    // SAFETY: a catalogue look-up inside a transaction; `name` is a C string.
    unsafe { pg_sys::get_role_oid(name.as_ptr(), false) }
}

/// The name of a role; its number where it is gone.
pub fn name_of(role: pg_sys::Oid) -> String {
    // SAFETY: a catalogue look-up inside a transaction; the name is a C string in memory of this call.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() {
            return role.to_u32().to_string();
        }
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// Whether a role is a superuser.
pub fn is_superuser(role: pg_sys::Oid) -> bool {
    // SAFETY: a catalogue look-up inside a transaction.
    unsafe { pg_sys::superuser_arg(role) }
}

/// Whether `member` has the rights of the role called `name`; false where no
/// such role exists.
pub fn has_rights_of(member: pg_sys::Oid, name: &CStr) -> bool {
    // SAFETY: catalogue look-ups inside a transaction; `name` is a C string.
    unsafe {
        let role = pg_sys::get_role_oid(name.as_ptr(), true);
        role != pg_sys::InvalidOid && pg_sys::has_privs_of_role(member, role)
    }
}

/// Whether `role` reaches a table as a client of the API does: with the rights
/// of anon or authenticated, and not those of the backend or of the table's
/// owner. A superuser has the rights of every role.
pub fn is_api_client(role: pg_sys::Oid, table_owner: pg_sys::Oid) -> bool {
    let is_client = has_rights_of(role, c"authenticated") || has_rights_of(role, c"anon");
    // SAFETY: a catalogue look-up inside a transaction.
    let is_owner = || unsafe { pg_sys::has_privs_of_role(role, table_owner) };
    is_client && !has_rights_of(role, c"service_role") && !is_owner()
}

/// Whether `member` has the rights of `role`.
pub fn has_rights_of_role(member: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: a catalogue look-up inside a transaction.
    unsafe { pg_sys::has_privs_of_role(member, role) }
}

/// Whether `role` owns the database, or has its owner's rights.
pub fn owns_database(role: pg_sys::Oid) -> bool {
    has_rights_of_role(role, pg_sys::Oid::from(pg_sys::ROLE_PG_DATABASE_OWNER))
}

/// The name of a role, empty where it is gone.
pub fn name(role: pg_sys::Oid) -> String {
    // SAFETY: a catalogue look-up inside a transaction; it gives a C string or
    // nothing.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() { String::new() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}

/// Whether a role is called by one of the names.
pub fn has_one_of_the_names(role: pg_sys::Oid, names: &[impl AsRef<str>]) -> bool {
    let name = name(role);
    names.iter().any(|known| name == known.as_ref())
}

/// 42501 unless a superuser calls.
pub fn require_superuser(function: &'static str) -> Result<()> {
    if is_superuser(effective()) {
        return Ok(());
    }
    Err(Error::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, format!("only a superuser can call {function}()"))
        .hint("Connect as a superuser and call it again."))
}
