//! The harness itself: what the other tests rely on.

use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{As, ClusterOptions, database, empty_database, private_memory, refused_with};

#[test]
fn a_database_of_one_test_is_not_seen_by_another() {
    let (one, other) = (empty_database(), empty_database());
    one.superuser().run("CREATE TABLE public.mark (x int)");
    refused_with(other.superuser().query("SELECT * FROM public.mark", &[]), "42P01");
}

#[test]
fn a_refusal_has_its_sqlstate_and_a_notice_is_kept() {
    let db = empty_database();
    let mut session = db.superuser();
    refused_with(session.query("SELECT 1/0", &[]), "22012");
    session.run("DROP TABLE IF EXISTS public.nothing_here");
    let notices = session.notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].message().contains("nothing_here"));
    assert!(session.notices().is_empty());
}

#[test]
fn the_memory_of_a_backend_is_measured() {
    let db = empty_database();
    let mut session = db.superuser();
    let pid = session.backend_pid();
    let before = private_memory(pid);
    session.run("SET work_mem = '256MB'");
    session.run("DECLARE held CURSOR WITH HOLD FOR SELECT pg_catalog.repeat('x', 1000000) FROM pg_catalog.generate_series(1, 20)");
    assert!(private_memory(pid) > before + 10_000_000, "twenty megabytes do not show");
}

#[test]
fn a_killed_server_comes_back_with_what_was_committed() {
    let cluster = ClusterOptions::default().durable().start();
    let mut session = cluster.superuser("postgres");
    session.run("CREATE TABLE public.kept (x int); INSERT INTO public.kept VALUES (1)");
    cluster.kill();
    assert!(session.batch_execute("SELECT 1").is_err());
    cluster.start();
    assert_eq!(cluster.superuser("postgres").value::<i32>("SELECT x FROM public.kept"), 1);
}

#[test]
fn a_standby_shows_what_the_primary_wrote_and_refuses_to_write() {
    let primary = ClusterOptions::default().start();
    primary.superuser("postgres").run("CREATE TABLE public.kept (x int); INSERT INTO public.kept VALUES (7)");
    let standby = primary.standby();
    let mut session = standby.superuser("postgres");
    assert_eq!(session.value::<i32>("SELECT x FROM public.kept"), 7);
    refused_with(session.execute("INSERT INTO public.kept VALUES (8)", &[]), "25006");
}

#[test]
fn a_server_ends_with_its_owner_and_leaves_no_file() {
    let cluster = ClusterOptions::default().start();
    let directory = cluster.socket_directory().to_owned();
    let pid = cluster.superuser("postgres").backend_pid();
    drop(cluster);
    assert!(!directory.exists());
    let deadline = Instant::now() + Duration::from_secs(5);
    while std::path::Path::new(&format!("/proc/{pid}")).exists() {
        assert!(Instant::now() < deadline, "a backend of the stopped server is still there");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sessions_start_together_and_answer_in_their_order() {
    let db = database();
    let answers = db.concurrently(8, As::Superuser, |number, session| {
        session.query_one("SELECT $1::bigint", &[&(number as i64)]).unwrap().get::<_, i64>(0)
    });
    assert_eq!(answers, (0..8).collect::<Vec<_>>());
}
