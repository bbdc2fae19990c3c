//! Clients of the API: some charge on whichever server leads, one reads on each.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::config::TargetSessionAttrs;
use postgres::{Client, Config, NoTls};
use uuid::Uuid;

use crate::servers::Servers;

/// How many charge at the same time.
const CHARGING: usize = 4;

const USERS: [Uuid; 2] = [
    Uuid::from_u128(0xa000_0000_0000_4000_8000_0000_0000_0001),
    Uuid::from_u128(0xa000_0000_0000_4000_8000_0000_0000_0002),
];

/// The database, the role that PostgREST logs in as, two dentists with credits and a patient each. Where patient data can
/// be sealed, it is.
pub fn prepare(servers: &Servers) {
    let leader = servers.wait_for_a_pair();
    servers.superuser(leader, "postgres").batch_execute("CREATE DATABASE auria").unwrap();
    let mut admin = servers.superuser(leader, "auria");
    admin
        .batch_execute(
            "SET client_min_messages = error;
             CREATE EXTENSION auria CASCADE;
             CREATE ROLE authenticator LOGIN NOINHERIT;
             GRANT anon, authenticated, service_role TO authenticator",
        )
        .unwrap();
    for user in USERS {
        admin
            .batch_execute(&format!(
                "INSERT INTO auth.users (id, email) VALUES ('{user}', '{user}@clinica.example');
                 INSERT INTO public.subscriptions (user_id, plan_id, status, credits_bonus)
                 VALUES ('{user}', 'price_essencial_monthly', 'active', 10000000);
                 INSERT INTO public.patients (user_id, name) VALUES ('{user}', 'Maria')"
            ))
            .unwrap();
    }
    let can_be_sealed: bool = admin
        .query_one(
            "SELECT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'auria'::regnamespace AND proname = 'phi_seal')",
            &[],
        )
        .unwrap()
        .get(0);
    if can_be_sealed {
        admin.batch_execute("CALL auria.phi_seal()").unwrap();
    }
    println!("patient data is {}", if can_be_sealed { "sealed" } else { "in the open layout" });
}

/// How many of these charges are not in the ledger exactly once.
pub fn missing(admin: &mut Client, references: &[Uuid]) -> i64 {
    admin
        .query_one(
            "SELECT count(*) FROM unnest($1::uuid[]) AS sent (reference)
               LEFT JOIN (SELECT u.reference_id, count(*) FROM public.credit_usage u
                           WHERE u.user_id = ANY ($2) AND u.operation = 'case_analysis'
                           GROUP BY u.reference_id) AS charged ON charged.reference_id = sent.reference
              WHERE charged.count IS DISTINCT FROM 1",
            &[&references, &USERS.as_slice()],
        )
        .unwrap()
        .get(0)
}

/// How many entries the ledger has.
pub fn entries(admin: &mut Client) -> i64 {
    admin.query_one("SELECT count(*) FROM public.credit_usage", &[]).unwrap().get(0)
}

/// What the doctor finds.
pub fn complaints(admin: &mut Client) -> Vec<String> {
    admin
        .query(r#"SELECT "check" || ': ' || detail FROM auria.doctor() WHERE NOT ok"#, &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// What a reader saw: when, and whether it was answered.
type Seen = Arc<Mutex<Vec<(Instant, bool)>>>;

pub struct Clients {
    stop: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<Uuid>>>,
    sent_again: Arc<AtomicUsize>,
    seen: [Seen; 2],
    threads: Vec<JoinHandle<()>>,
}

/// Reads of one server.
pub struct Reads {
    pub answered: usize,
    pub failed: usize,
}

impl Clients {
    pub fn start(servers: &Servers) -> Self {
        let mut clients = Self {
            stop: Arc::default(),
            answered: Arc::default(),
            sent_again: Arc::default(),
            seen: [Arc::default(), Arc::default()],
            threads: Vec::new(),
        };
        let [first, second] = [0, 1].map(|number| servers.config(number, "authenticator", "auria"));
        for number in 0..CHARGING {
            let mut leader = first.clone();
            leader.host("127.0.0.1").port(second.get_ports()[0]).target_session_attrs(TargetSessionAttrs::ReadWrite);
            let (stop, answered, sent_again) =
                (Arc::clone(&clients.stop), Arc::clone(&clients.answered), Arc::clone(&clients.sent_again));
            let user = USERS[number % USERS.len()];
            clients.threads.push(thread::spawn(move || charge(&leader, user, &stop, &answered, &sent_again)));
        }
        for (server, seen) in [first, second].into_iter().zip(&clients.seen) {
            let (stop, seen) = (Arc::clone(&clients.stop), Arc::clone(seen));
            clients.threads.push(thread::spawn(move || read(&server, &stop, &seen)));
        }
        clients
    }

    pub fn work_for(&self, time: Duration) {
        thread::sleep(time);
    }

    /// The references of all charges that were answered so far.
    pub fn answered(&self) -> Vec<Uuid> {
        self.answered.lock().unwrap().clone()
    }

    /// Waits until every client has been answered again; when that was.
    pub fn wait_for_charges(&self, before: usize) -> Instant {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.answered.lock().unwrap().len() < before + 2 * CHARGING {
            assert!(Instant::now() < deadline, "nobody can charge");
            thread::sleep(Duration::from_millis(20));
        }
        Instant::now()
    }

    /// The reads of a server since then.
    pub fn reads_of(&self, server: usize, since: Instant) -> Reads {
        let seen = self.seen[server].lock().unwrap();
        let after = || seen.iter().filter(|(at, _)| *at > since);
        Reads {
            answered: after().filter(|(_, is_answered)| *is_answered).count(),
            failed: after().filter(|(_, is_answered)| !is_answered).count(),
        }
    }

    /// Has each client finish what it has begun; the references that were answered, and how many were sent again.
    pub fn stop(self) -> (Vec<Uuid>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let answered = self.answered.lock().unwrap().clone();
        (answered, self.sent_again.load(Ordering::Relaxed))
    }
}

fn as_service(config: &Config) -> Option<Client> {
    let mut client = config.connect(NoTls).ok()?;
    client.batch_execute("SET ROLE service_role").ok()?;
    Some(client)
}

/// Charges, one reference after the other; each is sent until it is answered, as a backend does that retries.
fn charge(leader: &Config, user: Uuid, stop: &AtomicBool, answered: &Mutex<Vec<Uuid>>, sent_again: &AtomicUsize) {
    let mut client = None;
    while !stop.load(Ordering::Relaxed) {
        let reference = Uuid::new_v4();
        loop {
            let answer = client.as_mut().map(|client: &mut Client| {
                client.query_one("SELECT public.use_credits($1, 'case_analysis', $2)", &[&user, &reference])
            });
            match answer {
                Some(Ok(row)) => {
                    assert!(row.get::<_, bool>(0), "there are credits enough");
                    answered.lock().unwrap().push(reference);
                    break;
                }
                Some(Err(_)) => {
                    sent_again.fetch_add(1, Ordering::Relaxed);
                    client = None;
                }
                None => {
                    client = as_service(leader);
                    if client.is_none() {
                        thread::sleep(Duration::from_millis(100));
                    }
                }
            }
        }
        // A dentist thinks between two charges; this machine runs both servers.
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads a dentist's patients and what she may do, as a page of the client does, on one server, whatever its role.
fn read(server: &Config, stop: &AtomicBool, seen: &Mutex<Vec<(Instant, bool)>>) {
    let user = USERS[0];
    let question = format!(
        "SELECT public.can_use_credits('{user}', 'case_analysis')
            AND (SELECT string_agg(p.name, '') = 'Maria' FROM public.patients p WHERE p.user_id = '{user}')
            AND (SELECT count(*) = 1 FROM auria.metrics('ledger') WHERE metric = 'ledger_entries_total')"
    );
    let mut client = None;
    while !stop.load(Ordering::Relaxed) {
        if client.is_none() {
            client = as_service(server);
        }
        let is_answered = client
            .as_mut()
            .is_some_and(|client| client.query_one(&question, &[]).is_ok_and(|row| row.get::<_, bool>(0)));
        if !is_answered {
            client = None;
        }
        seen.lock().unwrap().push((Instant::now(), is_answered));
        thread::sleep(Duration::from_millis(50));
    }
}
