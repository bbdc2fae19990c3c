//! The life of the database around the functions: making and migrating the
//! schema, adopting one that exists, and telling whether all is as it should.
//!
//! | file | what |
//! |---|---|
//! | `install` | the steps of the install script, in order |
//! | `adopt` | taking over what is there already, if it can be trusted |
//! | `obstacle` | what has one of our names and cannot be taken over |
//! | `functions` | how the functions of schema `public` are declared |
//! | `access` | the access rules as they should be |
//! | `platform` | stand-ins for what Supabase would have brought |
//! | `migrations` | the list of migration files |
//! | `migrate` | applying them and keeping the record |
//! | `doctor` | whether all is as it should be |
//! | `schedule` | the regular jobs, registered with pg_cron |
//! | `pg_cron` | where pg_cron is, and whether it may be called |
//! | `ensure` | what migrations call to add constraints to tables with rows |

pub mod access;
mod adopt;
mod doctor;
mod ensure;
mod functions;
mod install;
mod migrate;
mod migrations;
mod obstacle;
mod pg_cron;
mod platform;
mod schedule;
