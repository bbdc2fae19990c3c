//! What a backend caches to write rows without SQL: an error leaves nothing of it half-made, and what may run code of
//! somebody's goes by SQL.

use auria_tests::{Database, Session, database, refused_with};
use uuid::Uuid;

use super::direct::{is_direct, service_on_plan, use_of};

fn used(session: &mut Session) -> i32 {
    session.value("SELECT credits_used_this_month FROM public.subscriptions")
}

/// A constraint that needs more stack to be made ready than the session has for a moment.
fn add_deep_constraint(dba: &mut Session) {
    let (open, close) = ("abs(".repeat(600), ")".repeat(600));
    dba.run(&format!(
        "ALTER TABLE public.subscriptions ADD CONSTRAINT zz CHECK ({open}credits_used_this_month{close} <= 2)"
    ));
}

fn fails_for_lack_of_stack(session: &mut Session, user: Uuid) {
    session.run("SET max_stack_depth = '150kB'");
    refused_with(session.batch_execute(&use_of(user)), "54001");
    session.run("RESET max_stack_depth");
}

#[test]
fn a_constraint_holds_after_an_error_in_the_middle_of_a_backends_first_charge() {
    let db = database();
    let (_, user) = service_on_plan(&db);
    let mut session = db.superuser();
    add_deep_constraint(&mut session);
    fails_for_lack_of_stack(&mut session, user);
    for _ in 0..2 {
        assert!(is_direct(&mut session, &use_of(user)));
    }
    for _ in 0..2 {
        refused_with(session.batch_execute(&use_of(user)), "23514");
    }
    // The table is known by now, and what the last refusal left is made anew.
    session.run("UPDATE public.subscriptions SET credits_used_this_month = 0");
    fails_for_lack_of_stack(&mut session, user);
    for _ in 0..2 {
        assert!(is_direct(&mut session, &use_of(user)));
    }
    refused_with(session.batch_execute(&use_of(user)), "23514");
    assert_eq!(used(&mut session), 2);
}

#[test]
fn a_constraint_holds_after_errors_inside_of_subtransactions() {
    let db = database();
    let (_, user) = service_on_plan(&db);
    let mut session = db.superuser();
    add_deep_constraint(&mut session);
    session.run("BEGIN");
    for _ in 0..3 {
        session.run("SAVEPOINT before");
        fails_for_lack_of_stack_inside(&mut session, user);
        session.run("SAVEPOINT before");
        session.run(&use_of(user));
        session.run(&use_of(user));
        refused_with(session.batch_execute(&use_of(user)), "23514");
        session.run("ROLLBACK TO before");
    }
    session.run("COMMIT");
    assert_eq!(used(&mut session), 0);
}

fn fails_for_lack_of_stack_inside(session: &mut Session, user: Uuid) {
    session.run("SET max_stack_depth = '150kB'");
    refused_with(session.batch_execute(&use_of(user)), "54001");
    session.run("ROLLBACK TO before");
}

#[test]
fn refused_charges_do_not_fill_the_memory_of_their_backend() {
    let db = database();
    let (_, user) = service_on_plan(&db);
    let mut session = db.superuser();
    session.run("ALTER TABLE public.credit_usage ADD CONSTRAINT none CHECK (credits_used < 1)");
    let mut refuse = |times: u32| {
        for _ in 0..times {
            refused_with(session.batch_execute(&use_of(user)), "23514");
        }
        session
            .value::<i64>("SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts WHERE name = 'auria table'")
    };
    let after_few = refuse(3);
    assert_eq!(refuse(50), after_few);
}

/// Charges while it is called, once.
fn code_that_charges(db: &Database, user: Uuid) {
    db.superuser().run(&format!(
        "CREATE FUNCTION public.charges(integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
             IF current_setting('test.charges', true) = 'on' THEN
                 PERFORM set_config('test.charges', 'off', false);
                 PERFORM public.use_credits('{user}', 'case_analysis');
             END IF;
             RETURN true;
         END $$;
         CREATE DOMAIN public.checked AS integer CHECK (public.charges(VALUE));
         CREATE TYPE public.kind AS (n public.checked);
         GRANT USAGE ON SCHEMA public TO auria_owner"
    ));
}

/// Expressions that call it without naming it.
const HIDDEN_CALLS: [(&str, &str); 7] = [
    ("a cast to a domain", "ADD CHECK (credits_used::public.checked IS NOT NULL)"),
    ("a cast to an array of a domain", "ADD CHECK (ARRAY[credits_used]::public.checked[] IS NOT NULL)"),
    ("a cast by way of text", "ADD CHECK (credits_used::text::public.checked IS NOT NULL)"),
    (
        "a row made of JSON",
        "ADD CHECK (jsonb_populate_record(NULL::public.kind, jsonb_build_object('n', credits_used)) IS NOT NULL)",
    ),
    ("a query in XML", "ADD CHECK (query_to_xml('SELECT public.charges(1)', true, false, '') IS NOT NULL)"),
    (
        "a query that rewrites a search",
        "ADD CHECK (ts_rewrite('a'::tsquery, $$SELECT 'a'::tsquery, 'b'::tsquery WHERE public.charges(1)$$) IS NOT NULL)",
    ),
    ("a default", "ADD COLUMN n integer DEFAULT 1::public.checked::integer"),
];

#[test]
fn code_that_an_expression_hides_and_that_charges_itself_is_called_by_sql() {
    for (what, hidden) in HIDDEN_CALLS {
        let db = database();
        let (mut service, user) = service_on_plan(&db);
        code_that_charges(&db, user);
        let mut dba = db.superuser();
        dba.run(&format!("ALTER TABLE public.credit_usage {hidden}"));
        service.run("SET test.charges = 'on'");
        assert!(!is_direct(&mut service, &use_of(user)), "{what}");
        assert_eq!(used(&mut dba), 2, "{what}");
        assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.credit_usage"), 2, "{what}");
    }
}

#[test]
fn code_that_an_index_compares_with_is_called_by_sql() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    code_that_charges(&db, user);
    let mut dba = db.superuser();
    dba.run(
        "CREATE FUNCTION public.compare(integer, integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
             PERFORM public.charges(1); RETURN btint4cmp($1, $2); END $$;
         CREATE OPERATOR CLASS public.charging FOR TYPE integer USING btree AS
             OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
             FUNCTION 1 public.compare(integer, integer);
         CREATE INDEX ON public.credit_usage (credits_used public.charging)",
    );
    // It does not charge here: PostgreSQL calls it with the index's page locked.
    assert!(!is_direct(&mut service, &use_of(user)));
    assert_eq!(used(&mut dba), 1);
}

#[test]
fn what_is_known_to_do_nothing_else_needs_no_sql() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    db.superuser().run(
        "ALTER TABLE public.credit_usage
             ADD CHECK (CASE WHEN credits_used > 0 THEN lower(operation) <> 'x' ELSE coalesce(is_free, true) IS NOT NULL END),
             ADD CHECK (operation NOT IN ('a', 'b') AND operation NOT LIKE '%!' AND greatest(credits_used, 1) > 0),
             ADD COLUMN seen timestamptz DEFAULT now(), ADD COLUMN day timestamptz DEFAULT CURRENT_TIMESTAMP,
             ADD COLUMN late timestamptz DEFAULT now() + interval '1 day', ADD COLUMN other uuid DEFAULT gen_random_uuid(),
             ADD COLUMN n bigint GENERATED BY DEFAULT AS IDENTITY",
    );
    assert!(is_direct(&mut service, &use_of(user)));
}
