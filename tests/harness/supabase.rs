//! A self-hosted Supabase, as far as a database meets it: its roles, who owns which schema, what it grants by default,
//! its event triggers, what it preloads. `tests/fixtures/supabase` has the SQL, and says which role runs it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::cluster::{Cluster, ClusterOptions, Platform};
use crate::database::Database;
use crate::session::As;
use crate::stage::{Stage, repository, scratch_directory};
use crate::watchdog::Watchdog;

/// Whether Supabase's services have connected to a database, and made what they need in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Services {
    /// In an init script of the database's container, or where only that container runs.
    NotYet,
    /// As in every Supabase that is in use.
    Ran,
}

impl Cluster {
    /// A database of its own as Supabase makes it.
    pub fn supabase_database(&self, services: Services) -> Database<'_> {
        assert_eq!(self.platform(), Platform::Supabase);
        let db = self.empty_database();
        db.superuser().run(&fixture("database.sql"));
        if services == Services::Ran {
            db.run_services();
        }
        db
    }
}

impl Database<'_> {
    /// What Supabase's services make when they connect to a database for the first time.
    pub fn run_services(&self) {
        run_services(self.cluster(), self.name());
    }
}

/// Starts a server on which `supabase_admin` is the superuser and `postgres` is none. An extension whose package is not
/// installed is not preloaded.
pub(crate) fn start(options: ClusterOptions) -> Cluster {
    let stage = Stage::shared();
    let installed = |library: &&str| stage.has_library(library);
    let preloaded: Vec<_> = ["pg_stat_statements", "pgaudit", "pg_cron"].into_iter().filter(installed).collect();
    let modules = modules(stage);
    let cluster = options
        .superuser("supabase_admin")
        .default_setting("dynamic_library_path", &format!("{}:$libdir", modules.display()))
        .default_setting("shared_preload_libraries", &preloaded.join(","))
        .default_setting("session_preload_libraries", "supautils")
        .default_setting("supautils.privileged_extensions", "pg_trgm, pgcrypto, pg_cron, pgaudit")
        .default_setting("supautils.privileged_extensions_superuser", "supabase_admin")
        .default_setting("cron.database_name", "postgres")
        .default_setting("pgaudit.log", "none")
        .make(Platform::Supabase);
    cluster.superuser("postgres").run(&fixture("server.sql"));
    cluster
}

/// Makes a database that Supabase and its services have made ready, with pg_trgm where README puts it.
pub(crate) fn make_ready(cluster: &Cluster, database: &str) {
    cluster.superuser(database).run(&fixture("database.sql"));
    run_services(cluster, database);
    cluster.session(database, As::Role("postgres")).run("CREATE EXTENSION pg_trgm SCHEMA extensions");
}

fn run_services(cluster: &Cluster, database: &str) {
    cluster.session(database, As::Role("supabase_auth_admin")).run(&fixture("auth_service.sql"));
    cluster.session(database, As::Role("supabase_storage_admin")).run(&fixture("storage_service.sql"));
}

/// A directory with the modules that sessions load there, compiled for this PostgreSQL once.
fn modules(stage: &Stage) -> &'static Path {
    static MODULES: OnceLock<(PathBuf, Watchdog)> = OnceLock::new();
    let (directory, _) = MODULES.get_or_init(|| {
        let directory = scratch_directory("auria-modules-");
        let watchdog = Watchdog::over(&directory);
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["supautils", "safeupdate"] {
            compile(stage, &place(&format!("{name}.c")), &directory.join(format!("{name}.so")));
        }
        (directory, watchdog)
    });
    directory
}

/// Compiles a module in C for the PostgreSQL of this stage.
pub fn compile(stage: &Stage, source: &Path, library: &Path) {
    let headers = format!("-I{}", stage.headers().display());
    let status =
        Command::new("cc").args(["-shared", "-fPIC", &headers, "-o"]).arg(library).arg(source).status().unwrap();
    assert!(status.success(), "{} was not compiled", source.display());
}

fn fixture(name: &str) -> String {
    fs::read_to_string(place(name)).unwrap()
}

fn place(name: &str) -> PathBuf {
    repository().join("tests/fixtures/supabase").join(name)
}
