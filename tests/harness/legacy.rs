//! AURIA's own history: databases as each of its 18 migrations in PL/pgSQL left them.

use std::fs;
use std::path::Path;

use crate::cluster::Cluster;
use crate::database::Database;
use crate::stage::repository;

/// How many migrations there were.
pub const LAST_LEGACY_STATE: usize = 18;

impl Cluster {
    /// A database that stopped at this migration.
    ///
    /// After each one come its `rows`, which today's rules forbid or which are awkward otherwise, and what a DBA added
    /// `by_hand`.
    pub fn legacy_database(&self, state: usize) -> Database<'_> {
        // The roles belong to the server; the template makes them.
        self.template();
        let fixtures = repository().join("tests/fixtures");
        let history = fixtures.join("legacy");
        let mut migrations: Vec<_> = fs::read_dir(&history)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| Path::new(name).extension().is_some())
            .collect();
        migrations.sort();
        assert_eq!(migrations.len(), LAST_LEGACY_STATE);

        let db = self.empty_database();
        let mut admin = db.superuser();
        admin.run(&fs::read_to_string(fixtures.join("supabase.sql")).unwrap());
        for migration in &migrations[..state] {
            for step in [
                history.join(migration),
                history.join("rows").join(migration),
                history.join("by_hand").join(migration),
            ] {
                if step.exists() {
                    admin.run(&fs::read_to_string(step).unwrap());
                }
            }
        }
        db
    }
}
