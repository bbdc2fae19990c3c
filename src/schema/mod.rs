//! What must exist, and who owns it. Everything here is read from the files of
//! `sql/` when the library is built: no list is kept by hand.
//!
//! | file | what |
//! |---|---|
//! | `access` | policies, grants and API roles as they should be |
//! | `check` | what the doctor runs: a check and what it found |
//! | `citus` | Citus in the same database |
//! | `functions` | which functions of `public` are compiled, which a team replaced |
//! | `locks` | all tables locked at once, before anything is changed |
//! | `owner` | the role that owns the schema |
//! | `tables` | whether every table is there, with its row security |
//! | `trust` | whose objects are trusted |

pub mod access;
pub mod check;
pub mod citus;
pub mod functions;
pub mod locks;
pub mod owner;
pub mod tables;
pub mod trust;

use crate::pg::spi::quoted_literal;

/// One file of `sql/migrations/`.
pub struct Migration {
    /// Its place in the order, from 1.
    pub number: i32,
    /// The file's name without `.sql`.
    pub name: &'static str,
    /// Its content.
    pub sql: &'static str,
}

/// One file of `sql/functions/public/`: a function of schema `public`.
pub struct Function {
    /// Name and argument types, as `regprocedure` reads them.
    pub signature: &'static str,
    /// The names of its arguments.
    pub arguments: &'static [&'static str],
    /// What it returns, as `pg_get_function_result` writes it.
    pub returns: &'static str,
    /// Its symbol in the library.
    pub symbol: &'static str,
    /// CREATE OR REPLACE FUNCTION.
    pub create: &'static str,
    /// COMMENT, REVOKE and GRANT.
    pub access: &'static str,
}

impl Function {
    /// The statement that replaces what stands under its signature by the shipped one.
    pub fn restore_statement(&self) -> String {
        format!("SELECT auria.restore_function({})", quoted_literal(self.signature))
    }
}

/// A trigger that a migration makes.
pub struct Trigger {
    /// Its name.
    pub name: &'static str,
    /// Its table, with the schema.
    pub relation: &'static str,
    /// Its function, with the schema.
    pub function: &'static str,
}

/// The body of a function that the original shipped.
pub struct Body {
    /// The function, as in [`Function::signature`].
    pub signature: &'static str,
    /// The MD5 of `pg_proc.prosrc`.
    pub md5: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/sql.rs"));
