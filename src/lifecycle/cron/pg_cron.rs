//! Where pg_cron is, and whether the objects of its name may be called. If not, the
//! errors say what to do, case by case.

use pgrx::prelude::*;

use super::JOBS;
use crate::error::{Error, Result};
use crate::pg::spi::{self, Spi};

/// This database, if it is the one where pg_cron has its jobs, and its
/// functions belong to it.
///
/// # Errors
/// 55000 otherwise.
pub fn database(spi: &Spi) -> Result<String> {
    let found = Surroundings::of(spi)?;
    match &found.database_of_jobs {
        None => Err(found.not_running()),
        Some(other) if *other != found.database => Err(found.in_another_database(other)),
        Some(_) if !found.created => Err(unavailable(
            "the extension pg_cron is missing in this database",
            "pg_cron works in this database, but its functions were not created.",
            "Run CREATE EXTENSION pg_cron, then call auria.schedule() again.",
        )),
        Some(_) if !found.may_be_called => Err(unavailable(
            "this pg_cron has not what auria.schedule() needs",
            "cron.job, cron.schedule() and cron.alter_job() of pg_cron 1.4 must be members of the extension pg_cron.",
            "Run ALTER EXTENSION pg_cron UPDATE, then call auria.schedule() again.",
        )),
        Some(_) => Ok(found.database),
    }
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
    /// Whether what is called belongs to pg_cron, and not to somebody who made
    /// a schema of its name.
    may_be_called: bool,
}

impl Surroundings {
    fn of(spi: &Spi) -> Result<Self> {
        let rows = spi.read_once(include_str!("surroundings.sql"), &[])?;
        let row = rows.first().unwrap_or_else(|| unreachable!("a SELECT without FROM gives a row"));
        Ok(Self {
            database: row.expect(1)?,
            server_version: row.expect(2)?,
            available: row.expect(3)?,
            database_of_jobs: row.get(4)?,
            created: row.expect(5)?,
            may_be_called: row.expect(6)?,
        })
    }

    fn not_running(&self) -> Error {
        let (detail, first) = if self.available {
            ("Its library is not preloaded.", String::new())
        } else {
            ("It is not installed.", format!("install the package postgresql-{}-cron, ", self.server_version))
        };
        unavailable(
            "pg_cron does not run on this server",
            detail,
            &format!(
                "In this order: {first}add pg_cron to shared_preload_libraries, set cron.database_name to '{}' and \
                 cron.use_background_workers to on, restart PostgreSQL, run CREATE EXTENSION pg_cron, call \
                 auria.schedule() again.",
                self.database
            ),
        )
    }

    fn in_another_database(&self, other: &str) -> Error {
        let calls: String = JOBS
            .iter()
            .map(|job| {
                let arguments = [job.name_in(&self.database).as_str(), job.schedule, job.command, &self.database]
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
    let commands: String = JOBS.iter().map(|job| format!("\n{}  {}", job.schedule, job.command)).collect();
    Error::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message).detail(detail.to_owned()).hint(
        format!("{hint}\nOr let any other timer, such as systemd's or cron, run with psql in this database:{commands}"),
    )
}
