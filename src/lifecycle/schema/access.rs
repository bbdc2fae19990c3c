//! The access rules as they should be, compared with those in force.

use crate::args;
use crate::error::Result;
use crate::pg::spi::{Rows, Spi};

use super::{POLICIES, tables};

/// A policy in force that the migrations did not make.
pub struct ForeignPolicy {
    /// The policy's name, quoted for use in SQL.
    pub name: String,
    /// Its table, with the schema.
    pub table: String,
    /// The roles it is for.
    pub roles: String,
    /// Whether it is for `anon` or PUBLIC, or a role that `anon` is a member of.
    pub for_visitors: bool,
}

impl ForeignPolicy {
    /// The statement that drops it.
    pub fn drop_statement(&self) -> String {
        format!("DROP POLICY {} ON {}", self.name, self.table)
    }
}

/// Our policies as they should be in force, in the notation of
/// `expected/policies.sql`. They are as PostgreSQL writes expressions back,
/// which a test compares with a fresh installation.
pub fn expected_policies() -> impl Iterator<Item = &'static str> {
    expected("policy ")
}

/// The grants as they should be, in the notation of `expected/grants.sql`.
pub fn expected_grants() -> impl Iterator<Item = &'static str> {
    expected("grant ")
}

fn expected(kind: &'static str) -> impl Iterator<Item = &'static str> {
    include_str!("expected/access.txt").lines().filter_map(move |line| line.strip_prefix(kind))
}

/// Permissive policies on our tables, or reaching into our buckets, that the
/// migrations did not make and that are for PUBLIC, `anon`, `authenticated`, or
/// a role these are members of. As the caller's snapshot shows them, on a
/// standby too.
pub fn over_permissive_policies(spi: &Spi) -> Result<Vec<ForeignPolicy>> {
    let (policies, tables) = (POLICIES.join(" "), tables());
    foreign_policies(&spi.read_once(OVER_PERMISSIVE, args![&policies, &tables])?)
}

/// The same after what this command has changed.
pub fn remaining_over_permissive_policies(spi: &Spi) -> Result<Vec<ForeignPolicy>> {
    let (policies, tables) = (POLICIES.join(" "), tables());
    foreign_policies(&spi.query_once(OVER_PERMISSIVE, args![&policies, &tables])?)
}

const OVER_PERMISSIVE: &str = "SELECT pg_catalog.quote_ident(p.polname), p.polrelid::pg_catalog.regclass::text, \
                CASE WHEN 0 = ANY (p.polroles) THEN 'PUBLIC' \
                     ELSE (SELECT pg_catalog.string_agg(r.rolname, ', ') \
                             FROM pg_catalog.pg_roles r WHERE r.oid = ANY (p.polroles)) END, \
                0 = ANY (p.polroles) OR EXISTS ( \
                    SELECT FROM pg_catalog.pg_roles anon \
                     CROSS JOIN pg_catalog.unnest(p.polroles) AS role \
                     WHERE anon.rolname = 'anon' AND pg_catalog.pg_has_role(anon.oid, role, 'MEMBER')) \
           FROM pg_catalog.pg_policy p \
           JOIN pg_catalog.pg_class c ON c.oid = p.polrelid \
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
          CROSS JOIN LATERAL (SELECT pg_catalog.concat( \
                    pg_catalog.pg_get_expr(p.polqual, p.polrelid), ' ', \
                    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) AS text) AS rule \
          WHERE p.polpermissive \
            AND p.polname <> ALL (pg_catalog.string_to_array($1, ' ')) \
            AND (0 = ANY (p.polroles) OR EXISTS ( \
                    SELECT FROM pg_catalog.pg_roles api \
                     WHERE api.rolname IN ('anon', 'authenticated') \
                       AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS role \
                                    WHERE pg_catalog.pg_has_role(api.oid, role, 'MEMBER')))) \
            AND (n.nspname = 'public' AND c.relname = ANY (pg_catalog.string_to_array($2, ' ')) \
                 OR n.nspname = 'auria' AND c.relname = 'migrations' \
                 OR n.nspname = 'auria_raw' \
                 OR n.nspname = 'storage' AND c.relname = 'objects' \
                    AND (rule.text ~ '(clinical-photos|dsd-simulations|avatars)' \
                         OR rule.text !~ 'bucket_id')) \
          ORDER BY 2, 1";

fn foreign_policies(rows: &Rows<'_>) -> Result<Vec<ForeignPolicy>> {
    rows.iter()
        .map(|row| {
            Ok(ForeignPolicy {
                name: row.expect(1)?,
                table: row.expect(2)?,
                roles: row.expect(3)?,
                for_visitors: row.expect(4)?,
            })
        })
        .collect()
}
