//! The access rules as they should be, compared with those in force.

use std::collections::BTreeSet;

use crate::args;
use crate::error::Result;
use crate::pg::spi::{Rows, Spi, quoted_identifier};

use super::check::{Findings, REMEDY, lines};
use super::{FUNCTIONS, POLICIES, SIGNATURES, TABLES, functions};

/// A right that an API role or PUBLIC has, and should not have.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Excess {
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
    fn in_words(&self) -> String {
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
    fn revoke_statement(&self) -> String {
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
fn excesses(in_force: &[String]) -> Vec<Excess> {
    let expected: BTreeSet<_> = expected_grants().flat_map(single_grants).collect();
    let in_force = in_force.iter().flat_map(|line| single_grants(line));
    let mut excesses: Vec<_> = in_force.filter(|grant| !expected.contains(grant)).map(Excess::from).collect();
    excesses.sort();
    excesses
}

/// The lines of the access rules, of those that are `compared`, of which something is missing
/// in force.
fn missing_grants(in_force: &[String], compared: impl Fn(&&str) -> bool) -> impl Iterator<Item = &'static str> {
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
fn grants_in_force(spi: &Spi, functions: &[&str]) -> Result<Vec<String>> {
    lines(spi, GRANTS, args![TABLES, functions])
}

/// Takes from the API roles what they may do beyond the access rules: on members of the
/// extension as well, which no migration makes again.
pub fn revoke_excesses(spi: &Spi) -> Result<()> {
    let in_force: Vec<String> = spi.query_once(GRANTS, args![TABLES, SIGNATURES])?.column()?;
    excesses(&in_force).iter().try_for_each(|excess| spi.execute_script(&excess.revoke_statement()))
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

/// The extension's policies in force, in the notation of `expected/policies.sql`.
pub fn policies_in_force(spi: &Spi) -> Result<Vec<String>> {
    lines(spi, include_str!("expected/policies.sql"), args![POLICIES])
}

/// What these policies have that the expected ones have not, and the reverse.
/// Expected is what PostgreSQL writes back of a fresh installation, which a
/// test compares.
pub fn differences_of_policies(in_force: &[String]) -> Vec<String> {
    let short = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let expected: BTreeSet<&str> = expected("policy ").collect();
    let is_missing = |line: &&&str| !in_force.iter().any(|other| other == **line);
    let missing =
        expected.iter().filter(is_missing).map(|line| format!("missing or changed: {} ({REMEDY})", short(line)));
    let added = in_force.iter().filter(|line| !expected.contains(line.as_str()));
    missing.chain(added.map(|line| format!("not in the access rules: {}", short(line)))).collect()
}

/// Whether no policy lets API roles do more than the access rules; those for
/// visitors are failures.
pub fn check_other_policies(spi: &Spi) -> Result<Findings> {
    let mut findings = Findings::default();
    for policy in over_permissive_policies(spi)? {
        let ForeignPolicy { name, table, roles, for_visitors } = &policy;
        let drop = policy.drop_statement();
        findings.add(
            format!(
                "{name} on {table} lets {roles} do more than the access rules; unless something needs it, run {drop}"
            ),
            *for_visitors,
        );
    }
    Ok(findings)
}

/// Grants on what is managed: who may execute a function that a team replaced
/// is the team's decision.
///
/// First what the API roles may do beyond the access rules: a restore under default privileges
/// gives them everything.
pub fn check_grants(spi: &Spi) -> Result<Findings> {
    let compiled = functions::compiled(spi)?;
    let in_force = grants_in_force(spi, &compiled)?;
    let excesses = excesses(&in_force);
    let mut failures: Vec<String> = excesses.iter().map(|excess| format!("{} ({REMEDY})", excess.in_words())).collect();
    failures.extend(lines(spi, include_str!("partition_grants.sql"), args![TABLES])?);
    let unspaced = |text: &str| text.replace(' ', "");
    let is_compared = |line: &&str| {
        let object = line.split(' ').next().unwrap_or_default();
        let is_function = object.starts_with("public.") && object.contains('(');
        !is_function || compiled.iter().any(|signature| unspaced(signature) == object)
    };
    failures
        .extend(missing_grants(&in_force, is_compared).map(|grant| format!("missing or changed: {grant} ({REMEDY})")));
    Ok(failures.into())
}

/// Whether the API roles have the attributes that the access rules build on, and no more.
pub fn check_api_roles(spi: &Spi) -> Result<Findings> {
    Findings::of_rows(spi, include_str!("api_roles.sql"), &[])
}

/// The grants as they should be, in the notation of `expected/grants.sql`.
fn expected_grants() -> impl Iterator<Item = &'static str> {
    expected("grant ")
}

fn expected(kind: &'static str) -> impl Iterator<Item = &'static str> {
    include_str!("expected/access.txt").lines().filter_map(move |line| line.strip_prefix(kind))
}

/// Permissive policies on managed tables, or reaching into the extension's
/// buckets, that the migrations did not make and that are for PUBLIC, `anon`,
/// `authenticated`, or a role these are members of. As the caller's snapshot
/// shows them, on a standby too.
fn over_permissive_policies(spi: &Spi) -> Result<Vec<ForeignPolicy>> {
    foreign_policies(&spi.read_once(OVER_PERMISSIVE, args![POLICIES, TABLES])?)
}

/// The same after what this command has changed.
pub fn remaining_over_permissive_policies(spi: &Spi) -> Result<Vec<ForeignPolicy>> {
    foreign_policies(&spi.query_once(OVER_PERMISSIVE, args![POLICIES, TABLES])?)
}

const OVER_PERMISSIVE: &str = include_str!("over_permissive.sql");

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
