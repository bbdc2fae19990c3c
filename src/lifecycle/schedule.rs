//! `auria.schedule()`: what has to be done every hour and every day, as jobs of
//! pg_cron. Without pg_cron any other timer can run the same commands.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::error::{Error, Result};
use crate::pg::roles;
use crate::pg::spi::{self, Arg, Spi};
use crate::pg::transaction::{self, Lock};

struct Job {
    name: &'static str,
    schedule: &'static str,
    command: &'static str,
}

/// Both commands are safe to run at any time and twice. `reset_monthly_usage`,
/// the legacy reset, is not here: it would end a month without its rollover.
const JOBS: [Job; 2] = [
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
    fn name_in(&self, database: &str) -> String {
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
        let database = Surroundings::of(spi)?.database_of_pg_cron()?;
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

/// What decides whether, and where, jobs can be registered.
struct Surroundings {
    database: String,
    server_version: i32,
    /// Whether the server has the files of pg_cron.
    available: bool,
    /// The database that pg_cron works in; `None` while its library is not
    /// preloaded.
    database_of_jobs: Option<String>,
    created: bool,
    /// Whether what is called here belongs to pg_cron, and to nobody who made
    /// a schema of its name.
    ours_to_call: bool,
}

impl Surroundings {
    fn of(spi: &Spi) -> Result<Self> {
        let rows = spi.read_once(
            "SELECT pg_catalog.current_database()::text, \
                    pg_catalog.current_setting('server_version_num')::integer / 10000, \
                    EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_cron'), \
                    (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'cron.database_name'), \
                    EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_cron'), \
                    (SELECT count(*) = 3 \
                       FROM pg_catalog.pg_depend d \
                       JOIN pg_catalog.pg_extension e \
                         ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
                        AND d.refobjid = e.oid AND d.deptype = 'e' AND e.extname = 'pg_cron' \
                      WHERE (d.classid, d.objid) IN ( \
                          ('pg_catalog.pg_class'::pg_catalog.regclass, pg_catalog.to_regclass('cron.job')), \
                          ('pg_catalog.pg_proc'::pg_catalog.regclass, \
                           pg_catalog.to_regprocedure('cron.schedule(text, text, text)')), \
                          ('pg_catalog.pg_proc'::pg_catalog.regclass, \
                           pg_catalog.to_regprocedure('cron.alter_job(bigint, text, text, text, text, boolean)'))))",
            &[],
        )?;
        let row = rows
            .first()
            .unwrap_or_else(|| unreachable!("a SELECT without FROM gives a row"));
        Ok(Self {
            database: row.expect(1)?,
            server_version: row.expect(2)?,
            available: row.expect(3)?,
            database_of_jobs: row.get(4)?,
            created: row.expect(5)?,
            ours_to_call: row.expect(6)?,
        })
    }

    /// This database, if it is the one where jobs are registered.
    fn database_of_pg_cron(self) -> Result<String> {
        match &self.database_of_jobs {
            None => Err(self.not_running()),
            Some(other) if *other != self.database => Err(self.in_another_database(other)),
            Some(_) if !self.created => Err(unavailable(
                "the extension pg_cron is missing in this database",
                "pg_cron works in this database, but its functions were not created.",
                "Run CREATE EXTENSION pg_cron, then call auria.schedule() again.",
            )),
            Some(_) if !self.ours_to_call => Err(unavailable(
                "this pg_cron has not what auria.schedule() needs",
                "cron.job, cron.schedule() and cron.alter_job() of pg_cron 1.4 must be members of the extension pg_cron.",
                "Run ALTER EXTENSION pg_cron UPDATE, then call auria.schedule() again.",
            )),
            Some(_) => Ok(self.database),
        }
    }

    fn not_running(&self) -> Error {
        let (detail, first) = if self.available {
            ("Its library is not preloaded.", String::new())
        } else {
            (
                "It is not installed.",
                format!(
                    "install the package postgresql-{}-cron, ",
                    self.server_version
                ),
            )
        };
        unavailable(
            "pg_cron does not run on this server",
            detail,
            &format!(
                "In this order: {first}add pg_cron to shared_preload_libraries, set cron.database_name to '{}', \
                 restart PostgreSQL, run CREATE EXTENSION pg_cron, call auria.schedule() again.",
                self.database
            ),
        )
    }

    fn in_another_database(&self, other: &str) -> Error {
        let calls: String = JOBS
            .iter()
            .map(|job| {
                let arguments = [
                    job.name_in(&self.database).as_str(),
                    job.schedule,
                    job.command,
                    &self.database,
                ]
                .map(spi::quoted_literal)
                .join(", ");
                format!("\nSELECT cron.schedule_in_database({arguments});")
            })
            .collect();
        unavailable(
            "pg_cron is in another database",
            &format!("cron.database_name is \"{other}\", and jobs are registered there alone."),
            &format!("Run there, as a superuser:{calls}"),
        )
    }
}

/// 55000, with what to do if it has to be without pg_cron.
fn unavailable(message: &'static str, detail: &str, hint: &str) -> Error {
    let [reset, cleanup] = JOBS.map(|job| job.command);
    Error::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        message,
    )
    .detail(detail.to_owned())
    .hint(format!(
        "{hint}\nOr let any other timer, such as systemd's or cron, run with psql in this database: {reset} every \
         hour, {cleanup} every day."
    ))
}
