//! What CREATE EXTENSION, an update, `auria.migrate()` and a change of the layout do to the schema: [`STEPS`].

use super::Scope::{self, Again, Install, Layout, Pending};
use super::run::Run;
use super::warnings::{self, Report};
use super::{buckets, columns, due, functions, platform, policies, raw_tables, rules};
use crate::error::Result;
use crate::lifecycle::cron;
use crate::lifecycle::sealing::reopen;
use crate::pg::spi::Spi;
use crate::phi::layout;
use crate::schema::{access, locks, owner};

/// One step: its name in a log at level DEBUG1, when it is done, and what it does.
struct Step(&'static str, &'static [Scope], fn(&mut Run<'_>) -> Result<()>);

const ALWAYS: &[Scope] = &[Install, Pending, Layout, Again];

/// In this order, in one transaction, after [`begin`] has locked every table.
const STEPS: &[Step] = &[
    Step("make records and stand-ins", ALWAYS, platform::ensure),
    Step("give tables and records to the owner", ALWAYS, take_ownership),
    Step("find the migrations that are due", ALWAYS, due::find),
    Step("bring the original's raw tables back", &[Install], raw_tables::bring_back),
    Step("make, adopt or restore functions", ALWAYS, functions::ensure),
    Step("report functions that name raw tables", &[Install], raw_tables::report_mentions),
    Step("drop the original's policies", &[Install], policies::drop_original),
    Step("unschedule the original's reset of the month", &[Install], unschedule_second_resets),
    Step("open sealed tables for the migrations", ALWAYS, open_sealed),
    Step("make buckets public that could not be", &[Pending, Layout, Again], buckets::publish),
    Step("apply the migrations", ALWAYS, due::apply),
    Step("give the ledger's columns defaults and NOT NULL", &[Install, Again], columns::ensure),
    Step("close sealed tables", ALWAYS, close_sealed),
    Step("seal what were raw tables", &[Install], raw_tables::seal),
    Step("make constraints of rules that no row breaks", ALWAYS, rules::promote_all),
    Step("revoke what API roles may do too much", &[Again], |run| access::revoke_excesses(run.spi)),
    Step("report over-permissive policies", &[Install], policies::report_over_permissive),
];

/// Locks the schema before anything else, and makes the roles that are missing.
fn begin(spi: &Spi, scope: Scope) -> Result<Run<'_>> {
    let trigram_schema = platform::trigram_schema(spi)?;
    locks::lock_schema(spi)?;
    platform::ensure_roles(spi)?;
    Ok(Run {
        spi,
        scope,
        owner: platform::ensure_owner(spi, owner::name(spi)?)?,
        trigram_schema,
        due: Vec::new(),
        raw: Vec::new(),
        sealed: Vec::new(),
        applied: Vec::new(),
        report: Report::default(),
    })
}

/// Does the steps of this scope.
pub fn run(spi: &Spi, scope: Scope) -> Result<Run<'_>> {
    let mut run = begin(spi, scope)?;
    for Step(name, when, step) in STEPS {
        if when.contains(&scope) {
            pgrx::debug1!("auria: {name}");
            step(&mut run)?;
        }
    }
    Ok(run)
}

fn take_ownership(run: &mut Run<'_>) -> Result<()> {
    owner::take_ownership(run.spi, &run.owner)?;
    owner::grant_foundation(run.spi, &run.owner, &run.trigram_schema)
}

fn unschedule_second_resets(run: &mut Run<'_>) -> Result<()> {
    run.report.warnings.extend(cron::unschedule_second_resets(run.spi)?);
    Ok(())
}

/// Where no migration is due, the views of sealed tables are brought up to date.
fn open_sealed(run: &mut Run<'_>) -> Result<()> {
    run.sealed = layout::sealed(run.spi)?;
    let change = if run.due.is_empty() { reopen::refresh } else { reopen::open };
    change(run.spi, &run.owner, &run.sealed)
}

fn close_sealed(run: &mut Run<'_>) -> Result<()> {
    if run.due.is_empty() {
        return Ok(());
    }
    let as_shipped = run.scope != Pending;
    let found = warnings::collected(|| reopen::close(run.spi, &run.owner, &run.sealed, as_shipped))?;
    run.report.warnings.extend(found);
    Ok(())
}
