//! `auria`: the database of the AURIA dental decision-support service, as a
//! PostgreSQL extension.
//!
//! Where to find what:
//!
//! | concern | where |
//! |---|---|
//! | credit rules: pool, charge, refund, monthly settlement, free tier | crate `auria_credits` (`crates/credits`), no PostgreSQL in it |
//! | OpenPGP messages: reading, writing, limits | crate `auria_openpgp` (`crates/openpgp`), no PostgreSQL in it |
//! | the RPCs of schema `public`, as a client calls them | [`rpc`] |
//! | credits on top of the tables: locks, ledger, plans kept per backend | [`ledger`] |
//! | encryption of patient data: finding the key, rotation, catching up | [`phi`] |
//! | the sealed layout: no patient data in the clear | [`sealed`] |
//! | sharing by token | [`sharing`] |
//! | export and erasure of what is stored about a person | [`lgpd`] |
//! | who is asking | [`access`] |
//! | what must exist, who owns it, what locks it | [`schema`] |
//! | trigger functions | [`triggers`] |
//! | migrations, adoption, checks, regular jobs | [`lifecycle`] |
//! | numbers for a monitoring system | [`monitoring`] |
//! | every error, with SQLSTATE and hint | [`error`] |
//! | progress of long commands | [`progress`] |
//! | settings | [`guc`] |
//! | all `unsafe`, all SPI | [`pg`] |

pgrx::pg_module_magic!();

mod access;
mod error;
mod guc;
mod ledger;
mod lgpd;
mod lifecycle;
mod monitoring;
mod pg;
mod phi;
mod progress;
mod rpc;
mod schema;
mod sealed;
mod sharing;
mod triggers;

/// Called by PostgreSQL when it loads the library.
#[allow(non_snake_case)]
#[pgrx::pg_guard]
extern "C-unwind" fn _PG_init() {
    pg::panic::keep_backtraces_from_clients();
    guc::register();
    sealed::refuse_what_is_stored_nowhere();
}

// For `cargo pgrx test`, which makes its own install script.
#[cfg(any(test, feature = "pg_test"))]
pgrx::extension_sql_file!("../sql/auria--0.4.0.sql", name = "install", bootstrap);

#[cfg(any(test, feature = "pg_test"))]
#[path = "../pgrx-tests/mod.rs"]
mod in_backend;

/// How `cargo pgrx test` starts its server.
#[cfg(test)]
pub mod pg_test {
    /// Nothing to prepare.
    pub fn setup(_options: Vec<&str>) {}

    /// Settings of the server under test.
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
