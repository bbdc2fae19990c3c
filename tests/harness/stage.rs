//! Where the PostgreSQL with the extension in it is: made once per run, outside every system directory.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::watchdog::Watchdog;

/// The staged PostgreSQL of this process: the one that AURIA_STAGE names, or else one of its own.
pub(crate) static STAGE: LazyLock<Stage> = LazyLock::new(|| match env::var_os("AURIA_STAGE") {
    Some(directory) => Stage {
        directory: directory.into(),
        _watchdog: None,
    },
    None => Stage::make(),
});

pub(crate) struct Stage {
    directory: PathBuf,
    _watchdog: Option<Watchdog>,
}

impl Stage {
    fn make() -> Self {
        let directory = scratch_directory("auria-stage-");
        let watchdog = Watchdog::over(&directory);
        let mut command = Command::new(repository().join("scripts/stage"));
        command.arg(&directory).arg(system_pg_config());
        // What cargo tells a test about its package would make a cargo started from here build everything anew.
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "staging failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Stage {
            directory,
            _watchdog: Some(watchdog),
        }
    }

    /// A program of this PostgreSQL.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        Path::new(&self.ask("--bindir")).join(name)
    }

    /// What its pg_config answers.
    pub(crate) fn ask(&self, question: &str) -> String {
        let output = Command::new(self.directory.join("pg_config"))
            .arg(question)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// The top of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn system_pg_config() -> PathBuf {
    let debian = Path::new("/usr/lib/postgresql/15/bin/pg_config");
    match env::var_os("PG_CONFIG") {
        Some(given) => given.into(),
        None if debian.exists() => debian.into(),
        None => "pg_config".into(),
    }
}

/// A new directory that the user of the servers can reach, removed by nobody but a watchdog.
pub(crate) fn scratch_directory(prefix: &str) -> PathBuf {
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir()
        .unwrap()
        .keep()
}
