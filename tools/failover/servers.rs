//! etcd, and two Patronis with a PostgreSQL each.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

/// How long the cluster may take to be whole again.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Servers {
    programs: PathBuf,
    directory: PathBuf,
    ports: [u16; 2],
    etcd: Child,
    patronis: [Option<Child>; 2],
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

impl Servers {
    pub fn start(programs: &Path, directory: &Path) -> Self {
        let [client, peer] = [free_port(), free_port()];
        let [client, peer] = [client, peer].map(|port| format!("http://127.0.0.1:{port}"));
        let etcd = spawn(
            directory,
            "etcd",
            Command::new("etcd")
                .arg("--data-dir")
                .arg(directory.join("etcd"))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &format!("default={peer}")]),
        );
        let ports = [free_port(), free_port()];
        for (number, port) in ports.iter().enumerate() {
            let settings = include_str!("patroni.yml")
                .replace("{number}", &number.to_string())
                .replace("{etcd}", client.trim_start_matches("http://"))
                .replace("{rest}", &format!("127.0.0.1:{}", free_port()))
                .replace("{port}", &port.to_string())
                .replace("{directory}", directory.to_str().unwrap())
                .replace("{programs}", programs.to_str().unwrap());
            fs::write(directory.join(format!("patroni{number}.yml")), settings).unwrap();
        }
        let mut servers =
            Self { programs: programs.into(), directory: directory.into(), ports, etcd, patronis: [None, None] };
        // The first one makes the cluster, the second one copies it.
        servers.restart(0);
        servers.wait_for_leader(0);
        servers.restart(1);
        servers
    }

    /// Starts Patroni, which starts its PostgreSQL.
    pub fn restart(&mut self, number: usize) {
        let path = std::env::var("PATH").unwrap_or_default();
        let patroni = spawn(
            &self.directory,
            &format!("patroni{number}"),
            Command::new("patroni")
                .arg(self.directory.join(format!("patroni{number}.yml")))
                .env("PATH", format!("{}:{path}", self.programs.display())),
        );
        self.patronis[number] = Some(patroni);
    }

    /// Kills a server with its Patroni as the end of their machine would.
    pub fn kill(&mut self, number: usize) {
        if let Some(mut patroni) = self.patronis[number].take() {
            patroni.kill().unwrap();
            patroni.wait().unwrap();
        }
        let pid_file = self.directory.join(format!("data{number}/postmaster.pid"));
        let Some(postmaster) =
            fs::read_to_string(pid_file).ok().and_then(|text| text.lines().next()?.trim().parse::<u32>().ok())
        else {
            return;
        };
        let mut all = vec![postmaster.to_string()];
        all.extend(children(postmaster).iter().map(u32::to_string));
        // Some end by themselves meanwhile.
        let _ = Command::new("kill").arg("-KILL").args(all).stderr(Stdio::null()).status();
    }

    /// A session of the superuser.
    pub fn superuser(&self, number: usize, database: &str) -> Client {
        self.config(number, "postgres", database).connect(NoTls).unwrap()
    }

    /// How this server alone is reached.
    pub fn config(&self, number: usize, user: &str, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.ports[number])
            .user(user)
            .dbname(database)
            .connect_timeout(Duration::from_secs(2));
        config
    }

    /// Waits until this server leads; when it did.
    pub fn wait_for_leader(&self, number: usize) -> Instant {
        self.wait_for("a leader", || {
            self.ask::<bool>(number, "SELECT NOT pg_is_in_recovery()").filter(|leads| *leads).map(|_| Instant::now())
        })
    }

    /// Waits until one server leads and the other follows it synchronously; which one leads.
    pub fn wait_for_a_pair(&self) -> usize {
        const HAS_A_STANDBY: &str =
            "SELECT NOT pg_is_in_recovery() AND EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')";
        self.wait_for("a leader with a synchronous standby", || {
            (0..2).find(|number| self.ask(*number, HAS_A_STANDBY) == Some(true))
        })
    }

    fn ask<T: for<'a> postgres::types::FromSql<'a>>(&self, number: usize, question: &str) -> Option<T> {
        let mut client = self.config(number, "postgres", "postgres").connect(NoTls).ok()?;
        client.query_one(question, &[]).ok().map(|row| row.get(0))
    }

    fn wait_for<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(Instant::now() < deadline, "{what} does not come: see the logs");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.kill(0);
        self.kill(1);
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}

/// Starts a program with a log of its own, and notes its process for the script that cleans up.
fn spawn(directory: &Path, name: &str, command: &mut Command) -> Child {
    let log = directory.join(format!("{name}.log"));
    let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut pids: File = OpenOptions::new().create(true).append(true).open(directory.join("pids")).unwrap();
    writeln!(pids, "{}", child.id()).unwrap();
    child
}

fn children(of: u32) -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| {
                status
                    .lines()
                    .any(|line| line.strip_prefix("PPid:").is_some_and(|parent| parent.trim() == of.to_string()))
            })
        })
        .collect()
}
