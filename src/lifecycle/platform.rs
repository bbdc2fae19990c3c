//! Stand-ins for what Supabase brings and plain PostgreSQL does not. Each is
//! made only where it is missing; what exists is never touched.

use crate::error::Result;
use crate::pg::spi::{Spi, statement_result_is_true};

/// An object the schema builds on, and the SQL that makes it.
struct StandIn {
    /// A query that says whether the object exists.
    exists: &'static str,
    sql: &'static str,
}

macro_rules! stand_ins {
    ($($file:literal unless $exists:literal,)+) => {
        &[$(StandIn {
            exists: concat!("SELECT EXISTS (", $exists, ")"),
            sql: include_str!(concat!("../../sql/platform/", $file, ".sql")),
        },)+]
    };
}

const ROLES: &[StandIn] = stand_ins! {
    "role_anon" unless "SELECT FROM pg_catalog.pg_roles WHERE rolname = 'anon'",
    "role_authenticated" unless "SELECT FROM pg_catalog.pg_roles WHERE rolname = 'authenticated'",
    "role_service_role" unless "SELECT FROM pg_catalog.pg_roles WHERE rolname = 'service_role'",
};

const SCHEMAS: &[StandIn] = stand_ins! {
    "auth_schema" unless "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'auth'",
    "auth_users" unless "SELECT WHERE pg_catalog.to_regclass('auth.users') IS NOT NULL",
    "auth_uid" unless "SELECT WHERE pg_catalog.to_regprocedure('auth.uid()') IS NOT NULL",
    "auth_role" unless "SELECT WHERE pg_catalog.to_regprocedure('auth.role()') IS NOT NULL",
    "auth_jwt" unless "SELECT WHERE pg_catalog.to_regprocedure('auth.jwt()') IS NOT NULL",
    "storage_schema" unless "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'storage'",
    "storage_buckets" unless "SELECT WHERE pg_catalog.to_regclass('storage.buckets') IS NOT NULL",
    "storage_objects" unless "SELECT WHERE pg_catalog.to_regclass('storage.objects') IS NOT NULL",
    "storage_foldername" unless
        "SELECT WHERE pg_catalog.to_regprocedure('storage.foldername(text)') IS NOT NULL",
};

/// Makes the roles `anon`, `authenticated`, `service_role` where missing.
///
/// Roles belong to the server: an installation in another database may be
/// making the same ones at this moment, and is waited for.
pub fn ensure_roles(spi: &Spi) -> Result<()> {
    let any_missing = ROLES
        .iter()
        .map(|role| statement_result_is_true(spi, role.exists, &[]))
        .collect::<Result<Vec<_>>>()?
        .contains(&false);
    if any_missing {
        spi.execute_script("LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE")?;
    }
    ensure(spi, ROLES)
}

/// Makes the parts of the schemas `auth` and `storage` that are missing.
pub fn ensure_schemas(spi: &Spi) -> Result<()> {
    ensure(spi, SCHEMAS)
}

fn ensure(spi: &Spi, stand_ins: &[StandIn]) -> Result<()> {
    for stand_in in stand_ins {
        if !statement_result_is_true(spi, stand_in.exists, &[])? {
            spi.execute_script(stand_in.sql)?;
        }
    }
    Ok(())
}
