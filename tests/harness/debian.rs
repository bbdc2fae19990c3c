//! A machine as a DBA finds it who installs Debian's package of PostgreSQL, and the terminal at which commands are pasted there.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::owner;
use crate::stage::{Stage, data_directory};
use crate::watchdog::Watchdog;

const MAKE: &str = include_str!("debian.sh");

/// How long one block of commands may take. One that takes longer waits for something that does not come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A machine with one cluster, `main`, made by pg_createcluster: its directories, pg_hba.conf and programs are Debian's, below
/// a directory of its own. The account of the servers is its `postgres`.
pub struct Debian {
    root: PathBuf,
    port: u16,
    major: String,
    _watchdog: Watchdog,
}

impl Debian {
    /// The cluster is running, with these lines in its postgresql.conf.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let stage = Stage::shared();
        let version = stage.ask("--version");
        let major: String =
            version.trim_start_matches("PostgreSQL ").chars().take_while(char::is_ascii_digit).collect();
        let root = data_directory("auria-debian-");
        let watchdog = Watchdog::over(&root);
        owner::give(&root);
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let debian = Debian { root, port, major, _watchdog: watchdog };
        let programs = stage.programs();
        let made = debian
            .command("/bin/sh")
            .args(["-c", MAKE, "debian.sh"])
            .arg(&debian.root)
            .arg(programs.ancestors().nth(2).unwrap())
            .args([&debian.major, &port.to_string()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let file = debian.root.join(format!("etc/postgresql/{}/main/postgresql.conf", debian.major));
        let mut file = OpenOptions::new().append(true).open(file).unwrap();
        for (name, value) in settings {
            writeln!(file, "{name} = '{value}'").unwrap();
        }
        let (printed, status) = debian.terminal(&[]).paste(&debian.here("pg_ctlcluster 15 main start"));
        assert_eq!(status, 0, "{printed}");
        debian
    }

    /// Commands or a configuration for a machine with the paths and the version of this one.
    pub fn here(&self, text: &str) -> String {
        let root = self.root.display();
        ["/etc/", "/var/backups/", "/var/lib/", "/var/run/"]
            .iter()
            .fold(text.to_owned(), |text, directory| text.replace(directory, &format!("{root}{directory}")))
            .replace("15 main", &format!("{} main", self.major))
            // Whoever runs the tests, the account of the server runs the commands.
            .replace(" -o postgres -g postgres", "")
            .replace("/15/main", &format!("/{}/main", self.major))
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where everything of this machine is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory that only the account of the server may enter.
    pub fn private_directory(&self, name: &str) -> PathBuf {
        let path = self.root.join(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        owner::give(&path);
        path
    }

    /// A shell of the account of the server.
    pub fn terminal(&self, variables: &[(&str, &str)]) -> Terminal {
        let mut shell = self
            .command("/bin/bash")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take().unwrap();
        input.write_all(b"exec 2>&1\n").unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.split(b'\n') {
                let Ok(line) = line else { return };
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Terminal { shell, input, lines }
    }

    /// The answer to a query, as psql prints it to the account of the server.
    #[track_caller]
    pub fn ask(&self, database: &str, query: &str) -> String {
        let output = self
            .command(self.root.join("bin/psql").to_str().unwrap())
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", query])
            .output()
            .unwrap();
        assert!(output.status.success(), "{query}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = owner::command(Path::new(program));
        for name in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGPASSFILE", "PGSERVICE"] {
            command.env_remove(name);
        }
        command
            .env("HOME", self.root.join("home"))
            .env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin", self.root.join("bin").display()))
            .env("PG_CLUSTER_CONF_ROOT", self.root.join("etc/postgresql"))
            .env("PGCLUSTER", format!("{}/main", self.major))
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/");
        command
    }
}

/// A shell that goes on whatever a command answers, as one does into which commands are pasted.
pub struct Terminal {
    shell: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Terminal {
    /// Pastes commands, and returns what was printed and the status of the last one.
    #[track_caller]
    pub fn paste(&mut self, commands: &str) -> (String, i32) {
        const END: &str = "the commands ended with ";
        write!(self.input, "{commands}\nprintf '\\n%s%s\\n' '{END}' $?\n").unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut printed = String::new();
        loop {
            let line = self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .unwrap_or_else(|_| panic!("the shell was closed, or the commands do not end:\n{commands}\n{printed}"));
            if let Some(status) = line.strip_prefix(END) {
                return (printed, status.parse().unwrap());
            }
            printed.push_str(&line);
            printed.push('\n');
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
