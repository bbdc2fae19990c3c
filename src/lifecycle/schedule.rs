//! `auria.schedule()`: what has to be done every hour and every day, as jobs of
//! pg_cron. Without pg_cron any other timer can run the same commands.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::pg_cron;
use crate::error::{Error, Result};
use crate::pg::roles;
use crate::pg::spi::{self, Arg, Spi};
use crate::pg::transaction::{self, Lock};

/// Something to be done regularly.
pub struct Job {
    name: &'static str,
    /// When, in pg_cron's notation.
    pub schedule: &'static str,
    /// What, in SQL.
    pub command: &'static str,
}

/// Both commands are safe to run at any time and twice. `reset_monthly_usage`,
/// the legacy reset, is not here: it would end a month without its rollover.
pub const JOBS: [Job; 2] = [
    // A month ends at any hour of any day, and its dentist waits for the new credits. Not at a full hour, when
    // everybody's jobs start.
    Job {
        name: "auria_reset_monthly",
        schedule: "7 * * * *",
        command: "CALL auria.reset_monthly()",
    },
    // pg_cron's clock is UTC: 01:23 in Brasília.
    Job {
        name: "auria_cleanup_rate_limits",
        schedule: "23 4 * * *",
        command: "SELECT public.cleanup_old_rate_limits()",
    },
];

impl Job {
    /// Its name in pg_cron, which keeps the jobs of all databases in one table.
    pub fn name_in(&self, database: &str) -> String {
        format!("{}@{database}", self.name)
    }
}

/// Registers with pg_cron what AURIA needs done regularly, and returns what is
/// registered: a row for each job with its name, its schedule in pg_cron's
/// notation, its command, and whether it is active.
///
/// Safe to call again: a job that exists keeps the schedule, the active flag
/// and the owner that a DBA gave it, and only its command is brought up to
/// date. Jobs of superusers count, so that nobody else's job can pass for one.
/// They run with the rights of the caller who registered them, and outlive the
/// extension: `SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname LIKE
/// 'auria%' AND database = current_database()` removes them.
///
/// Superusers only (42501). 55000 where pg_cron is not in this database, with a
/// hint for each case; 25006 on a standby.
#[pg_extern(volatile, parallel_unsafe, requires = ["prepare_install"])]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn schedule() -> Result<
    TableIterator<
        'static,
        (
            name!(job, String),
            name!(schedule, String),
            name!(command, String),
            name!(active, bool),
        ),
    >,
    ErrorReport,
> {
    transaction::refuse_if_read_only(c"auria.schedule()");
    if !roles::is_superuser(roles::effective()) {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            "only a superuser can schedule AURIA's jobs",
        )
        .hint("Connect as a superuser, with whose rights the jobs will run, and call SELECT * FROM auria.schedule().")
        .into());
    }
    let registered = spi::connected(|spi| {
        let database = pg_cron::database(spi)?;
        // Two at once would both find nothing: names are unique per owner only.
        transaction::lock(Lock::Schedule, 0);
        JOBS.iter()
            .map(|job| register(spi, job, &database))
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(TableIterator::new(registered))
}

/// Registers a job that is missing, gives one that exists its command, and
/// tells how it is now. Some versions of pg_cron cut names at 63 bytes.
fn register(spi: &Spi, job: &Job, database: &str) -> Result<(String, String, String, bool)> {
    let name = job.name_in(database);
    let command = Arg::Text(Some(job.command));
    let existing = spi.query_once(
        "SELECT j.jobid, j.schedule, j.active \
           FROM cron.job j JOIN pg_catalog.pg_roles r ON r.rolname = j.username AND r.rolsuper \
          WHERE j.jobname::name = $1::name AND j.database = pg_catalog.current_database() \
          ORDER BY j.jobid LIMIT 1",
        &[Arg::Text(Some(&name))],
    )?;
    let (schedule, active) = match existing.first() {
        Some(row) => {
            spi.query_once(
                "SELECT cron.alter_job($1, NULL::text, $2, NULL::text, NULL::text, NULL::boolean)",
                &[Arg::BigInt(row.expect(1)?), command],
            )?;
            (row.expect(2)?, row.expect(3)?)
        }
        None => {
            spi.query_once(
                "SELECT cron.schedule($1, $2, $3)",
                &[
                    Arg::Text(Some(&name)),
                    Arg::Text(Some(job.schedule)),
                    command,
                ],
            )?;
            (job.schedule.to_owned(), true)
        }
    };
    Ok((name, schedule, job.command.to_owned(), active))
}
