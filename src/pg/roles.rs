//! Who is calling.

use std::ffi::CStr;

use pgrx::pg_sys;

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

/// Whether there is a schema called `name`.
pub fn schema_exists(name: &CStr) -> bool {
    // SAFETY: a catalogue look-up inside a transaction; `name` is a C string.
    unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) != pg_sys::InvalidOid }
}
