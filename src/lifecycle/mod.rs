//! The life of the database around the functions: making the schema, adopting
//! one that exists, and checking whether everything is as it should be.
//!
//! | module | what |
//! |---|---|
//! | `schema` | what must exist: read from `sql/` at build time; who owns it |
//! | `install` | CREATE EXTENSION: trust, adoption, functions, stand-ins |
//! | `migrate` | applying the migrations and keeping the record |
//! | `locks` | all tables locked at once, before anything is changed |
//! | `doctor` | whether everything is as it should be |
//! | `way_back` | the functions that the adoption replaced, put in place again |
//! | `profiles` | users who have no profile |
//! | `cron` | the regular jobs, registered with pg_cron |

mod cron;
mod doctor;
mod install;
pub mod locks;
pub mod migrate;
mod profiles;
pub mod schema;
mod way_back;

pub use cron::last_runs;
pub use doctor::catalogue_failures;
pub use install::trust::trusted_roles;
pub use migrate::functions::as_owner_of_record;
