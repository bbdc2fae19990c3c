//! Throw-away servers.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, LazyLock, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::database::Database;
use crate::owner;
use crate::session::{As, Session};
use crate::stage::{Stage, data_directory};
use crate::supabase;
use crate::watchdog::Watchdog;

const TEMPLATE: &str = "auria_template";

const LEGACY_CIPHERS: &str = "openssl_conf = init
[init]
providers = providers
[providers]
default = default_provider
legacy = legacy_provider
[default_provider]
activate = 1
[legacy_provider]
activate = 1";

static SHARED: LazyLock<Cluster> = LazyLock::new(|| ClusterOptions::default().start());

/// What a server brings before the extension is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// PostgreSQL alone.
    PostgreSql,
    /// What `tests/fixtures/supabase` makes.
    Supabase,
}

impl Platform {
    /// The one that AURIA_PLATFORM names: that of every server whose test does not choose.
    fn of_the_environment() -> Self {
        match std::env::var("AURIA_PLATFORM").as_deref() {
            Ok("supabase") => Platform::Supabase,
            Ok("") | Err(_) => Platform::PostgreSql,
            Ok(other) => panic!("there is no platform {other}"),
        }
    }
}

/// How a server of its own is to be.
#[derive(Default)]
pub struct ClusterOptions {
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    legacy_ciphers: bool,
    durable: bool,
    megabytes: Option<u32>,
    stage: Option<Arc<Stage>>,
    superuser: Option<&'static str>,
    platform: Option<Platform>,
}

impl ClusterOptions {
    /// A server of this platform, whatever the environment says.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// A first superuser of another name than `postgres`.
    pub(crate) fn superuser(mut self, name: &'static str) -> Self {
        self.superuser = Some(name);
        self
    }

    /// Runs it from another stage than the one all servers share.
    pub fn on(mut self, stage: &Arc<Stage>) -> Self {
        self.stage = Some(Arc::clone(stage));
        self
    }

    /// A line of postgresql.conf; the value is quoted here.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The same, unless the test sets it.
    pub(crate) fn default_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(0, (name.into(), value.into()));
        self
    }

    /// A variable in the server's environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Writes that survive a crash, as a real server has them; without it the server does not wait for the disk.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// A disk of its own, so small that it can be filled. Only root can have one: elsewhere this is without effect.
    pub fn small_disk(mut self, megabytes: u32) -> Self {
        self.megabytes = Some(megabytes);
        self
    }

    /// A server whose OpenSSL offers pgcrypto Blowfish and CAST5, which OpenSSL 3 keeps in a provider of their own.
    pub fn legacy_ciphers(mut self) -> Self {
        self.legacy_ciphers = true;
        self
    }

    /// Makes the server and starts it.
    pub fn start(self) -> Cluster {
        match self.platform.unwrap_or_else(Platform::of_the_environment) {
            Platform::PostgreSql => self.make(Platform::PostgreSql),
            Platform::Supabase => supabase::start(self),
        }
    }

    /// Makes a server of this platform, without the roles that belong to it.
    pub(crate) fn make(self, platform: Platform) -> Cluster {
        let stage = self.stage.as_ref().unwrap_or_else(|| Stage::shared());
        let mut cluster = Cluster::bare(stage);
        cluster.superuser = self.superuser.unwrap_or(cluster.superuser);
        cluster.platform = platform;
        for (name, value) in &self.environment {
            cluster.set_environment(name, value);
        }
        if self.legacy_ciphers {
            let file = cluster.secret_file("openssl.cnf", LEGACY_CIPHERS);
            let file = file.display().to_string();
            cluster.set_environment("OPENSSL_CONF", &file);
        }
        if let Some(megabytes) = self.megabytes.filter(|_| owner::is_root()) {
            cluster.mount_data(megabytes);
        }
        cluster.run(
            "initdb",
            &[
                "--auth=trust",
                &format!("--username={}", cluster.superuser),
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
        );

        let key = Uuid::new_v4().simple().to_string() + &Uuid::new_v4().simple().to_string();
        let key_file = cluster.secret_file("phi.key", &key);
        let mut lines = vec![
            ("listen_addresses", String::new()),
            ("unix_socket_directories", cluster.directory.display().to_string()),
            ("port", cluster.port.to_string()),
            ("max_connections", "200".into()),
            ("shared_buffers", "64MB".into()),
            ("timezone", "UTC".into()),
            ("auria.phi_key_file", key_file.display().to_string()),
        ];
        if !self.durable {
            lines.extend(["fsync", "synchronous_commit", "full_page_writes"].map(|name| (name, "off".into())));
        }
        cluster.append_settings(lines.iter().map(|(name, value)| (*name, value.as_str())));
        cluster.append_settings(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        cluster.start();
        cluster
    }
}

/// A server with its own data directory, socket and port; stopped and removed with its last owner.
pub struct Cluster {
    directory: PathBuf,
    port: u16,
    template: OnceLock<()>,
    databases: AtomicU32,
    environment: Mutex<BTreeMap<String, String>>,
    watchdog: Watchdog,
    stage: Arc<Stage>,
    superuser: &'static str,
    platform: Platform,
}

impl Cluster {
    /// The server that all tests of this process share, unless they need one of their own.
    pub fn shared() -> &'static Cluster {
        &SHARED
    }

    fn bare(stage: &Arc<Stage>) -> Self {
        let directory = data_directory("auria-");
        let watchdog = Watchdog::over(&directory);
        owner::give(&directory);
        // Only the socket's name carries the port, but a person may want to reach several servers at once.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        Cluster {
            directory,
            port,
            template: OnceLock::new(),
            databases: AtomicU32::new(0),
            environment: Mutex::default(),
            watchdog,
            stage: Arc::clone(stage),
            superuser: "postgres",
            platform: Platform::PostgreSql,
        }
    }

    fn mount_data(&self, megabytes: u32) {
        let data = self.private_directory("data");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=700")])
            .arg("tmpfs")
            .arg(&data)
            .status()
            .unwrap();
        assert!(mounted.success(), "no tmpfs at {}", data.display());
        owner::give(&data);
    }

    /// Where the socket is: what libpq calls the host.
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// The role that made the server.
    pub fn superuser_name(&self) -> &'static str {
        self.superuser
    }

    /// What it brings before the extension is installed.
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// The number in the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the server keeps its data.
    pub fn data_directory(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The log of the server so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Where it writes that log.
    pub fn log_file(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Leaves the server running when this process ends.
    pub fn keep(mut self) {
        self.watchdog.dismiss();
    }

    /// A file that only the server can read, such as a PHI key.
    pub fn secret_file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.join(name);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        writeln!(file, "{content}").unwrap();
        owner::give(&path);
        path
    }

    /// A session as this role in a database of this name.
    pub fn session(&self, database: &str, role: As) -> Session {
        Session::open(self, database, role)
    }

    /// Opens that many sessions, then has each do its work at the same moment; the answers in the sessions' order.
    pub fn concurrently<T: Send>(
        &self,
        database: &str,
        sessions: usize,
        role: As,
        work: impl Fn(usize, &mut Session) -> T + Sync,
    ) -> Vec<T> {
        let start = Barrier::new(sessions);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..sessions)
                .map(|number| {
                    let mut session = self.session(database, role);
                    let (start, work) = (&start, &work);
                    scope.spawn(move || {
                        start.wait();
                        work(number, &mut session)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// A session as this role, from a server that may refuse it or be down.
    pub fn try_session(&self, database: &str, role: As) -> Result<Session, postgres::Error> {
        Session::try_open(self, database, role)
    }

    /// A session of the superuser in a database of this name.
    pub fn superuser(&self, database: &str) -> Session {
        Session::open(self, database, As::Superuser)
    }

    /// A database of its own with the extension created in it.
    pub fn database(&self) -> Database<'_> {
        self.new_database(self.template())
    }

    /// The name of a database with the extension created in it, for others to be made from. Nobody may stay
    /// connected to it.
    pub fn template(&self) -> &'static str {
        self.template.get_or_init(|| self.make_template());
        TEMPLATE
    }

    /// A database of its own as PostgreSQL makes it.
    pub fn empty_database(&self) -> Database<'_> {
        self.new_database("template0")
    }

    /// The database of this name, which was made otherwise.
    pub fn existing_database(&self, name: &str) -> Database<'_> {
        Database::new(self, name.to_owned())
    }

    fn new_database(&self, template: &str) -> Database<'_> {
        let name = format!("auria_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.create_database(&name, template);
        Database::new(self, name)
    }

    /// On each platform the role postgres owns what people work in.
    pub(crate) fn create_database(&self, name: &str, template: &str) {
        self.superuser("postgres").run(&format!("CREATE DATABASE {name} OWNER postgres TEMPLATE {template}"));
    }

    fn make_template(&self) {
        self.create_database(TEMPLATE, "template0");
        if self.platform == Platform::Supabase {
            supabase::make_ready(self, TEMPLATE);
        }
        let mut session = self.superuser(TEMPLATE);
        session.run("CREATE EXTENSION auria CASCADE");
        // The same tests against the PL/pgSQL peer of the benchmarks.
        if std::env::var_os("AURIA_TWIN").is_some() {
            session.run(crate::sources::TWIN);
        }
        if self.platform == Platform::PostgreSql {
            session.run(
                "CREATE ROLE authenticator LOGIN NOINHERIT;
                 GRANT anon, authenticated, service_role TO authenticator",
            );
        }
    }

    /// Starts the server, stopped or killed before.
    pub fn start(&self) {
        let log = self.log_file();
        // After a kill the last backends may hold the shared memory for another moment.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let output = self.output("pg_ctl", &["start", "--wait", "--silent", "-l", log.to_str().unwrap()]);
            if output.status.success() {
                return;
            }
            assert!(Instant::now() < deadline, "the server does not start: {}", self.log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Stops the server as an administrator would, sessions or not.
    pub fn stop(&self) {
        self.run("pg_ctl", &["stop", "--wait", "--silent", "--mode=fast"]);
    }

    /// Stops the server at once, without a checkpoint: it recovers when it is started again.
    pub fn stop_immediately(&self) {
        self.run("pg_ctl", &["stop", "--wait", "--silent", "--mode=immediate"]);
    }

    /// Starts the server if it can be started now.
    pub fn try_start(&self) -> bool {
        let log = self.log_file();
        let arguments = ["start", "--wait", "--silent", "-l", log.to_str().unwrap()];
        self.output("pg_ctl", &arguments).status.success()
    }

    /// Whether the server's main process is there.
    pub fn is_running(&self) -> bool {
        self.server_processes().first().is_some_and(|postmaster| Path::new(&format!("/proc/{postmaster}")).exists())
    }

    /// Stops the server and starts it again.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// A variable in the server's environment from its next start on.
    pub fn set_environment(&self, name: &str, value: &str) {
        let mut environment = self.environment.lock().unwrap();
        environment.insert(name.into(), value.into());
    }

    /// Has the server read its settings again.
    pub fn reload(&self) {
        self.run("pg_ctl", &["reload", "--silent"]);
    }

    /// Kills every process of the server at once with SIGKILL, as a power cut would.
    pub fn kill(&self) {
        let pids = self.server_processes().iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        assert!(!pids.is_empty(), "the server was not running");
        // One that has just ended by itself makes kill complain.
        let _ = Command::new("sh").args(["-c", &format!("kill -KILL {pids} 2>/dev/null")]).status().unwrap();
    }

    fn server_processes(&self) -> Vec<u32> {
        let pid_file = fs::read_to_string(self.data_directory().join("postmaster.pid")).unwrap_or_default();
        let Some(postmaster) = pid_file.lines().next().and_then(|line| line.parse().ok()) else {
            return Vec::new();
        };
        let children = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| parent(*pid) == Some(postmaster));
        std::iter::once(postmaster).chain(children).collect()
    }

    /// A streaming replica of this server, caught up when it is returned.
    pub fn standby(&self) -> Cluster {
        let mut standby = Cluster::bare(&self.stage);
        standby.superuser = self.superuser;
        standby.platform = self.platform;
        let data = standby.data_directory();
        let host = self.directory.to_str().unwrap();
        let port = self.port.to_string();
        let arguments = ["-h", host, "-p", &port, "-U", self.superuser, "-D", data.to_str().unwrap()];
        standby.output_of(owner::command(&self.stage.program("pg_basebackup")).args(arguments).args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        ]));
        standby.append_settings([
            ("unix_socket_directories", standby.directory.to_str().unwrap()),
            ("port", standby.port.to_string().as_str()),
            ("hot_standby", "on"),
        ]);
        standby.start();
        standby.catch_up_with(self);
        let _ = standby.template.set(());
        standby
    }

    /// Waits until this replica has replayed everything its primary has written.
    pub fn catch_up_with(&self, primary: &Cluster) {
        let written: String =
            primary.superuser("postgres").query_one("SELECT pg_current_wal_lsn()::text", &[]).unwrap().get(0);
        let mut here = self.superuser("postgres");
        let deadline = Instant::now() + Duration::from_secs(30);
        let statement = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        while !here.query_one(statement, &[&written]).unwrap().get::<_, bool>(0) {
            assert!(Instant::now() < deadline, "the replica does not catch up: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn append_settings<'a>(&self, settings: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let file = self.data_directory().join("postgresql.conf");
        let mut file = OpenOptions::new().append(true).open(file).unwrap();
        for (name, value) in settings {
            writeln!(file, "{name} = '{}'", value.replace('\'', "''")).unwrap();
        }
    }

    /// Runs a program of PostgreSQL on this server's data directory; it must succeed.
    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.output(program, arguments);
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn output(&self, program: &str, arguments: &[&str]) -> Output {
        owner::command(&self.stage.program(program))
            .envs(self.environment.lock().unwrap().iter())
            .args(arguments)
            .arg("-D")
            .arg(self.data_directory())
            .current_dir("/")
            .output()
            .unwrap()
    }

    fn output_of(&self, command: &mut Command) -> Output {
        let output = command.current_dir("/").output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Runs a client program of PostgreSQL as [`Cluster::client`] does; it must succeed.
    pub fn client_succeeds(&self, program: &str, arguments: &[&str]) {
        let output = self.client(program, arguments);
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs a script in the shell of the account that the server runs as, with PostgreSQL's programs at hand and this
    /// server as the one that they reach; a command that fails ends it.
    pub fn shell(&self, script: &str, variables: &[(&str, &str)]) -> Output {
        let programs = self.stage.programs();
        let path = std::env::var("PATH").unwrap_or_default();
        owner::command(Path::new("/bin/sh"))
            .args(["-eu", "-c", script])
            .env("PATH", format!("{}:{path}", programs.display()))
            .envs(self.libpq())
            .envs(variables.iter().copied())
            .current_dir("/")
            .output()
            .unwrap()
    }

    /// The environment in which clients reach this server as the superuser.
    fn libpq(&self) -> [(&'static str, String); 3] {
        [
            ("PGHOST", self.directory.display().to_string()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.superuser.into()),
        ]
    }

    /// A directory that only the account of the server may enter.
    pub fn private_directory(&self, name: &str) -> PathBuf {
        let path = self.directory.join(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        owner::give(&path);
        path
    }

    /// Runs a client program of PostgreSQL (psql, pg_dump, pg_restore …) on this server as the superuser.
    pub fn client(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(self.stage.program(program)).args(arguments).envs(self.libpq()).output().unwrap()
    }
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}
