//! The life of the database around the functions: making the schema, adopting
//! one that exists, and checking whether everything is as it should be.
//!
//! CREATE EXTENSION runs the install script, which calls two functions of `install`:
//!
//! 1. `prepare_install()` refuses what must not be trusted or cannot be taken over, and makes the roles.
//! 2. `finish_install()` goes through `migrate::steps::STEPS` in the scope `Install`, and checks once more. The same table
//!    of steps is what ALTER EXTENSION UPDATE, `auria.migrate()` and `auria.phi_unseal()` go through, in other scopes.
//!
//! | module | what |
//! |---|---|
//! | `install` | the two functions: trust, what is in the way, versions |
//! | `migrate` | the steps, the migrations and their record |
//! | `shape` | columns, constraints, indexes and triggers as they should be |
//! | `sealing` | from the open layout to the sealed one, and back |
//! | `doctor` | the list of checks; each is exported by the module that it is about |
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
