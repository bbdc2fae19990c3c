//! Tables that can be read without the executor, because reading them is nothing
//! more than looking at their rows.

use std::ffi::CStr;
use std::ops::Deref;

use pgrx::{FromDatum, pg_sys};

use super::relation::{self, Relation};
use super::transaction;

/// A table of schema `public`, open and locked as by a SELECT until the
/// transaction ends.
pub(super) struct PlainTable(Relation);

impl PlainTable {
    /// The table of this name; `None` where a query does more than read the
    /// heap (partitions, children, a foreign table, a view), where the role in
    /// force may not see each of its rows, and under SERIALIZABLE, which has to
    /// know what was read.
    pub fn open(name: &CStr) -> Option<Self> {
        if transaction::is_serializable() {
            return None;
        }
        let oid = relation::find(c"public", name)?;
        let table = Self(Relation::open(oid, pg_sys::AccessShareLock)?);
        // It waited for the lock, and the name may mean another one now.
        let is_this = relation::find(c"public", name) == Some(oid);
        (is_this && table.is_plain_heap() && table.shows_every_row()).then_some(table)
    }

    /// Whether the role in force may read the table, and row-level security
    /// hides nothing from it.
    fn shows_every_row(&self) -> bool {
        const SELECT: pg_sys::AclMode = pg_sys::ACL_SELECT as pg_sys::AclMode;
        // SAFETY: catalogue look-ups inside a transaction.
        unsafe {
            let oid = self.oid();
            if pg_sys::pg_class_aclcheck(oid, pg_sys::GetUserId(), SELECT) != pg_sys::AclResult::ACLCHECK_OK {
                return false;
            }
            let enabled = pg_sys::CheckEnableRlsResult::RLS_ENABLED;
            pg_sys::check_enable_rls(oid, pg_sys::InvalidOid, true) as u32 != enabled
                || pg_sys::row_security && self.has_open_policy()
        }
    }

    /// Whether a policy shows every row to the role in force, and none restricts.
    fn has_open_policy(&self) -> bool {
        // SAFETY: the policies belong to the open table's entry. Each is read
        // within its list; a qual is taken for a constant only by its tag; the
        // roles are an array of oid.
        unsafe {
            let security = (*self.0.0).rd_rsdesc;
            if security.is_null() || (*security).policies.is_null() {
                return false;
            }
            let policies = (*security).policies;
            let mut open = false;
            for place in 0..(*policies).length {
                let policy: *const pg_sys::RowSecurityPolicy = pg_sys::list_nth(policies, place).cast();
                if !(*policy).permissive {
                    return false;
                }
                let command = (*policy).polcmd as u8;
                let qual: *const pg_sys::Const = (*policy).qual.cast();
                open |= (command == b'*' || command == b'r')
                    && !qual.is_null()
                    && (*qual).xpr.type_ == pg_sys::NodeTag::T_Const
                    && !(*qual).constisnull
                    && (*qual).constvalue.value() != 0
                    && names_caller((*policy).roles);
            }
            open
        }
    }
}

/// # Safety
/// The roles must be an array of oid.
unsafe fn names_caller(roles: *mut pg_sys::ArrayType) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let roles: Option<Vec<pg_sys::Oid>> =
            FromDatum::from_polymorphic_datum(pg_sys::Datum::from(roles), roles.is_null(), pg_sys::OIDARRAYOID);
        let user = pg_sys::GetUserId();
        roles.is_some_and(|roles| {
            // No role at all stands for PUBLIC.
            roles.into_iter().any(|role| role == pg_sys::InvalidOid || pg_sys::has_privs_of_role(user, role))
        })
    }
}

impl Deref for PlainTable {
    type Target = Relation;

    fn deref(&self) -> &Relation {
        &self.0
    }
}
