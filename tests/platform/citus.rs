//! Citus in the same database. Debian has no package of it: a stand-in has its name, its catalogue and its setting.

use std::fs;
use std::sync::Arc;

use auria_tests::{ClusterOptions, Database, Platform, Stage, refused_with, repository};

fn stage_with_citus() -> Arc<Stage> {
    let stage = Stage::without_extension();
    stage.install(&Stage::shared().library(), &Stage::shared().scripts());
    for name in ["citus.control", "citus--1.0.sql"] {
        fs::copy(repository().join("tests/fixtures/citus").join(name), stage.scripts().join(name)).unwrap();
    }
    stage
}

fn check_of_tables(db: &Database) -> (bool, String) {
    let query = "SELECT ok, detail FROM auria.doctor() WHERE \"check\" = 'tables'";
    let row = db.superuser().query_one(query, &[]).unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn ddl_of_the_extension_stays_on_this_server_and_the_doctor_says_what_citus_cannot_do() {
    let cluster = ClusterOptions::default().platform(Platform::PostgreSql).on(&stage_with_citus()).start();
    let db = cluster.empty_database();
    let mut dba = db.superuser();
    dba.run("CREATE EXTENSION citus");
    // The stand-in notices what is repeated.
    let repeated = refused_with(dba.batch_execute("CREATE TABLE public.noted (id integer)"), "P0001");
    assert!(repeated.message().contains("Citus repeats CREATE TABLE"), "{repeated:?}");
    dba.run("CREATE EXTENSION auria CASCADE");
    assert!(check_of_tables(&db).0);
    for statement in [
        "SELECT * FROM auria.migrate(again => true)",
        "CALL auria.phi_seal()",
        "SELECT * FROM auria.migrate(again => true)",
        "CALL auria.phi_unseal()",
        "SELECT auria.restore_function('public.use_credits(uuid,text)')",
    ] {
        dba.run(statement);
        // The team's own statements are repeated as before.
        refused_with(dba.batch_execute("CREATE TABLE public.noted (id integer)"), "P0001");
    }
    let (is_ok, detail) = check_of_tables(&db);
    assert!(is_ok && detail.starts_with("note: Citus cannot distribute these tables"), "{detail}");

    // Known to Citus because another table refers to it: it stays on this server.
    dba.run("INSERT INTO pg_dist_partition VALUES ('public.profiles', 'n', 's')");
    assert!(check_of_tables(&db).0);
    dba.run("INSERT INTO pg_dist_partition VALUES ('public.credit_usage', 'h', 's'), ('public.resins', 'n', 't')");
    let (is_ok, detail) = check_of_tables(&db);
    assert!(!is_ok && detail.contains("run SELECT undistribute_table('public.credit_usage')"), "{detail}");
    assert!(detail.contains("public.resins is distributed by Citus"), "{detail}");
}
