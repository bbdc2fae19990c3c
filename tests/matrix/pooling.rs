//! Many clients on a few connections: PgBouncer in transaction mode, as docs/operations.md sets it up.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{Cluster, ClusterOptions};
use postgres::{Client, NoTls};
use uuid::Uuid;

/// A PgBouncer in front of a server; it ends with its server's directory and this value.
struct Pool<'server> {
    server: &'server Cluster,
}

const PORT: u16 = 6432;

impl<'server> Pool<'server> {
    fn before(server: &'server Cluster, database: &str) -> Self {
        let directory = server.private_directory("pool");
        let directory = directory.to_str().unwrap();
        let socket = server.socket_directory().to_str().unwrap();
        let block = crate::docs::runbook::OPERATIONS
            .split_once("```ini\n")
            .and_then(|(_, rest)| rest.split_once("```"))
            .unwrap()
            .0;
        let settings = block
            .replace("/var/run/postgresql", &format!("{socket} port={}", server.port()))
            .replace("dbname=auria", &format!("dbname={database}"));
        server.secret_file("pool/users", "\"authenticator\" \"\"");
        server.secret_file(
            "pool/pgbouncer.ini",
            &format!(
                "{settings}
                 auth_type = trust
                 auth_file = {directory}/users
                 listen_addr =
                 listen_port = {PORT}
                 unix_socket_dir = {directory}
                 unix_socket_mode = 0777
                 logfile = {directory}/log
                 pidfile = {directory}/pid
                 default_pool_size = 4"
            )
            .replace("\n                 ", "\n"),
        );
        let started = server.shell("pgbouncer -q -d \"$POOL/pgbouncer.ini\"", &[("POOL", directory)]);
        assert!(started.status.success(), "{started:?}");
        Pool { server }
    }

    fn client(&self) -> Client {
        let directory = self.server.private_directory("pool");
        let connection = format!("host={} port={PORT} user=authenticator dbname=auria", directory.display());
        // It becomes a daemon before it listens.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Client::connect(&connection, NoTls) {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Pool<'_> {
    fn drop(&mut self) {
        let _ = self
            .server
            .shell("kill $(cat \"$POOL/pid\")", &[("POOL", self.server.private_directory("pool").to_str().unwrap())]);
    }
}

#[test]
fn many_clients_on_four_connections_spend_exactly_what_there_is() {
    let server = ClusterOptions::default().start();
    let db = server.database();
    let user = db.sign_up_on_plan("busy@clinica.example", "starter");
    db.superuser().run("UPDATE public.subscriptions SET credits_bonus = 195");
    let pool = Pool::before(&server, db.name());
    let start = Barrier::new(16);
    let charged: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = pool.client();
                    start.wait();
                    (0..25).filter(|_| charge(&mut client, user)).count()
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(charged, 200);
    let mut admin = db.superuser();
    assert_eq!(admin.value::<i64>("SELECT sum(credits_used) FROM public.credit_usage"), 200);
    let connections: i64 = admin.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'authenticator'");
    assert!((1..=4).contains(&connections), "{connections} connections");
}

/// As PostgREST does it: role and claims hold for the transaction.
fn charge(client: &mut Client, user: Uuid) -> bool {
    let mut transaction = client.transaction().unwrap();
    transaction.batch_execute("SET LOCAL ROLE service_role").unwrap();
    let charged = transaction.query_one("SELECT public.use_credits($1, 'case_analysis')", &[&user]).unwrap().get(0);
    transaction.commit().unwrap();
    charged
}

#[test]
fn who_asks_is_forgotten_with_the_transaction() {
    let server = ClusterOptions::default().start();
    let db = server.database();
    let [ana, bia] = ["ana", "bia"].map(|name| db.sign_up(&format!("{name}@clinica.example")));
    db.superuser()
        .run(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{ana}', 'Maria'), ('{bia}', 'José')"));
    let pool = Pool::before(&server, db.name());
    let (mut first, mut second) = (pool.client(), pool.client());
    for (user, name) in [(ana, "Maria"), (bia, "José"), (ana, "Maria")] {
        for client in [&mut first, &mut second] {
            let mut transaction = client.transaction().unwrap();
            transaction
                .batch_execute(&format!(
                    "SET LOCAL ROLE authenticated; \
                     SELECT set_config('request.jwt.claims', '{{\"sub\": \"{user}\", \"role\": \"authenticated\"}}', true)"
                ))
                .unwrap();
            let seen: String =
                transaction.query_one("SELECT string_agg(name, ', ') FROM public.patients", &[]).unwrap().get(0);
            assert_eq!(seen, name);
            transaction.commit().unwrap();
            let after = client.query_one("SELECT auth.uid()::text, current_user::text", &[]).unwrap_err();
            // The connecting role alone may not even use the schema.
            assert_eq!(after.code().unwrap().code(), "42501");
        }
    }
}

#[test]
fn a_procedure_that_commits_runs_through_the_pool() {
    let server = ClusterOptions::default().start();
    let db = server.database();
    db.sign_up_on_plan("ana@clinica.example", "starter");
    db.superuser().run(
        "UPDATE public.subscriptions SET credits_used_this_month = 3, usage_reset_at = now() - INTERVAL '40 days';
         GRANT EXECUTE ON PROCEDURE auria.reset_monthly(integer) TO authenticator;
         GRANT USAGE ON SCHEMA auria TO authenticator",
    );
    let pool = Pool::before(&server, db.name());
    pool.client().batch_execute("CALL auria.reset_monthly(1)").unwrap();
    assert_eq!(db.superuser().value::<i32>("SELECT credits_used_this_month FROM public.subscriptions"), 0);
}
