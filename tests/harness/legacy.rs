//! AURIA's own history: databases as each of its 18 migrations in PL/pgSQL left them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cluster::{Cluster, Platform};
use crate::database::Database;
use crate::session::As;
use crate::stage::repository;
use crate::supabase::Services;

/// How many migrations there were.
pub const LAST_LEGACY_STATE: usize = 18;

/// The migrations after these that changed how patient data is stored, as the original numbered them.
pub const RAW_STATES: [usize; 3] = [26, 46, 51];

impl Cluster {
    /// A database that stopped at this migration.
    ///
    /// After each one come its `rows`, which today's rules forbid or which are awkward otherwise, and what a DBA added
    /// `by_hand`.
    pub fn legacy_database(&self, state: usize) -> Database<'_> {
        // The roles belong to the server; the template makes them.
        self.template();
        let migrations = sql_files(&history());
        assert_eq!(migrations.len(), LAST_LEGACY_STATE);

        let db = self.before_the_first_migration();
        let mut admin = db.superuser();
        let mut team = db.session(As::Role("postgres"));
        for migration in &migrations[..state] {
            team.run(&fs::read_to_string(history().join(migration)).unwrap());
            for step in ["rows", "by_hand"] {
                let step = history().join(step).join(migration);
                if step.exists() {
                    admin.run(&fs::read_to_string(step).unwrap());
                }
            }
        }
        db
    }

    /// Supabase as it hands out a database, or as much of it as AURIA meets.
    fn before_the_first_migration(&self) -> Database<'_> {
        let fixture = |name| fs::read_to_string(history().with_file_name(name)).unwrap();
        let db = match self.platform() {
            Platform::Supabase => self.supabase_database(Services::Ran),
            Platform::PostgreSql => {
                let db = self.empty_database();
                db.superuser().run(&fixture("supabase.sql"));
                db
            }
        };
        db.superuser().run(&fixture("in_use.sql"));
        db
    }

    /// A database that went on to this one of [`RAW_STATES`]: its patients are in `public.patients_raw`.
    pub fn raw_database(&self, state: usize) -> Database<'_> {
        let db = self.legacy_database(LAST_LEGACY_STATE);
        let mut team = db.session(As::Role("postgres"));
        for migration in sql_files(&history().join("raw")) {
            if number(&migration) <= state {
                team.run(&fs::read_to_string(history().join("raw").join(migration)).unwrap());
            }
        }
        db
    }
}

fn history() -> PathBuf {
    repository().join("tests/fixtures/legacy")
}

/// The files of a directory that end in `.sql`, in order.
fn sql_files(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sql"))
        .collect();
    names.sort();
    names
}

fn number(migration: &str) -> usize {
    migration[..3].parse().unwrap()
}
