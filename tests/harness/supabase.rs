//! A self-hosted Supabase, as far as a database meets it: its roles, who owns which schema, what it grants by default,
//! its event triggers, what it preloads. `tests/fixtures/supabase` has the SQL, and says which role runs it.

use std::fs;
use std::ops::Deref;

use crate::cluster::{Cluster, ClusterOptions};
use crate::database::Database;
use crate::session::As;
use crate::stage::{Stage, repository};

/// Whether Supabase's services have connected to a database, and made what they need in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Services {
    /// In an init script of the database's container, or where only that container runs.
    NotYet,
    /// As in every Supabase that is in use.
    Ran,
}

/// A server on which `supabase_admin` is the superuser and `postgres` is none.
pub struct Supabase(Cluster);

impl Supabase {
    /// A server as its container starts it. An extension whose package is not installed is not preloaded.
    pub fn start() -> Self {
        Self::start_with(ClusterOptions::default())
    }

    /// The same with more settings.
    pub fn start_with(options: ClusterOptions) -> Self {
        let installed = |library: &&str| Stage::shared().has_library(library);
        let preloaded: Vec<_> = ["pg_stat_statements", "pgaudit", "pg_cron"].into_iter().filter(installed).collect();
        let cluster = options
            .superuser("supabase_admin")
            .setting("shared_preload_libraries", &preloaded.join(","))
            .setting("cron.database_name", "postgres")
            .setting("pgaudit.log", "none")
            .start();
        let supabase = Supabase(cluster);
        supabase.superuser("postgres").run(&fixture("server.sql"));
        supabase
    }

    /// A database of its own as Supabase makes it.
    pub fn supabase_database(&self, services: Services) -> Database<'_> {
        let db = self.0.empty_database();
        let mut admin = db.superuser();
        admin.run(&format!("ALTER DATABASE {} OWNER TO postgres", db.name()));
        admin.run(&fixture("database.sql"));
        if services == Services::Ran {
            self.run_services(&db);
        }
        db
    }

    /// What Supabase's services make when they connect to a database for the first time.
    pub fn run_services(&self, db: &Database<'_>) {
        db.session(As::Role("supabase_auth_admin")).run(&fixture("auth_service.sql"));
        db.session(As::Role("supabase_storage_admin")).run(&fixture("storage_service.sql"));
    }
}

impl Deref for Supabase {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.0
    }
}

fn fixture(name: &str) -> String {
    fs::read_to_string(repository().join("tests/fixtures/supabase").join(name)).unwrap()
}
