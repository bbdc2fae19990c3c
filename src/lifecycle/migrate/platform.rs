//! Stand-ins for what Supabase brings and plain PostgreSQL does not. Each is
//! made only where it is missing; what exists is never touched.

use pgrx::PgSqlErrorCode;

use super::run::Run;
use crate::args;
use crate::error::{Error, Result};
use crate::lifecycle::sealing::tables;
use crate::pg::roles;
use crate::pg::spi::Spi;
use crate::schema::owner::{self, Owner};

/// An object the schema builds on, and the SQL that makes it.
struct StandIn {
    /// A query that gives a row where the object exists.
    exists: &'static str,
    sql: &'static str,
    /// The object as ALTER … OWNER TO names it, if it is not to stay the superuser's.
    object: Option<&'static str>,
}

/// The role that owns the objects of a schema on Supabase, where its service makes and changes them, if it has not
/// connected yet.
struct Service {
    schema: &'static str,
    role: &'static str,
}

const SERVICES: &[Service] = &[
    Service { schema: "auth", role: "supabase_auth_admin" },
    Service { schema: "storage", role: "supabase_storage_admin" },
];

impl StandIn {
    fn is_schema(&self) -> bool {
        self.object.is_some_and(|object| object.starts_with("SCHEMA "))
    }

    fn is_of(&self, schema: &str) -> bool {
        let name = self.object.and_then(|object| object.split(' ').nth(1));
        name.and_then(|name| name.split('.').next()) == Some(schema)
    }
}

macro_rules! stand_ins {
    (@object) => { None };
    (@object $object:literal) => { Some($object) };
    ($($file:literal $(as $object:literal)? unless $exists:literal,)+) => {
        &[$(StandIn {
            object: stand_ins!(@object $($object)?),
            exists: $exists,
            sql: include_str!(concat!("../../../sql/platform/", $file, ".sql")),
        },)+]
    };
}

const ROLES: &[StandIn] = stand_ins! {
    "role_anon" unless "SELECT FROM pg_catalog.pg_roles WHERE rolname = 'anon'",
    "role_authenticated" unless "SELECT FROM pg_catalog.pg_roles WHERE rolname = 'authenticated'",
    "role_service_role" unless "SELECT FROM pg_catalog.pg_roles WHERE rolname = 'service_role'",
};

const OWNER_ROLE: &[StandIn] = stand_ins! {
    "role_auria_owner" unless "SELECT FROM pg_catalog.pg_roles WHERE rolname = 'auria_owner'",
};

const SCHEMAS: &[StandIn] = stand_ins! {
    "auth_schema" as "SCHEMA auth" unless "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'auth'",
    "auth_users_of_supabase" as "TABLE auth.users" unless
        "SELECT WHERE pg_catalog.to_regclass('auth.users') IS NOT NULL \
                   OR pg_catalog.to_regrole('supabase_auth_admin') IS NULL",
    "auth_users" as "TABLE auth.users" unless "SELECT WHERE pg_catalog.to_regclass('auth.users') IS NOT NULL",
    "auth_uid" as "FUNCTION auth.uid()" unless "SELECT WHERE pg_catalog.to_regprocedure('auth.uid()') IS NOT NULL",
    "auth_role" as "FUNCTION auth.role()" unless "SELECT WHERE pg_catalog.to_regprocedure('auth.role()') IS NOT NULL",
    "auth_jwt" as "FUNCTION auth.jwt()" unless "SELECT WHERE pg_catalog.to_regprocedure('auth.jwt()') IS NOT NULL",
    "storage_schema" as "SCHEMA storage" unless "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'storage'",
    "storage_buckets" as "TABLE storage.buckets" unless "SELECT WHERE pg_catalog.to_regclass('storage.buckets') IS NOT NULL",
    "storage_objects" as "TABLE storage.objects" unless "SELECT WHERE pg_catalog.to_regclass('storage.objects') IS NOT NULL",
    "storage_foldername" as "FUNCTION storage.foldername(text)" unless
        "SELECT WHERE pg_catalog.to_regprocedure('storage.foldername(text)') IS NOT NULL",
};

/// Makes the roles `anon`, `authenticated`, `service_role` where missing.
pub fn ensure_roles(spi: &Spi) -> Result<()> {
    ensure_on_server(spi, ROLES)
}

/// Makes the role that owns a new schema.
///
/// # Errors
/// 42501 where a role of that name is a superuser: its functions would be, too.
pub fn ensure_owner(spi: &Spi, name: String) -> Result<Owner> {
    if name == owner::OWNER {
        ensure_on_server(spi, OWNER_ROLE)?;
    }
    let owner = Owner::named(name);
    if owner.act(|| roles::is_superuser(roles::effective())) {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("role \"{}\" must not be a superuser", owner.name),
        )
        .detail("It owns the AURIA schema, and SECURITY DEFINER functions run with its rights.")
        .hint(format!("Run ALTER ROLE {} NOSUPERUSER.", owner.quoted())));
    }
    Ok(owner)
}

/// Makes the record of what was installed, and the schemas that are missing.
pub fn ensure(run: &mut Run<'_>) -> Result<()> {
    run.spi.execute_script(include_str!("../../../sql/platform/records.sql"))?;
    ensure_schemas(run.spi, &run.owner)?;
    tables::ensure_schema(run.spi, &run.owner)
}

/// Makes the parts of the schemas `auth` and `storage` that are missing. On Supabase they belong to the roles of its
/// services, whose migrations go on over them. Elsewhere to the schema's owner, except the schemas: a dump makes these
/// before the extension can make the role.
fn ensure_schemas(spi: &Spi, owner: &Owner) -> Result<()> {
    let mut services = Vec::new();
    for service in SERVICES {
        if spi.exists("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", args![service.role])? {
            services.push(service);
        }
    }
    for stand_in in SCHEMAS {
        if spi.exists(stand_in.exists, &[])? {
            continue;
        }
        spi.execute_script(stand_in.sql)?;
        let service = services.iter().find(|service| stand_in.is_of(service.schema));
        match (stand_in.object, service) {
            (Some(object), Some(service)) => {
                spi.execute_script(&format!("ALTER {object} OWNER TO {}", service.role))?
            }
            (Some(object), None) if !stand_in.is_schema() => {
                spi.execute_script(&format!("ALTER {object} OWNER TO {}", owner.quoted()))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes roles where missing. They belong to the server: an installation in another
/// database may be making the same ones at this moment, and is waited for.
fn ensure_on_server(spi: &Spi, roles: &[StandIn]) -> Result<()> {
    let exists = |role: &StandIn| spi.exists(role.exists, &[]);
    let exist = roles.iter().map(exists).collect::<Result<Vec<_>>>()?;
    if !exist.contains(&false) {
        return Ok(());
    }
    spi.execute_script("LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE")?;
    for role in roles {
        if !exists(role)? {
            spi.execute_script(role.sql)?;
        }
    }
    Ok(())
}

/// The schema where pg_trgm lives, quoted for use in SQL.
pub fn trigram_schema(spi: &Spi) -> Result<String> {
    let rows = spi.query_once(
        "SELECT pg_catalog.quote_ident(n.nspname) \
           FROM pg_catalog.pg_extension e \
           JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
          WHERE e.extname = 'pg_trgm'",
        &[],
    )?;
    match rows.first() {
        Some(row) => row.expect(1),
        None => Err(Error::new(PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, "the extension pg_trgm is missing")
            .hint("Run CREATE EXTENSION pg_trgm, in whichever schema you keep extensions.")),
    }
}
