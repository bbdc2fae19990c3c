//! docs/security.md: the tests that it names exist, and what it says about locks and logs is so.

use std::fs;

use auria_tests::{ClusterOptions, database, repository};

fn page() -> String {
    fs::read_to_string(repository().join("docs/security.md")).unwrap()
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let named: Vec<String> = page()
        .lines()
        .filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| "))
        .map(|(_, test)| test.to_owned())
        .filter(|test| test.contains("::"))
        .collect();
    assert!(named.len() > 10, "{named:?}");
    for test in named {
        let (module, name) = test.rsplit_once("::").unwrap();
        let file = repository().join(format!("tests/{}.rs", module.replace("::", "/")));
        let source = fs::read_to_string(&file).unwrap_or_else(|_| panic!("{}", file.display()));
        assert!(source.contains(&format!("#[test]\nfn {name}()")), "there is no test {test}");
    }
}

#[test]
fn the_advisory_lock_of_the_reset_has_the_number_that_the_page_gives_and_anybody_can_hold_it() {
    let db = database();
    let mut service = db.service();
    service.run("BEGIN; SELECT public.reset_monthly_usage_with_rollover()");
    let mut superuser = db.superuser();
    let class: i64 = superuser.value(
        "SELECT classid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objid = 0
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    assert!(page().contains(&format!("{class} (reset)")), "{class}");
    service.run("ROLLBACK");
    let mut visitor = db.anon();
    visitor.run(&format!("SELECT pg_advisory_lock({class}, 0)"));
    service.run("SET lock_timeout = '100ms'");
    auria_tests::refused_with(service.batch_execute("SELECT public.reset_monthly_usage_with_rollover()"), "55P03");
}

#[test]
fn the_log_shows_values_as_the_page_says_and_does_not_as_it_advises() {
    let log_of = |settings: &[(&str, &str)]| {
        let options =
            settings.iter().fold(ClusterOptions::default(), |options, (name, value)| options.setting(name, value));
        let cluster = options.start();
        let db = cluster.database();
        let token = "5eed".repeat(16);
        let mut visitor = db.anon();
        visitor.query("SELECT public.check_shared_link_status($1)", &[&token]).unwrap();
        cluster.log().matches(&token).count()
    };
    let statements = ("log_min_duration_statement", "0");
    assert!(log_of(&[statements]) > 0);
    assert_eq!(log_of(&[statements, ("log_parameter_max_length", "0")]), 0);
    let explain = [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("log_parameter_max_length", "0"),
    ];
    let nested = ("auto_explain.log_nested_statements", "on");
    let all: Vec<_> = explain.into_iter().chain([nested]).collect();
    assert!(log_of(&all) > 0);
}
