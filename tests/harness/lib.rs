//! Throw-away PostgreSQL servers with the extension in them, and sessions as the API's roles.
//!
//! A test asks for a [`database()`] and opens [`Session`]s to it:
//!
//! ```no_run
//! use auria_tests::{As, database};
//!
//! let db = database();
//! let dentist = db.sign_up("ana@clinica.example");
//! let mut session = db.session(As::User(dentist));
//! session.execute("SELECT 1", &[]).unwrap();
//! ```
//!
//! Nothing here touches a system directory or an existing server, and nothing stays behind, however the process ends.

// A harness that cannot do its work can only stop the test that asked.
#![allow(clippy::unwrap_used)]

mod cluster;
mod database;
mod debian;
mod legacy;
mod memory;
mod owner;
mod refusal;
mod session;
mod sources;
mod stage;
mod supabase;
mod watchdog;

pub use cluster::{Cluster, ClusterOptions, Platform};
pub use database::Database;
pub use debian::{Debian, Terminal};
pub use legacy::{LAST_LEGACY_STATE, RAW_STATES};
pub use memory::{limit_memory, private_memory};
pub use owner::is_root;
pub use refusal::{refused, refused_with};
pub use session::{As, Session};
pub use sources::{
    Function, Migration, Source, TWIN, audit_recipe, compiled_function_names, insert_evaluation, migration_count,
    migrations, public_functions, public_tables, sources,
};
pub use stage::{Stage, repository};
pub use supabase::{Services, compile};

/// A database of its own with the extension created in it, on the server all tests of this process share.
pub fn database() -> Database<'static> {
    Cluster::shared().database()
}

/// A database of its own without the extension, on the server all tests of this process share.
///
/// Roles belong to the server: the API's may already exist there.
pub fn empty_database() -> Database<'static> {
    Cluster::shared().empty_database()
}
