//! Prices and plans that change: a backend keeps both tables, and nobody may notice.

use auria_tests::{As, ClusterOptions, Session, database, refused_with};

fn cost(session: &mut Session) -> i32 {
    session.value("SELECT public.get_credit_cost('case_analysis')")
}

fn set_cost(session: &mut Session, credits: i32) {
    session.run(&format!("UPDATE public.credit_costs SET credits = {credits} WHERE operation = 'case_analysis'"));
}

#[test]
fn the_next_statement_of_every_session_sees_a_new_price_also_within_a_transaction() {
    let db = database();
    let mut sessions = [db.service(), db.anon(), db.superuser()];
    let mut backend = db.service();
    for session in &mut sessions {
        session.run("BEGIN");
        assert_eq!(cost(session), 1);
    }
    for credits in [3, 0, 7] {
        set_cost(&mut backend, credits);
        for session in &mut sessions {
            assert_eq!(cost(session), credits);
            assert_eq!(cost(session), credits);
        }
    }
    backend.run("DELETE FROM public.credit_costs WHERE operation = 'case_analysis'");
    for session in &mut sessions {
        assert_eq!(cost(session), 1, "an operation without a price costs 1");
    }
    backend.run("INSERT INTO public.credit_costs (operation, credits) VALUES ('case_analysis', 5)");
    for session in &mut sessions {
        assert_eq!(cost(session), 5);
    }
    let mut owner = db.superuser();
    for session in &mut sessions {
        session.run("COMMIT");
    }
    owner.run("TRUNCATE public.credit_costs");
    for session in &mut sessions {
        assert_eq!(cost(session), 1);
    }
}

#[test]
fn a_price_that_is_not_committed_counts_for_who_set_it_alone_and_not_after_a_rollback() {
    let db = database();
    let (mut setting, mut other) = (db.superuser(), db.service());
    assert_eq!([cost(&mut setting), cost(&mut other)], [1, 1]);
    setting.run("BEGIN");
    set_cost(&mut setting, 3);
    assert_eq!([cost(&mut setting), cost(&mut other)], [3, 1]);
    setting.run("SAVEPOINT a");
    set_cost(&mut setting, 4);
    assert_eq!([cost(&mut setting), cost(&mut other)], [4, 1]);
    setting.run("ROLLBACK TO a");
    assert_eq!([cost(&mut setting), cost(&mut other)], [3, 1]);
    setting.run("SAVEPOINT b; TRUNCATE public.credit_costs; INSERT INTO public.credit_costs (operation, credits) VALUES ('case_analysis', 9)");
    assert_eq!(cost(&mut setting), 9);
    setting.run("ROLLBACK TO b");
    assert_eq!([cost(&mut setting), cost(&mut other)], [3, 1]);
    setting.run("ROLLBACK");
    assert_eq!([cost(&mut setting), cost(&mut other)], [1, 1]);
    setting.run("BEGIN");
    set_cost(&mut setting, 6);
    setting.run("COMMIT");
    assert_eq!([cost(&mut setting), cost(&mut other)], [6, 6]);
}

#[test]
fn a_transaction_that_keeps_its_snapshot_keeps_its_price() {
    let db = database();
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let (mut backend, mut reader) = (db.superuser(), db.superuser());
        set_cost(&mut backend, 1);
        reader.run(&format!("BEGIN ISOLATION LEVEL {level}; SELECT 1"));
        reader.run("SELECT count(*) FROM public.profiles");
        set_cost(&mut backend, 8);
        assert_eq!(cost(&mut reader), 1, "{level}");
        assert_eq!(cost(&mut reader), 1, "{level}");
        reader.run("COMMIT");
        assert_eq!(cost(&mut reader), 8, "{level}");
    }
    // And a cursor keeps the price of when it was opened, while its transaction sees the new one.
    let (mut backend, mut reader) = (db.superuser(), db.superuser());
    set_cost(&mut backend, 1);
    reader.run("BEGIN; DECLARE c CURSOR FOR SELECT public.get_credit_cost('case_analysis') FROM generate_series(1, 4)");
    let fetch = |reader: &mut Session| reader.value::<i32>("FETCH 1 FROM c");
    assert_eq!(fetch(&mut reader), 1);
    set_cost(&mut backend, 2);
    assert_eq!([fetch(&mut reader), cost(&mut reader)], [1, 2]);
    set_cost(&mut reader, 5);
    assert_eq!([fetch(&mut reader), cost(&mut reader)], [1, 5]);
    assert_eq!(fetch(&mut reader), 1);
}

#[test]
fn a_new_price_and_a_new_plan_count_where_triggers_do_not_fire() {
    let db = database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "starter");
    let mut service = db.service();
    let mut may = |operation: &str| -> bool {
        service.query_one("SELECT public.can_use_credits($1, $2)", &[&ana, &operation]).unwrap().get(0)
    };
    assert!(may("case_analysis"));
    // As a replication worker writes.
    let mut worker = db.superuser();
    worker.run("SET session_replication_role = replica");
    set_cost(&mut worker, 6);
    assert!(!may("case_analysis"));
    worker.run("UPDATE public.subscription_plans SET credits_per_month = 6 WHERE id = 'starter'");
    assert!(may("case_analysis"));
    worker.run("UPDATE public.subscription_plans SET credits_per_month = 0 WHERE id = 'starter'");
    assert!(!may("case_analysis"));
    worker.run("UPDATE public.subscription_plans SET credits_per_month = -1 WHERE id = 'starter'");
    assert!(may("case_analysis"));
}

#[test]
fn prices_survive_changes_of_their_table() {
    let db = database();
    let (mut owner, mut service) = (db.superuser(), db.service());
    set_cost(&mut owner, 3);
    assert_eq!(cost(&mut service), 3);
    // The pages stay, and the column is another one.
    owner.run("ALTER TABLE public.credit_costs RENAME credits TO former; ALTER TABLE public.credit_costs ADD credits integer NOT NULL DEFAULT 4");
    assert_eq!(cost(&mut service), 4);
    owner.run("VACUUM FULL public.credit_costs");
    assert_eq!(cost(&mut service), 4);
    owner.run("ALTER TABLE public.credit_costs ALTER credits TYPE integer USING credits + 1");
    assert_eq!(cost(&mut service), 5);
    // More pages than a backend keeps, and then few again.
    owner.run("ALTER TABLE public.credit_costs ALTER former DROP NOT NULL; INSERT INTO public.credit_costs (operation) SELECT 'op' || i || repeat('x', 100) FROM generate_series(1, 2000) i");
    assert_eq!(cost(&mut service), 5);
    set_cost(&mut owner, 6);
    assert_eq!(cost(&mut service), 6);
    owner.run("DELETE FROM public.credit_costs WHERE operation LIKE 'op%'");
    owner.run("VACUUM FULL public.credit_costs");
    set_cost(&mut owner, 7);
    assert_eq!(cost(&mut service), 7);
    owner.run("ALTER TABLE public.credit_costs RENAME TO away; CREATE TABLE public.credit_costs AS SELECT operation, 2 AS credits FROM public.away; GRANT SELECT ON public.credit_costs TO service_role");
    assert_eq!(cost(&mut service), 2);
    // A child's rows belong to the table.
    owner.run("CREATE TABLE public.child () INHERITS (public.credit_costs); DELETE FROM public.credit_costs; INSERT INTO public.child VALUES ('case_analysis', 9)");
    assert_eq!(cost(&mut service), 9);
}

#[test]
fn get_credit_cost_reads_with_the_rights_of_its_caller() {
    let db = database();
    let mut owner = db.superuser();
    set_cost(&mut owner, 3);
    owner.run("CREATE ROLE accountant_without_policy; GRANT SELECT ON public.credit_costs TO accountant_without_policy; GRANT EXECUTE ON FUNCTION public.get_credit_cost(text) TO accountant_without_policy; GRANT USAGE ON SCHEMA public TO accountant_without_policy");
    // In one session, so that what the one reads is kept when the other asks.
    assert_eq!(cost(&mut owner), 3);
    owner.run("SET ROLE accountant_without_policy");
    assert_eq!(cost(&mut owner), 1, "no policy shows a price");
    owner.run("SET ROLE anon");
    assert_eq!(cost(&mut owner), 3);
    owner.run(
        "RESET ROLE; CREATE POLICY office_hours ON public.credit_costs AS RESTRICTIVE FOR SELECT TO anon USING (false)",
    );
    owner.run("SET ROLE anon");
    assert_eq!(cost(&mut owner), 1);
    owner.run("RESET ROLE; DROP POLICY office_hours ON public.credit_costs; REVOKE SELECT ON public.credit_costs FROM anon; SET ROLE anon");
    refused_with(owner.batch_execute("SELECT public.get_credit_cost('case_analysis')"), "42501");
    owner.run("RESET ROLE; DROP OWNED BY accountant_without_policy; DROP ROLE accountant_without_policy");
}

#[test]
fn a_price_that_changes_while_many_ask_is_one_of_those_it_had() {
    let db = database();
    let answers = db.concurrently(4, As::Service, |client, session| {
        let mut seen = Vec::new();
        for round in 0..150 {
            if client == 0 {
                session.run("BEGIN");
                set_cost(session, 10 + round);
                assert_eq!(cost(session), 10 + round);
                session.run(if round % 3 == 0 { "ROLLBACK" } else { "COMMIT" });
            } else {
                let row = session
                    .query_one(
                        "SELECT public.get_credit_cost('case_analysis'), credits FROM public.credit_costs WHERE operation = 'case_analysis'",
                        &[],
                    )
                    .unwrap();
                let (called, read): (i32, i32) = (row.get(0), row.get(1));
                assert_eq!(called, read, "function and table agree within a statement");
                seen.push(called);
            }
        }
        seen
    });
    for price in answers.into_iter().flatten() {
        assert!(price == 1 || price % 3 != 1, "{price} was never committed");
    }
}

#[test]
fn a_standby_answers_with_the_price_of_its_primary() {
    let primary = ClusterOptions::default().durable().start();
    let db = primary.database();
    let standby = primary.standby();
    let mut backend = db.superuser();
    let mut asking = standby.session(db.name(), As::Service);
    assert_eq!(cost(&mut asking), 1);
    for credits in [4, 2, 9] {
        backend.run("BEGIN");
        set_cost(&mut backend, credits + 100);
        backend.run("ROLLBACK");
        set_cost(&mut backend, credits);
        standby.catch_up_with(&primary);
        assert_eq!(cost(&mut asking), credits);
        assert_eq!(cost(&mut asking), credits);
    }
}

#[test]
fn a_price_that_only_sql_can_see_is_looked_up_under_a_fixed_path() {
    let db = database();
    let mut dba = db.superuser();
    dba.run(
        "CREATE SCHEMA trap;
         CREATE FUNCTION trap.same(text, text) RETURNS boolean LANGUAGE plpgsql
             AS $$ BEGIN RAISE 'the trap was sprung'; END $$;
         CREATE OPERATOR trap.= (FUNCTION = trap.same, LEFTARG = text, RIGHTARG = text);
         SET search_path = trap, pg_catalog;
         BEGIN;
         UPDATE public.credit_costs SET credits = 7 WHERE operation OPERATOR(pg_catalog.=) 'case_analysis'",
    );
    refused_with(dba.batch_execute("SAVEPOINT before; SELECT 'a'::text = 'b'::text"), "P0001");
    dba.run("ROLLBACK TO before");
    assert_eq!(dba.value::<i32>("SELECT public.get_credit_cost('case_analysis')"), 7);
}

#[test]
fn a_price_that_changes_in_the_transaction_that_moved_its_table_is_seen() {
    let cluster = ClusterOptions::default()
        .setting("wal_level", "minimal")
        .setting("max_wal_senders", "0")
        .setting("allow_in_place_tablespaces", "on")
        .start();
    let db = cluster.database();
    let (mut moving, mut other) = (db.superuser(), db.service());
    moving.run("CREATE TABLESPACE elsewhere LOCATION ''");
    set_cost(&mut moving, 3);
    assert_eq!([cost(&mut moving), cost(&mut other)], [3, 3]);
    moving.run("BEGIN; ALTER TABLE public.credit_costs SET TABLESPACE elsewhere");
    assert_eq!(cost(&mut moving), 3);
    for credits in [4, 5] {
        set_cost(&mut moving, credits);
        assert_eq!(cost(&mut moving), credits);
    }
    moving.run("COMMIT");
    assert_eq!([cost(&mut moving), cost(&mut other)], [5, 5]);
    moving.run("BEGIN; ALTER TABLE public.credit_costs SET TABLESPACE pg_default; SAVEPOINT a");
    set_cost(&mut moving, 6);
    assert_eq!(cost(&mut moving), 6);
    moving.run("ROLLBACK TO a");
    assert_eq!(cost(&mut moving), 5);
    moving.run("ROLLBACK");
    assert_eq!([cost(&mut moving), cost(&mut other)], [5, 5]);
}
