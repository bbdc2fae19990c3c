//! Objects that an adoption does not take over: it stops, reports what to do, and nothing has changed.

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
    for (made, object, reason) in [
        ("", "TABLE public.patients", "table public.patients"),
        ("", "FUNCTION public.use_credits(uuid, text)", "function public.use_credits(uuid,text)"),
        ("", "SCHEMA auria", "schema auria"),
        (
            "CREATE FUNCTION auria.new_share_token() RETURNS text LANGUAGE sql AS $$ SELECT 'guessed' $$",
            "FUNCTION auria.new_share_token()",
            "function auria.new_share_token()",
        ),
        ("CREATE VIEW public.shared_links AS SELECT 1", "VIEW public.shared_links", "view public.shared_links"),
        (
            "CREATE MATERIALIZED VIEW public.shared_links AS SELECT 1",
            "MATERIALIZED VIEW public.shared_links",
            "materialized view public.shared_links",
        ),
        ("CREATE SEQUENCE public.shared_links", "SEQUENCE public.shared_links", "sequence public.shared_links"),
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
        assert!(refusal.message().contains(reason) && refusal.message().contains("mallory"), "{refusal:?}");
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
        ("CREATE MATERIALIZED VIEW public.shared_links AS SELECT 1", "materialized view"),
        ("CREATE SEQUENCE public.shared_links", "sequence"),
        ("CREATE TYPE public.shared_links AS (id uuid)", "index or type"),
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
fn a_function_that_cannot_be_replaced_stays_with_a_warning_until_it_is_dropped() {
    let body = "LANGUAGE sql AS $$ SELECT true $$";
    for made in [
        format!("CREATE FUNCTION public.use_credits(user_id uuid, p_operation text) RETURNS boolean {body}"),
        format!("CREATE FUNCTION public.use_credits(p_user_id uuid, p_operation text) RETURNS SETOF boolean {body}"),
        format!(
            "CREATE FUNCTION public.use_credits(p_user_id uuid, p_operation text DEFAULT 'case_analysis') \
             RETURNS boolean {body}"
        ),
        format!("CREATE PROCEDURE public.use_credits(p_user_id uuid, p_operation text) {body}"),
        "CREATE FUNCTION public.later(boolean, uuid, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$; \
         CREATE AGGREGATE public.use_credits(uuid, text) (SFUNC = public.later, STYPE = boolean)"
            .to_owned(),
    ] {
        let db = database_before_shared_links();
        let mut admin = db.superuser();
        let is_function = made.starts_with("CREATE FUNCTION public.use");
        let view = if is_function {
            "CREATE VIEW public.spending AS SELECT public.use_credits(NULL::uuid, 'x'::text) AS spent"
        } else {
            ""
        };
        admin.run(&format!("DROP FUNCTION public.use_credits(uuid, text); {made}; {view}"));
        admin.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'");
        admin.notices();
        admin.run(CREATE);
        let warning = "auria: function public.use_credits(uuid,text) was left unchanged: its declaration differs and \
                       other objects depend on it; drop it, then run SELECT auria.restore_function('public.use_credits(uuid,text)')";
        assert!(admin.notices().iter().any(|notice| notice.message() == warning), "{made}");
        admin.run(
            "DROP ROUTINE public.use_credits(uuid, text) CASCADE; \
             SELECT auria.restore_function('public.use_credits(uuid,text)')",
        );
        assert!(admin.value::<bool>(
            "SELECT lanname = 'c' FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang \
              WHERE p.oid = 'public.use_credits(uuid,text)'::regprocedure"
        ));
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
fn every_function_that_is_declared_as_a_managed_one_is_replaced_and_so_is_one_without_names() {
    let declared = column(
        &mut auria_tests::database().superuser(),
        "SELECT format('FUNCTION public.%I(%s) RETURNS %s', proname, pg_get_function_arguments(oid), \
                       pg_get_function_result(oid)) \
           FROM pg_proc WHERE oid IN (SELECT objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid \
                                       WHERE d.deptype = 'x' AND e.extname = 'auria') \
            AND pronamespace = 'public'::regnamespace",
    );
    assert_eq!(declared.len(), public_functions().len());
    let unnamed = declared.iter().map(|line| {
        ["p_user_id ", "p_operation ", "p_reference_id ", "p_credits ", "plaintext ", "ciphertext ", "p_token "]
            .iter()
            .fold(line.clone(), |line, name| line.replace(name, ""))
    });
    for declarations in [declared.clone(), unnamed.collect()] {
        let db = empty_database();
        let mut admin = db.superuser();
        admin.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; BEGIN; SET LOCAL check_function_bodies = off");
        for declaration in &declarations {
            admin.run(&format!("CREATE {declaration} LANGUAGE plpgsql AS ''"));
        }
        admin.run("COMMIT");
        admin.run(CREATE);
        let replaced = "SELECT count(*) FROM auria.replaced_functions";
        assert_eq!(admin.value::<i64>(replaced), public_functions().len() as i64);
    }
}

/// An object that a stranger may have put behind a table of a database that is adopted, and its name in the error.
const OF_A_STRANGER: [(&str, &str); 18] = [
    (
        "CREATE DOMAIN public.note AS text; ALTER TABLE public.patients ADD sly public.note; \
         ALTER DOMAIN public.note OWNER TO mallory",
        "type public.note of public.patients.sly",
    ),
    (
        "CREATE DOMAIN public.note AS text CHECK (public.sly(VALUE)); ALTER TABLE public.patients ADD sly public.note",
        "function public.sly(text)",
    ),
    (
        "CREATE TYPE public.note AS (sly text); ALTER TABLE public.patients ADD sly public.note[]; \
         ALTER TYPE public.note OWNER TO mallory",
        "type public.note",
    ),
    (
        "CREATE TRIGGER sly AFTER UPDATE ON public.patients FOR EACH ROW EXECUTE FUNCTION public.sly_trigger()",
        "trigger function public.sly_trigger() on table public.patients",
    ),
    (
        "CREATE TRIGGER sly AFTER UPDATE ON public.patients FOR EACH ROW WHEN (public.sly(NEW.name)) \
         EXECUTE FUNCTION public.update_updated_at_column()",
        "function public.sly(text)",
    ),
    (
        "ALTER TABLE public.patients ADD sly boolean; ALTER TABLE public.patients ALTER sly SET DEFAULT public.sly('')",
        "function public.sly(text)",
    ),
    (
        "ALTER TABLE public.patients ADD sly boolean GENERATED ALWAYS AS (public.sly(name)) STORED",
        "function public.sly(text)",
    ),
    ("ALTER TABLE public.patients ADD CHECK (public.sly(name)) NOT VALID", "function public.sly(text)"),
    ("CREATE INDEX ON public.patients (public.sly(name))", "function public.sly(text)"),
    ("CREATE INDEX ON public.patients (name) WHERE public.sly(name)", "function public.sly(text)"),
    ("CREATE STATISTICS public.sly ON public.sly(name), name FROM public.patients", "function public.sly(text)"),
    (
        "CREATE OPERATOR public.=== (FUNCTION = public.same, LEFTARG = text, RIGHTARG = text); \
         ALTER OPERATOR public.=== (text, text) OWNER TO mallory; \
         ALTER TABLE public.patients ADD CHECK (name OPERATOR(public.===) name) NOT VALID",
        "operator public.===(text,text)",
    ),
    (
        "CREATE OPERATOR public.=== (FUNCTION = public.sly_same, LEFTARG = text, RIGHTARG = text); \
         ALTER TABLE public.patients ADD CHECK (name OPERATOR(public.===) name) NOT VALID",
        "function public.sly_same(text,text)",
    ),
    (
        "CREATE OPERATOR CLASS public.sly_ops FOR TYPE text USING hash AS OPERATOR 1 =, FUNCTION 1 hashtext(text); \
         CREATE INDEX ON public.patients USING hash (name public.sly_ops); \
         ALTER OPERATOR CLASS public.sly_ops USING hash OWNER TO mallory",
        "operator class sly_ops",
    ),
    (
        "CREATE OPERATOR CLASS public.sly_ops FOR TYPE text USING hash AS OPERATOR 1 =, FUNCTION 1 public.sly_hash(text); \
         CREATE INDEX ON public.resins USING hash (name public.sly_ops)",
        "function public.sly_hash(text)",
    ),
    (
        "CREATE RULE sly AS ON UPDATE TO public.patients DO ALSO SELECT public.sly(NEW.name)",
        "rule sly on public.patients",
    ),
    (
        "CREATE TABLE public.sly (name text); ALTER TABLE public.sly OWNER TO mallory; \
         CREATE RULE sly AS ON UPDATE TO public.patients DO ALSO INSERT INTO public.sly VALUES (NEW.name)",
        "rule sly on public.patients",
    ),
    (
        "DROP TABLE public.rate_limits; CREATE TABLE public.rate_limits (user_id uuid) PARTITION BY LIST (user_id); \
         CREATE TABLE public.sly PARTITION OF public.rate_limits DEFAULT; ALTER TABLE public.sly OWNER TO mallory",
        "table public.sly",
    ),
];

#[test]
fn what_a_stranger_put_behind_a_table_stops_the_installation_and_nothing_changes() {
    let db = database_before_shared_links();
    let mut admin = db.superuser();
    // A superuser who uses a stranger's functions, which only runs with their own rights where nobody calls it.
    admin.run(
        "CREATE FUNCTION public.sly(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; \
         CREATE FUNCTION public.same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; \
         CREATE FUNCTION public.sly_same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; \
         CREATE FUNCTION public.sly_hash(text) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1'; \
         CREATE FUNCTION public.sly_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
         ALTER FUNCTION public.sly(text) OWNER TO mallory; ALTER FUNCTION public.sly_same(text, text) OWNER TO mallory; \
         ALTER FUNCTION public.sly_hash(text) OWNER TO mallory; ALTER FUNCTION public.sly_trigger() OWNER TO mallory",
    );
    for (made, named) in OF_A_STRANGER {
        admin.run(&format!("BEGIN; {made}; SAVEPOINT made"));
        let refusal = refused_with(admin.batch_execute(CREATE), "42501");
        assert!(
            refusal.message().starts_with(&format!("will not take over {named}"))
                && refusal.message().ends_with("which belongs to role \"mallory\""),
            "{made}: {refusal:?}"
        );
        assert!(refusal.detail().unwrap().contains("nothing was changed"));
        assert!(refusal.hint().unwrap().contains("auria.trusted_owners"));
        admin.run("ROLLBACK");
    }
    let before = untouched(&mut admin);
    admin.run("CREATE TRIGGER sly BEFORE INSERT ON storage.buckets FOR EACH ROW EXECUTE FUNCTION public.sly_trigger()");
    let refusal = refused_installation(&mut admin, "42501");
    assert!(
        refusal.message().contains("trigger function public.sly_trigger() on table storage.buckets"),
        "{refusal:?}"
    );
    admin.run("DROP TRIGGER sly ON storage.buckets");
    assert_eq!(before, untouched(&mut admin));
    admin.run(CREATE);
}

#[test]
fn a_table_that_a_stranger_makes_while_the_installation_waits_for_a_lock_stops_it() {
    let db = database_before_shared_links();
    let mut admin = db.superuser();
    admin.run("GRANT CREATE ON SCHEMA public TO mallory");
    let before = untouched(&mut admin);
    let mut holder = db.superuser();
    holder.run("BEGIN; LOCK TABLE public.profiles");
    std::thread::scope(|scope| {
        let installation = scope.spawn(|| refused_with(db.superuser().batch_execute(CREATE), "42501"));
        while !admin.value::<bool>(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'public.profiles'::regclass)",
        ) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let mut stranger = db.superuser();
        stranger.run(
            "SET ROLE mallory; CREATE TABLE public.shared_links (id uuid, user_id uuid, session_id uuid, token text)",
        );
        holder.run("COMMIT");
        let refusal = installation.join().unwrap();
        assert!(refusal.message().contains("shared_links"), "{refusal:?}");
    });
    admin.run("DROP TABLE public.shared_links");
    assert_eq!(before, untouched(&mut admin));
    // A function is found by the check at the end.
    holder.run("BEGIN; LOCK TABLE public.profiles");
    std::thread::scope(|scope| {
        let installation = scope.spawn(|| refused_with(db.superuser().batch_execute(CREATE), "42501"));
        while !admin.value::<bool>(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'public.profiles'::regclass)",
        ) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        admin.run(
            "CREATE TABLE public.late (id uuid); CREATE INDEX ON public.resins (length(name)); \
             CREATE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
             ALTER FUNCTION public.late() OWNER TO mallory; \
             CREATE TRIGGER late BEFORE UPDATE ON public.resins FOR EACH ROW EXECUTE FUNCTION public.late()",
        );
        holder.run("COMMIT");
        let refusal = installation.join().unwrap();
        assert!(
            refusal.message().starts_with("will not take over trigger function public.late() on table public.resins"),
            "{refusal:?}"
        );
        assert!(refusal.hint().unwrap().contains("auria.trusted_owners"));
    });
}
