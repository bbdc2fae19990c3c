//! The life of the database around the functions: making the schema, adopting
//! one that exists, and checking whether everything is as it should be.
//!
//! | module | what |
//! |---|---|
//! | `install` | CREATE EXTENSION: trust, adoption, functions, stand-ins |
//! | `migrate` | applying the migrations and keeping the record |
//! | `shape` | columns, constraints and indexes as they should be |
//! | `sealing` | from the open layout to the sealed one, and back |
//! | `doctor` | whether everything is as it should be |
//! | `way_back` | the functions that the adoption replaced, put in place again |
//! | `profiles` | users who have no profile |
//! | `cron` | the regular jobs, registered with pg_cron |

mod cron;
mod doctor;
mod install;
pub mod migrate;
mod profiles;
mod sealing;
mod shape;
mod way_back;

pub use cron::last_runs;
pub use doctor::catalogue_failures;
