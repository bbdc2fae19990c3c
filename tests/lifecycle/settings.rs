//! The settings, however and whenever the library that defines them is loaded.

use auria_tests::{As, ClusterOptions, Session, database, refused_with};

fn can_encrypt(session: &mut Session) -> bool {
    session.value("SELECT pg_catalog.length(public.phi_encrypt('x')) > 0")
}

#[test]
fn the_key_is_found_when_a_security_definer_function_was_the_first_to_load_the_library() {
    let db = database();
    let user = db.sign_up("definer@clinica.example");
    let mut service = db.service();
    service
        .query_one("SELECT public.check_and_increment_rate_limit($1, 'f', now(), now(), now())::text", &[&user])
        .unwrap();
    assert!(can_encrypt(&mut service));
}

#[test]
fn the_key_is_found_when_the_transaction_that_loaded_the_library_was_rolled_back() {
    let db = database();
    let mut service = db.service();
    service.run("BEGIN; SELECT public.get_credit_cost('x'); ROLLBACK");
    assert!(can_encrypt(&mut service));
}

#[test]
fn a_changed_configuration_file_reaches_a_session_that_has_the_library() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let mut service = db.session(As::Service);
    assert!(can_encrypt(&mut service));
    let mut superuser = db.superuser();
    superuser.run("ALTER SYSTEM SET auria.phi_key_file = ''");
    cluster.reload();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !superuser.value::<String>("SHOW auria.phi_key_file").is_empty() {
        assert!(std::time::Instant::now() < deadline, "the change is not seen");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    refused_with(service.query("SELECT public.phi_encrypt('x')", &[]), "55000");
}
