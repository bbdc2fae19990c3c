//! The server under test and what everybody shares.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{As, Cluster, ClusterOptions, Session, Stage, is_root};
use uuid::Uuid;

use crate::model::books::UNLIMITED;
use crate::model::crowd::Crowd;
use crate::model::months::NOW;
use crate::options::{Layout, Options};
use crate::postgrest::Postgrest;
use crate::report::Report;
use crate::weather::Weather;

/// The size of the server's disk, in MB.
const DISK: u32 = 1536;

/// The version that the extension is updated from, and the one that the update leads to.
pub const OLDER: &str = "0.2.99";
pub const CURRENT: &str = env!("CARGO_PKG_VERSION");

const FAKETIME: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"];

pub const DATABASE: &str = "auria_soak";

/// A Vault that holds no secret, and can fail. The key is in the server's file.
const VAULT: &str = "
    CREATE SCHEMA vault;
    CREATE TABLE vault.failure (message text);
    CREATE TABLE vault.secrets (id uuid, name text, secret text);
    CREATE FUNCTION vault.works() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
    DECLARE failure text;
    BEGIN
        SELECT message INTO failure FROM vault.failure;
        IF FOUND THEN RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = failure; END IF;
        RETURN true;
    END $$;
    CREATE VIEW vault.decrypted_secrets AS
        SELECT id, name, secret, secret AS decrypted_secret FROM vault.secrets WHERE vault.works();
    REVOKE ALL ON ALL TABLES IN SCHEMA vault FROM PUBLIC;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vault FROM PUBLIC";

pub struct World {
    pub cluster: Cluster,
    pub postgrest: Postgrest,
    pub report: Report,
    pub weather: Weather,
    pub gate: Gate,
    pub crowds: Vec<(Uuid, Mutex<Crowd>)>,
    /// Ids of webhook events that were recorded.
    pub events: Mutex<Vec<String>>,
    /// Users that exist or have existed, for those who look at what is not theirs.
    pub users: Mutex<Vec<Uuid>>,
    pub is_sealed: AtomicBool,
    pub is_over: AtomicBool,
    pub can_set_clock: bool,
}

impl World {
    pub fn start(options: &Options) -> Self {
        // From here on the model's clock stands still.
        LazyLock::force(&NOW);
        let stage = Stage::without_extension();
        let current = Stage::shared();
        stage.install(&current.library(), &current.scripts());
        write_update(&stage.scripts());

        let faketime = FAKETIME.iter().find(|path| Path::new(path).exists());
        let mut server = ClusterOptions::default()
            .on(&stage)
            .durable()
            .small_disk(DISK)
            .setting("log_line_prefix", "%m [%p] %e ")
            .setting("max_wal_size", "96MB")
            .setting("min_wal_size", "32MB")
            .setting("wal_recycle", "off")
            .setting("wal_init_zero", "on")
            .setting("statement_timeout", "60s")
            .setting("deadlock_timeout", "300ms");
        let previous_key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        if let Some(library) = faketime {
            // Not FAKETIME_TIMESTAMP_FILE: libfaketime opens it again and again, which allocates, and PostgreSQL asks for
            // the time in signal handlers. That was seen to corrupt a backend's heap.
            server = server
                .environment("LD_PRELOAD", library)
                .environment("FAKETIME", "+0")
                .environment("FAKETIME_DONT_RESET", "1")
                .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let cluster = server.start();
        // The previous key's file is always named; before the first rotation it has a key that nothing was written with.
        let previous = cluster.secret_file("phi.previous", &previous_key);
        fs::write(
            cluster.data_directory().join("postgresql.auto.conf"),
            format!("auria.phi_previous_key_file = '{}'\n", previous.display()),
        )
        .unwrap();
        cluster.reload();
        let mut admin = cluster.superuser("postgres");
        admin.run(&format!("CREATE DATABASE {DATABASE} TEMPLATE template0"));
        // What the soak asks is not subject to what it does to others.
        admin.run("ALTER ROLE postgres SET statement_timeout = 0");
        let mut session = cluster.superuser(DATABASE);
        session.run(&format!(
            "CREATE EXTENSION auria CASCADE;
             CREATE ROLE authenticator LOGIN NOINHERIT;
             GRANT anon, authenticated, service_role TO authenticator;
             -- AURIA has been in use for a while: a clock that goes back does not go back before that.
             UPDATE auria.migrations SET applied_at = applied_at - interval '60 days';
             INSERT INTO public.subscription_plans (id, name, price_monthly, credits_per_month)
             VALUES ('{UNLIMITED}', 'Sem limite', 99900, -1)"
        ));
        session.run(VAULT);
        if options.layout == Layout::Sealed {
            session.run("CALL auria.phi_seal()");
        }
        let crowds = (0..4)
            .map(|number| {
                let user = Uuid::new_v4();
                session.run(&format!(
                    "INSERT INTO auth.users (id, email) VALUES ('{user}', 'crowd{number}@clinica.test');
                     INSERT INTO public.subscriptions (user_id, plan_id, status)
                     VALUES ('{user}', 'starter', 'active')"
                ));
                (user, Mutex::default())
            })
            .collect();
        let postgrest = Postgrest::start(&cluster, DATABASE);
        let report = Report::new();
        if !is_root() {
            report.note("no full disk: only root can mount a small one".into());
        }
        if faketime.is_none() {
            report.note("no clock set back: libfaketime is not installed".into());
        }
        World {
            cluster,
            postgrest,
            report,
            weather: Weather::default(),
            gate: Gate::default(),
            crowds,
            events: Mutex::default(),
            users: Mutex::default(),
            is_sealed: AtomicBool::new(options.layout == Layout::Sealed),
            is_over: AtomicBool::new(false),
            can_set_clock: faketime.is_some(),
        }
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub fn is_sealed(&self) -> bool {
        self.is_sealed.load(Ordering::Relaxed)
    }

    /// Moves the server's clock against this machine's, by seconds, from its next start on.
    pub fn set_clock(&self, seconds: i64) {
        self.cluster.set_environment("FAKETIME", &format!("{seconds:+}"));
    }

    /// A session of the superuser, as soon as the server gives one.
    pub fn admin(&self) -> Session {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            match self.cluster.try_session(DATABASE, As::Superuser) {
                Ok(session) => return session,
                Err(error) => {
                    assert!(Instant::now() < deadline, "the server does not come back: {error}\n{}", self.end_of_log())
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn end_of_log(&self) -> String {
        let log = self.cluster.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// An update as releases have them: it runs what migrations are pending. It leads back, too, so that it can be done as
/// often as the soak likes.
fn write_update(scripts: &Path) {
    for (from, to) in [(OLDER, CURRENT), (CURRENT, OLDER)] {
        fs::write(scripts.join(format!("auria--{from}--{to}.sql")), "SELECT auria.migrate();").unwrap();
    }
}

/// Clients pass it for each step, so that a check can wait until all stand still.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    inside: usize,
}

impl Gate {
    /// Waits while it is closed.
    pub fn enter(&self) -> Inside<'_> {
        let mut state = self.state.lock().unwrap();
        while state.is_closed {
            state = self.changed.wait(state).unwrap();
        }
        state.inside += 1;
        Inside(self)
    }

    /// Closes it, and waits until nobody is inside; false when somebody does not come out.
    pub fn close(&self, patience: Duration) -> bool {
        let mut state = self.state.lock().unwrap();
        state.is_closed = true;
        let deadline = Instant::now() + patience;
        while state.inside > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
        true
    }

    pub fn open(&self) {
        self.state.lock().unwrap().is_closed = false;
        self.changed.notify_all();
    }
}

pub struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().inside -= 1;
        self.0.changed.notify_all();
    }
}
