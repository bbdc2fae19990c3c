//! Where the PostgreSQL with the extension in it is: made once per run, outside every system directory.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use crate::watchdog::Watchdog;

/// The staged PostgreSQL of this process: the one that AURIA_STAGE names, or else one of its own.
static SHARED: LazyLock<Arc<Stage>> = LazyLock::new(|| match env::var_os("AURIA_STAGE") {
    Some(directory) => Stage::at(directory),
    None => Arc::new(Stage::make(true)),
});

/// A PostgreSQL of the tests' own: its binaries are copies, so that what is installed beside them is found.
pub struct Stage {
    directory: PathBuf,
    _watchdog: Option<Watchdog>,
}

impl Stage {
    /// The one with the extension in it that servers run from unless a test names another.
    pub fn shared() -> &'static Arc<Stage> {
        &SHARED
    }

    /// One without the extension, for a test to install what it likes.
    pub fn without_extension() -> Arc<Stage> {
        Arc::new(Stage::make(false))
    }

    /// One that scripts/stage has made.
    pub fn at(directory: impl Into<PathBuf>) -> Arc<Stage> {
        Arc::new(Stage { directory: directory.into(), _watchdog: None })
    }

    /// Installs a library, and the control file and scripts of a directory, as `make install` does: each becomes a
    /// new file, and what a running server has loaded stays as it is.
    pub fn install(&self, library: &Path, scripts: &Path) {
        install(library, &self.library());
        for entry in fs::read_dir(scripts).unwrap() {
            let script = entry.unwrap().path();
            let name = script.file_name().unwrap().to_str().unwrap();
            if name.starts_with("auria") && !name.ends_with(".so") {
                install(&script, &self.scripts().join(name));
            }
        }
    }

    /// Where its library of the extension is.
    pub fn library(&self) -> PathBuf {
        Path::new(&self.ask("--pkglibdir")).join("auria_pg.so")
    }

    /// Where its control files and scripts of extensions are.
    pub fn scripts(&self) -> PathBuf {
        Path::new(&self.ask("--sharedir")).join("extension")
    }

    /// Where its headers are, for an extension to be compiled.
    pub fn headers(&self) -> PathBuf {
        self.ask("--includedir-server").into()
    }

    /// Whether this PostgreSQL has a library of this name.
    pub(crate) fn has_library(&self, name: &str) -> bool {
        Path::new(&self.ask("--pkglibdir")).join(format!("{name}.so")).exists()
    }

    fn make(with_extension: bool) -> Self {
        let directory = scratch_directory("auria-stage-");
        let watchdog = Watchdog::over(&directory);
        let mut command = Command::new(repository().join("scripts/stage"));
        command.arg(&directory).arg(system_pg_config());
        if !with_extension {
            command.env("AURIA_SKIP_INSTALL", "1");
        }
        // The variables that cargo sets for a test would make a cargo started from here rebuild everything.
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "staging failed: {}", String::from_utf8_lossy(&output.stderr));
        Stage { directory, _watchdog: Some(watchdog) }
    }

    /// Where the programs of this PostgreSQL are.
    pub fn programs(&self) -> PathBuf {
        self.ask("--bindir").into()
    }

    /// A program of this PostgreSQL.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs().join(name)
    }

    /// The answer of its pg_config.
    pub(crate) fn ask(&self, question: &str) -> String {
        let output = Command::new(self.directory.join("pg_config")).arg(question).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn install(file: &Path, place: &Path) {
    let status = Command::new("install").args(["-m", "755"]).args([file, place]).status().unwrap();
    assert!(status.success(), "{} was not installed", file.display());
}

/// The top of the repository.
pub fn repository() -> &'static Path {
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
    scratch_directory_in(&env::temp_dir(), prefix)
}

/// The same for a server and its data: where `scripts/data-directory` says.
pub(crate) fn data_directory(prefix: &str) -> PathBuf {
    let place = env::var_os("AURIA_DATA").map_or_else(env::temp_dir, PathBuf::from);
    scratch_directory_in(&place, prefix)
}

fn scratch_directory_in(place: &Path, prefix: &str) -> PathBuf {
    tempfile::Builder::new().prefix(prefix).tempdir_in(place).unwrap().keep()
}
