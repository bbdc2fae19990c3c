//! What an adoption will not take over: it stops, says what to do, and nothing has changed.

use auria_tests::{Database, Session, empty_database, public_functions, refused_with};
use postgres::error::DbError;

use crate::support::catalogue::column;
use crate::support::legacy::database_at;

const CREATE: &str = "CREATE EXTENSION auria CASCADE";

/// A database without shared links, so that something else can have their name.
fn database_before_shared_links() -> Database<'static> {
    let db = database_at(7);
    db.superuser().run(
        "DO $$ BEGIN CREATE ROLE mallory; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$; \
         CREATE SCHEMA auria",
    );
    db
}

/// Everything an adoption would change.
fn untouched(session: &mut Session) -> Vec<String> {
    column(
        session,
        "SELECT format('%s %s %s', oid::regprocedure, prosrc, proacl) FROM pg_proc \
          WHERE pronamespace IN ('public'::regnamespace, 'auria'::regnamespace) \
         UNION ALL SELECT format('%s %s %s %s', oid::regclass, relkind, relowner::regrole, relacl) FROM pg_class \
          WHERE relnamespace IN ('public'::regnamespace, 'auria'::regnamespace) \
         UNION ALL SELECT format('%s %s', polname, polrelid::regclass) FROM pg_policy \
         UNION ALL SELECT extname FROM pg_extension ORDER BY 1",
    )
}

/// The refusal of an installation, after which everything is as it was.
#[track_caller]
fn refused_installation(admin: &mut Session, sqlstate: &str) -> DbError {
    let before = untouched(admin);
    let refusal = refused_with(admin.batch_execute(CREATE), sqlstate);
    assert_eq!(before, untouched(admin));
    refusal
}

#[test]
fn what_belongs_to_somebody_untrusted_stops_the_installation_and_nothing_changes() {
    for (made, object, told) in [
        ("", "TABLE public.patients", "table public.patients"),
        (
            "",
            "FUNCTION public.use_credits(uuid, text)",
            "function public.use_credits(uuid,text)",
        ),
        ("", "SCHEMA auria", "schema auria"),
        (
            "CREATE FUNCTION auria.new_share_token() RETURNS text LANGUAGE sql AS $$ SELECT 'guessed' $$",
            "FUNCTION auria.new_share_token()",
            "function auria.new_share_token()",
        ),
        (
            "CREATE VIEW public.shared_links AS SELECT 1",
            "VIEW public.shared_links",
            "view public.shared_links",
        ),
        (
            "CREATE MATERIALIZED VIEW public.shared_links AS SELECT 1",
            "MATERIALIZED VIEW public.shared_links",
            "materialized view public.shared_links",
        ),
        (
            "CREATE SEQUENCE public.shared_links",
            "SEQUENCE public.shared_links",
            "sequence public.shared_links",
        ),
        (
            "CREATE TABLE public.links (id uuid) PARTITION BY LIST (id); \
             CREATE TABLE public.shared_links PARTITION OF public.links DEFAULT",
            "TABLE public.shared_links",
            "table public.shared_links",
        ),
    ] {
        let db = database_before_shared_links();
        let mut admin = db.superuser();
        admin.run(&format!("{made}; ALTER {object} OWNER TO mallory"));
        let refusal = refused_installation(&mut admin, "42501");
        assert!(
            refusal.message().contains(told) && refusal.message().contains("mallory"),
            "{refusal:?}"
        );
        assert!(refusal.hint().unwrap().contains("auria.trusted_owners"));
        if made.is_empty() {
            admin.run("LOAD 'auria_pg'; SET auria.trusted_owners = 'somebody, mallory'");
            admin.run(CREATE);
        }
    }
}

#[test]
fn what_has_the_name_of_a_table_and_is_none_stops_the_installation_whoever_owns_it() {
    for (made, kind) in [
        ("CREATE VIEW public.shared_links AS SELECT 1", "view"),
        (
            "CREATE MATERIALIZED VIEW public.shared_links AS SELECT 1",
            "materialized view",
        ),
        ("CREATE SEQUENCE public.shared_links", "sequence"),
        (
            "CREATE TYPE public.shared_links AS (id uuid)",
            "index or type",
        ),
        (
            "CREATE TABLE public.links (id uuid) PARTITION BY LIST (id); \
             CREATE TABLE public.shared_links PARTITION OF public.links DEFAULT",
            "partition",
        ),
    ] {
        let db = database_before_shared_links();
        let mut admin = db.superuser();
        admin.run(made);
        let refusal = refused_installation(&mut admin, "42809");
        assert_eq!(
            refusal.message(),
            format!("will not take over {kind} public.shared_links: it is no table of its own")
        );
        assert!(refusal.hint().unwrap().contains("Rename it"));
    }
}

#[test]
fn a_function_that_cannot_be_replaced_stops_the_installation_until_it_is_renamed() {
    let body = "LANGUAGE sql AS $$ SELECT true $$";
    for (made, difference) in [
        (
            format!("CREATE FUNCTION public.use_credits(user_id uuid, p_operation text) RETURNS boolean {body}"),
            "function that takes (user_id uuid, p_operation text) and returns boolean",
        ),
        (
            format!("CREATE FUNCTION public.use_credits(p_user_id uuid, p_operation text) RETURNS SETOF boolean {body}"),
            "function that takes (p_user_id uuid, p_operation text) and returns SETOF boolean",
        ),
        (
            format!(
                "CREATE FUNCTION public.use_credits(p_user_id uuid, p_operation text DEFAULT 'case_analysis') \
                 RETURNS boolean {body}"
            ),
            "function that takes (p_user_id uuid, p_operation text DEFAULT 'case_analysis'::text) and returns boolean",
        ),
        (
            format!("CREATE PROCEDURE public.use_credits(p_user_id uuid, p_operation text) {body}"),
            "procedure that takes (",
        ),
        (
            "CREATE FUNCTION public.later(boolean, uuid, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$; \
             CREATE AGGREGATE public.use_credits(uuid, text) (SFUNC = public.later, STYPE = boolean)"
                .to_owned(),
            "aggregate that takes (uuid, text) and returns boolean",
        ),
    ] {
        let db = database_before_shared_links();
        let mut admin = db.superuser();
        admin.run(&format!("DROP FUNCTION public.use_credits(uuid, text); {made}"));
        let refusal = refused_installation(&mut admin, "42P13");
        assert_eq!(
            refusal.message(),
            "will not take over public.use_credits(uuid,text): it is declared otherwise"
        );
        let detail = refusal.detail().unwrap();
        assert!(
            detail.contains(difference)
                && detail.contains("takes (p_user_id, p_operation) and returns boolean"),
            "{detail}"
        );
        assert!(
            refusal
                .hint()
                .unwrap()
                .contains("ALTER ROUTINE public.use_credits(uuid,text) RENAME TO")
        );
        admin.run("ALTER ROUTINE public.use_credits(uuid,text) RENAME TO use_credits_before");
        admin.run(CREATE);
    }
}

#[test]
fn a_procedure_with_the_name_of_an_internal_function_stops_the_installation() {
    let db = database_before_shared_links();
    let mut admin = db.superuser();
    admin.run("CREATE PROCEDURE auria.doctor() LANGUAGE sql AS $$ SELECT $$");
    let refusal = refused_installation(&mut admin, "42723");
    assert!(refusal.message().contains("doctor"), "{refusal:?}");
}

#[test]
fn every_function_that_is_declared_as_ours_is_taken_over_and_so_is_one_without_names() {
    let declared = column(
        &mut auria_tests::database().superuser(),
        "SELECT format('FUNCTION public.%I(%s) RETURNS %s', proname, pg_get_function_arguments(oid), \
                       pg_get_function_result(oid)) \
           FROM pg_proc WHERE oid IN (SELECT objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid \
                                       WHERE d.deptype = 'e' AND e.extname = 'auria') \
            AND pronamespace = 'public'::regnamespace",
    );
    assert_eq!(declared.len(), public_functions().len());
    let unnamed = declared.iter().map(|line| {
        [
            "p_user_id ",
            "p_operation ",
            "p_reference_id ",
            "p_credits ",
            "plaintext ",
            "ciphertext ",
            "p_token ",
        ]
        .iter()
        .fold(line.clone(), |line, name| line.replace(name, ""))
    });
    for declarations in [declared.clone(), unnamed.collect()] {
        let db = empty_database();
        let mut admin = db.superuser();
        admin.run("SET check_function_bodies = off");
        for declaration in &declarations {
            admin.run(&format!("CREATE {declaration} LANGUAGE plpgsql AS ''"));
        }
        admin.run(CREATE);
        let taken_over = admin
            .notices()
            .iter()
            .filter(|notice| {
                notice
                    .message()
                    .ends_with("is taken over and replaced by the compiled one")
            })
            .count();
        assert_eq!(taken_over, public_functions().len());
    }
}
