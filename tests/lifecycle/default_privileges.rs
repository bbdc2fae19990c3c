//! A restore into a database whose default privileges give the API roles everything, as each Supabase has.

use auria_tests::{Database, Session, database, empty_database, refused_with};
use uuid::Uuid;

use super::dump_restore::fill;

/// As Supabase has it in `public`, and as a team may have it everywhere.
const DEFAULTS: &[&str] = &[
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
     ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
     ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO anon, authenticated;
     ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon, authenticated",
];

/// Restores a dump into the other database; returns what psql reports.
fn restore(db: &Database, into: &Database) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    db.cluster().client_succeeds("pg_dump", &["-f", path, db.name()]);
    let arguments = "-q -X -v ON_ERROR_STOP=1 --single-transaction -f";
    let arguments: Vec<&str> = arguments.split(' ').chain([path, into.name()]).collect();
    let output = into.cluster().client("psql", &arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn grants(session: &mut Session) -> (bool, String) {
    let row = session.query_one("SELECT ok, detail FROM auria.doctor() WHERE \"check\" = 'grants'", &[]).unwrap();
    (row.get(0), row.get(1))
}

fn is_refused(db: &Database, ana: Uuid) {
    for mut session in [db.anon(), db.authenticated(ana)] {
        refused_with(session.query("SELECT public.add_bonus_credits($1, 1000)", &[&ana]), "42501");
        refused_with(session.query("SELECT public.phi_decrypt('\\x00'::bytea)", &[]), "42501");
        refused_with(session.query("SELECT public.use_credits($1, 'case_analysis')", &[&ana]), "42501");
    }
}

#[test]
fn a_restore_under_default_privileges_hands_no_function_of_the_backend_to_visitors_and_says_how_to_mend_the_grants() {
    for defaults in DEFAULTS {
        let db = database();
        let ana = fill(&db);
        let restored = empty_database();
        let mut dba = restored.superuser();
        dba.run(defaults);
        let said = restore(&db, &restored);
        let superuser = db.cluster().superuser_name();
        assert!(said.contains(&format!("WARNING:  auria: default privileges of role \"{superuser}\"")), "{said}");
        assert!(said.contains("anon, authenticated"), "{said}");
        assert!(said.contains("SELECT * FROM auria.migrate(again => true)"), "{said}");
        // The grants are there, and the functions refuse all the same.
        let may = "SELECT has_function_privilege('anon', 'public.add_bonus_credits(uuid, integer)', 'EXECUTE')";
        assert!(dba.value::<bool>(may));
        is_refused(&restored, ana);

        let (is_ok, detail) = grants(&mut dba);
        assert!(!is_ok && detail.starts_with("anon may "), "{detail}");
        assert!(detail.contains("auria.migrate(again => true)"), "{detail}");
        dba.run("SELECT * FROM auria.migrate(again => true)");
        assert_eq!(grants(&mut dba), (true, String::new()));
        assert!(!dba.value::<bool>(may));
        is_refused(&restored, ana);
    }
}

#[test]
fn the_doctor_lists_first_and_in_words_what_api_roles_may_do_beyond_the_contract() {
    let db = database();
    let mut dba = db.superuser();
    dba.run("REVOKE SELECT ON public.resins FROM anon");
    for (statement, words) in [
        (
            "GRANT EXECUTE ON FUNCTION public.use_credits(uuid, text) TO anon",
            "anon may execute public.use_credits(uuid,text)",
        ),
        ("GRANT DELETE ON public.credit_usage TO authenticated", "authenticated may delete from public.credit_usage"),
        ("GRANT TRUNCATE ON public.patients TO service_role", "service_role may truncate public.patients"),
        ("GRANT UPDATE (cro) ON public.profiles TO anon", "anon may update column cro of public.profiles"),
        (
            "GRANT EXECUTE ON FUNCTION
                public.check_and_increment_rate_limit(uuid, text, timestamptz, timestamptz, timestamptz) TO PUBLIC",
            "PUBLIC may execute public.check_and_increment_rate_limit(",
        ),
        ("GRANT EXECUTE ON FUNCTION auria.export_user(uuid) TO anon", "anon may execute auria.export_user(uuid)"),
        (
            "GRANT EXECUTE ON PROCEDURE auria.reset_monthly(integer) TO anon",
            "anon may execute auria.reset_monthly(integer)",
        ),
        ("GRANT USAGE ON SEQUENCE public.credit_usage_entry_seq TO anon", "anon may use public.credit_usage_entry_seq"),
    ] {
        dba.run(statement);
        let (is_ok, detail) = grants(&mut dba);
        assert!(!is_ok && detail.starts_with(words), "{statement}: {detail}");
        assert!(detail.contains("missing or changed: public.resins anon"), "{detail}");
        dba.run("SELECT * FROM auria.migrate(again => true); REVOKE SELECT ON public.resins FROM anon");
        assert!(!grants(&mut dba).1.contains(words), "{statement}");
    }
}
