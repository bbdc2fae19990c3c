//! `auria.schedule()`: what has to be done every hour and every day, as jobs of
//! pg_cron. Without pg_cron any other timer can run the same commands.

mod pg_cron;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::error::{self, Error, Result};
use crate::pg::advisory::{self, Lock};
use crate::pg::roles;
use crate::pg::roles::require_superuser;
use crate::pg::spi::{self, Arg, Rows, Snapshot, Spi};
use crate::pg::transaction;
use crate::schema::check::Findings;
use crate::schema::owner::Owner;
use crate::schema::{FUNCTIONS, Function};
use crate::{args, statement};

/// Something to be done regularly.
pub struct Job {
    name: &'static str,
    /// When, in pg_cron's notation.
    pub schedule: &'static str,
    /// What, in SQL.
    pub command: &'static str,
}

/// Every command is safe to run at any time and twice. `reset_monthly_usage`,
/// the legacy reset, is not here: it would end a month without its rollover.
/// Not at full hours, when everybody's jobs start; pg_cron's clock is UTC, and
/// four in the morning is one in Brasília.
pub const JOBS: &[Job] = &[
    // A month ends at any hour of any day, and its dentist waits for the new credits.
    Job { name: "auria_reset_monthly", schedule: "7 * * * *", command: "CALL auria.reset_monthly()" },
    // Users who signed up while no profile could be made wait for it.
    Job {
        name: "auria_create_missing_profiles",
        schedule: "13 * * * *",
        command: "SELECT auria.create_missing_profiles()",
    },
    Job {
        name: "auria_cleanup_rate_limits",
        schedule: "23 4 * * *",
        command: "SELECT auria.run_as_owner('public.cleanup_old_rate_limits()')",
    },
    // A dentist is waiting for the analysis.
    Job {
        name: "auria_cleanup_stuck_evaluations",
        schedule: "*/10 * * * *",
        command: "SELECT auria.run_as_owner('public.cleanup_stuck_evaluations()')",
    },
    Job {
        name: "auria_cleanup_drafts",
        schedule: "31 4 * * *",
        command: "SELECT auria.run_as_owner('public.cleanup_stale_drafts()')",
    },
    Job {
        name: "auria_cleanup_shared_links",
        schedule: "37 4 * * *",
        command: "SELECT auria.run_as_owner('public.cleanup_expired_shared_links()')",
    },
    Job {
        name: "auria_cleanup_credit_transactions",
        schedule: "43 4 * * *",
        command: "SELECT auria.cleanup_credit_transactions()",
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
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // a result row of SQL
fn schedule() -> Result<
    TableIterator<'static, (name!(job, String), name!(schedule, String), name!(command, String), name!(active, bool))>,
    ErrorReport,
> {
    transaction::refuse_if_read_only(c"auria.schedule()");
    require_superuser("auria.schedule")?;
    let registered = spi::connected(|spi| {
        let database = pg_cron::database(spi)?;
        // Two at once would both find nothing: names are unique per owner only.
        advisory::lock(Lock::Schedule, 0);
        JOBS.iter().map(|job| register(spi, job, &database)).collect::<Result<Vec<_>>>()
    })?;
    Ok(TableIterator::new(registered))
}

/// Registers a job that is missing, gives one that exists its command, and
/// returns how it is now. Some versions of pg_cron cut names at 63 bytes.
fn register(spi: &Spi, job: &Job, database: &str) -> Result<(String, String, String, bool)> {
    let name = job.name_in(database);
    let command = Arg::from(job.command);
    let existing = spi.query_once(
        "SELECT j.jobid, j.schedule, j.active \
           FROM cron.job j JOIN pg_catalog.pg_roles r ON r.rolname = j.username AND r.rolsuper \
          WHERE j.jobname::name = $1::name AND j.database = pg_catalog.current_database() \
          ORDER BY j.jobid LIMIT 1",
        args![&name],
    )?;
    let (schedule, active) = match existing.first() {
        Some(row) => {
            spi.execute(
                "SELECT cron.alter_job($1, NULL::text, $2, NULL::text, NULL::text, NULL::boolean)",
                args![row.expect::<i64>(1)?, command],
            )?;
            (row.expect(2)?, row.expect(3)?)
        }
        None => {
            spi.execute("SELECT cron.schedule($1, $2, $3)", &[Arg::from(&name), Arg::from(job.schedule), command])?;
            (job.schedule.to_owned(), true)
        }
    };
    Ok((name, schedule, job.command.to_owned(), active))
}

/// Calls a managed function without arguments that returns a number, with the
/// rights of the schema's owner. pg_cron runs jobs as the superuser who
/// registered them; the function may be one that a team has replaced.
///
/// Superusers only (42501). 42883 for any other function.
#[pg_extern(sql = false)]
fn run_as_owner(p_function: Option<&str>) -> Result<i32, ErrorReport> {
    let name = error::required(p_function, "auria.run_as_owner", "p_function")?;
    require_superuser("auria.run_as_owner")?;
    let is_meant = |function: &&Function| {
        function.signature == name && function.arguments.is_empty() && function.returns == "integer"
    };
    let Some(function) = FUNCTIONS.iter().find(is_meant) else {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION,
            "no managed function without arguments that returns integer has this signature",
        )
        .hint("Write it as in public.cleanup_old_rate_limits().")
        .into());
    };
    Ok(spi::connected(|spi| {
        Owner::to_write(spi)?.act(|| {
            let rows = spi.query_once(&format!("SELECT {}", function.signature), &[])?;
            Ok(rows.one()?.unwrap_or_default())
        })
    })?)
}

statement! {
    FORGET_TRANSACTIONS = "DELETE FROM public.credit_transactions WHERE created_at < now() - interval '30 days'";
}

/// Deletes the Edge Functions' records of charges that are older than 30 days,
/// with the rights of the schema's owner, and returns how many: no retry comes
/// that late. The ledger, `credit_usage`, stays.
///
/// Superusers only (42501).
#[pg_extern(sql = false)]
fn cleanup_credit_transactions() -> Result<i32, ErrorReport> {
    transaction::refuse_if_read_only(c"auria.cleanup_credit_transactions()");
    require_superuser("auria.cleanup_credit_transactions")?;
    Ok(spi::connected(|spi| {
        Owner::to_write(spi)?.act(|| {
            let rows = spi.query(&FORGET_TRANSACTIONS, Snapshot::New, &[])?;
            Ok(i32::try_from(rows.len()).unwrap_or(i32::MAX))
        })
    })?)
}

/// The owner of pg_cron's tables, and the name of this database, if pg_cron is
/// in it.
///
/// Each role sees its own jobs there, so they are read with the rights of the
/// tables' owner, who must be a superuser.
fn owner_of_jobs(spi: &Spi) -> Result<Option<(pg_sys::Oid, String)>> {
    let rows = spi.read_once(include_str!("owner_of_jobs.sql"), &[])?;
    rows.first().map(|row| Ok((row.expect(1)?, row.expect(2)?))).transpose()
}

/// The jobs of this database that call `reset_monthly_credits()`, as a later version of the original has it. It leaves
/// `usage_reset_at` as it is, so that each of its runs adds a month, and pours what was bought into what expires.
macro_rules! of_second_resets {
    () => {
        "WHERE command ~ '\\mreset_monthly_credits\\M' AND database = pg_catalog.current_database()"
    };
}

const RESETS_TWICE: &str = "calls reset_monthly_credits(), which adds a month of credits at each run";

/// Removes these jobs, and returns what the DBA must know. For an adoption: a superuser's.
pub fn unschedule_second_resets(spi: &Spi) -> Result<Vec<String>> {
    let Some((owner, _)) = owner_of_jobs(spi)? else {
        return Ok(Vec::new());
    };
    // A trigger of pg_cron's sees it. A function cron.unschedule() might be anybody's.
    roles::acting_as(owner, || {
        let rows = spi.query_once(
            concat!("DELETE FROM cron.job ", of_second_resets!(), " RETURNING jobid, jobname::text, schedule, command"),
            &[],
        )?;
        rows.iter()
            .map(|row| {
                let (id, schedule, command) =
                    (row.expect::<i64>(1)?, row.expect::<String>(3)?, row.expect::<String>(4)?);
                let name = row.get::<String>(2)?.map(|name| format!(" \"{name}\"")).unwrap_or_default();
                Ok(format!(
                    "job {id}{name} of pg_cron {RESETS_TWICE}, and was unscheduled (it was \"{schedule}\", {command}); \
                     auria.reset_monthly() settles the months: run SELECT * FROM auria.schedule()"
                ))
            })
            .collect()
    })
}

/// Where pg_cron is in this database, its jobs should be, too, and no second
/// reset of the month.
pub fn check(spi: &Spi) -> Result<Findings> {
    let Some((owner, database)) = owner_of_jobs(spi)? else {
        return Ok(Findings::default());
    };
    roles::acting_as(owner, || {
        let rows = spi.query_once(
            concat!("SELECT jobid FROM cron.job ", of_second_resets!(), " AND active ORDER BY jobid"),
            &[],
        )?;
        let mut wrong: Vec<String> = rows
            .column::<i64>()?
            .into_iter()
            .map(|id| format!("job {id} {RESETS_TWICE}: run SELECT cron.unschedule({id})"))
            .collect();
        for job in JOBS {
            let is_there = spi.exists(
                "SELECT FROM cron.job j \
                                 WHERE j.jobname::pg_catalog.name = $1::pg_catalog.name \
                                   AND j.database = pg_catalog.current_database()",
                args![&job.name_in(&database)],
            )?;
            if !is_there {
                wrong.push(format!("job {} is not scheduled: run SELECT * FROM auria.schedule()", job.name));
            }
        }
        Ok(wrong.into())
    })
}

/// What `of` makes of the last runs of the jobs: rows of a metric's name, its
/// labels and its value. `None` where pg_cron is not in this database.
pub fn last_runs<T>(spi: &Spi, of: impl FnOnce(&Rows<'_>) -> Result<T>) -> Result<Option<T>> {
    let Some((owner, _)) = owner_of_jobs(spi)? else {
        return Ok(None);
    };
    roles::acting_as(owner, || of(&spi.read_once(include_str!("last_runs.sql"), &[])?).map(Some))
}
