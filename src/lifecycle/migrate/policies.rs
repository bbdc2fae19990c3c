//! Policies that the database had before. The original's are dropped, for the
//! migrations make their own; everybody else's stay.

use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;
use crate::schema::access;
use crate::schema::owner::Owner;
use crate::schema::{POLICIES, tables};

/// Drops the policies of the original on managed tables and files.
///
/// The specification gives their rules and not their names, so a policy is
/// recognised by its rule: own rows, rows of a public list, rows behind a
/// share link that has not expired, the backend. For each of these the
/// migrations make a policy that is as wide or narrower, so that whoever wrote
/// the policy, nobody loses a right that the access rules give.
pub fn drop_original(spi: &Spi, owner: &Owner) -> Result<()> {
    let rows = spi.query_once(include_str!("original_policies.sql"), args![&POLICIES.join(" "), &tables()])?;
    let statements: Vec<(String, bool)> =
        rows.iter().map(|row| Ok((row.expect(1)?, row.expect(2)?))).collect::<Result<_>>()?;
    statements.iter().try_for_each(|(statement, is_managed)| {
        if *is_managed { owner.act(|| spi.execute_script(statement)) } else { spi.execute_script(statement) }
    })
}

/// A warning for each policy that stays and lets an API role do more than the
/// access rules.
pub fn over_permissive(spi: &Spi) -> Result<Vec<String>> {
    Ok(access::remaining_over_permissive_policies(spi)?
        .iter()
        .map(|policy| {
            format!(
                "policy {} on {} was kept and lets {} do more than the access rules; \
                 unless something needs it, run {}",
                policy.name,
                policy.table,
                policy.roles,
                policy.drop_statement()
            )
        })
        .collect())
}
