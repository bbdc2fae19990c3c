//! Policies: those that the database had before, and whether those in force are
//! as they should be. The original's are dropped, as the migrations make their
//! own; everybody else's stay.

use super::run::Run;
use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;
use crate::phi::columns::PhiTable;
use crate::phi::layout;
use crate::schema::access;
use crate::schema::check::Findings;
use crate::schema::{POLICIES, TABLES};

/// Drops the policies of the original on managed tables and files.
///
/// The specification gives their rules and not their names, so a policy is
/// recognised by its rule: own rows, rows of a public list, rows behind a
/// share link that has not expired, the backend. For each of these the
/// migrations make a policy that is as wide or narrower, so that whoever wrote
/// the policy, nobody loses a right that the access rules give.
pub fn drop_original(run: &mut Run<'_>) -> Result<()> {
    let Run { spi, owner, .. } = run;
    let rows = spi.query_once(include_str!("original_policies.sql"), args![POLICIES, TABLES])?;
    let statements: Vec<(String, bool)> =
        rows.iter().map(|row| Ok((row.expect(1)?, row.expect(2)?))).collect::<Result<_>>()?;
    statements.iter().try_for_each(|(statement, is_managed)| {
        if *is_managed { owner.act(|| spi.execute_script(statement)) } else { spi.execute_script(statement) }
    })
}

/// A warning for each policy that stays and lets an API role do more than the
/// access rules.
pub fn report_over_permissive(run: &mut Run<'_>) -> Result<()> {
    for policy in access::remaining_over_permissive_policies(run.spi)? {
        run.report.warn(format!(
            "policy {} on {} was kept and lets {} do more than the access rules; unless something needs it, run {}",
            policy.name,
            policy.table,
            policy.roles,
            policy.drop_statement()
        ));
    }
    Ok(())
}

/// For the doctor: whether the extension's policies are as the migrations made them, in either layout.
pub fn check(spi: &Spi) -> Result<Findings> {
    let sealed = layout::sealed(spi)?;
    let in_force: Vec<String> = access::policies_in_force(spi)?.iter().map(|line| as_open(line, &sealed)).collect();
    Ok(access::differences_of_policies(&in_force).into())
}

/// A line about a stored table, as it would be about the table of the open layout.
fn as_open(line: &str, sealed: &[&PhiTable]) -> String {
    sealed.iter().fold(line.to_owned(), |line, table| {
        let (name, stored) = (table.name, layout::stored_name(table));
        // After its rename a table has an alias in expressions: its old name.
        line.replace(&format!("{stored}{name}WHERE"), &format!("public.{name}WHERE"))
            .replace(&stored, &format!("public.{name}"))
            .replace(&format!("{name}_raw."), &format!("{name}."))
    })
}
