//! The access rules as they should be, compared with those in force.

use std::collections::BTreeSet;

use crate::args;
use crate::error::Result;
use crate::pg::spi::{Rows, Spi, quoted_identifier};

use super::{FUNCTIONS, POLICIES, tables};

/// A right that an API role or PUBLIC has, and should not have.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Excess {
    /// Visitors first.
    rank: usize,
    is_table: bool,
    object: String,
    grantee: String,
    privilege: String,
    column: Option<String>,
}

impl Excess {
    /// In words: `anon may execute public.use_credits(uuid,text)`.
    pub fn in_words(&self) -> String {
        let Self { grantee, object, privilege, .. } = self;
        if let Some(column) = &self.column {
            return format!("{grantee} may {privilege} column {column} of {object}");
        }
        let may = match privilege.as_str() {
            "select" => "select from",
            "insert" => "insert into",
            "delete" => "delete from",
            "references" => "make foreign keys to",
            "trigger" => "create triggers on",
            "usage" => "use",
            other => other,
        };
        format!("{grantee} may {may} {object}")
    }

    /// The statement that takes it away.
    pub fn revoke_statement(&self) -> String {
        let Self { grantee, object, privilege, .. } = self;
        let column = self.column.as_ref().map(|column| format!(" ({})", quoted_identifier(column))).unwrap_or_default();
        let kind = if self.is_table { "TABLE" } else { "ROUTINE" };
        // Without white space the name of a type may be none any more.
        let function = FUNCTIONS.iter().find(|function| function.signature.replace(' ', "") == *object);
        let object = function.map_or(object.as_str(), |function| function.signature);
        format!("REVOKE {privilege}{column} ON {kind} {object} FROM {grantee} CASCADE")
    }
}

/// What the API roles and PUBLIC may do beyond the access rules, of `in_force`: lines in the
/// notation of `expected/grants.sql`.
pub fn excesses(in_force: &[String]) -> Vec<Excess> {
    let expected: BTreeSet<_> = expected_grants().flat_map(single_grants).collect();
    let in_force = in_force.iter().flat_map(|line| single_grants(line));
    let mut excesses: Vec<_> = in_force.filter(|grant| !expected.contains(grant)).map(Excess::from).collect();
    excesses.sort();
    excesses
}

/// The lines of the access rules, of those that are `compared`, of which something is missing
/// in force.
pub fn missing_grants(in_force: &[String], compared: impl Fn(&&str) -> bool) -> impl Iterator<Item = &'static str> {
    let in_force: BTreeSet<_> = in_force.iter().flat_map(|line| single_grants(line)).collect();
    let is_missing = |line: &&str| single_grants(line).any(|grant| !in_force.contains(&grant));
    expected_grants().filter(compared).filter(is_missing).collect::<Vec<_>>().into_iter()
}

/// The object, the grantee and a privilege of each grant in a line.
fn single_grants(line: &str) -> impl Iterator<Item = [&str; 3]> {
    let mut words = line.splitn(3, ' ');
    let mut next = || words.next().unwrap_or_default();
    let (object, grantee, privileges) = (next(), next(), next());
    privileges.split(',').map(move |privilege| [object, grantee, privilege])
}

impl From<[&str; 3]> for Excess {
    fn from([object, grantee, privilege]: [&str; 3]) -> Self {
        const RANKS: [&str; 3] = ["PUBLIC", "anon", "authenticated"];
        let (privilege, column) = match privilege.trim_end_matches(')').split_once('(') {
            Some((privilege, column)) => (privilege, Some(column.to_owned())),
            None => (privilege, None),
        };
        Self {
            rank: RANKS.iter().position(|role| *role == grantee).unwrap_or(RANKS.len()),
            is_table: !object.contains('('),
            object: object.to_owned(),
            grantee: grantee.to_owned(),
            privilege: privilege.to_owned(),
            column,
        }
    }
}

/// The grants in force, in the notation of `expected/grants.sql`, on what is managed; of the
/// functions of `public`, on these alone. As the caller's snapshot shows them, on a standby too.
pub fn grants_in_force(spi: &Spi, functions: &[&str]) -> Result<Vec<String>> {
    spi.read_once(GRANTS, args![&tables(), &functions.join("|")])?.column()
}

/// The same after what this command has changed.
pub fn remaining_grants(spi: &Spi, functions: &[&str]) -> Result<Vec<String>> {
    spi.query_once(GRANTS, args![&tables(), &functions.join("|")])?.column()
}

const GRANTS: &str = include_str!("expected/grants.sql");

/// Default privileges by which `anon`, `authenticated` and `service_role` get rights on what is
/// made from now on: a line for each role that makes it, and schema.
pub fn default_privileges(spi: &Spi) -> Result<Vec<String>> {
    spi.read_once(include_str!("default_privileges.sql"), &[])?.column()
}

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
