//! A backend that serves for days must not grow.

use auria_tests::{ClusterOptions, database, limit_memory, private_memory, refused_with};
use postgres::error::DbError;
use uuid::Uuid;

/// Resident memory may differ by this much between two readings.
const TOLERANCE: u64 = 5 * 1024 * 1024;
const WARM_UP: i32 = 20_000;
const CALLS: i32 = 200_000;

#[test]
fn a_backend_does_not_grow_over_two_hundred_thousand_calls_of_each_function() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let paying = db.sign_up_on_plan("bia@clinica.test", "starter");
    db.superuser().run("UPDATE public.subscriptions SET credits_used_this_month = 5");
    for call in [
        // What changes rows is called where it finds nothing to do: growth of
        // the tables is not growth of the backend.
        format!("use_credits('{paying}', 'case_analysis')"),
        format!("use_credits('{user}', 'letter')"),
        format!("use_credits('{paying}', 'case_analysis', '{}')", Uuid::new_v4()),
        format!("refund_credits('{paying}', 'case_analysis')"),
        format!("refund_credits('{paying}', 'case_analysis', '{}')", Uuid::new_v4()),
        format!("can_use_credits('{paying}', 'case_analysis')"),
        format!("can_use_credits('{user}', 'case_analysis')"),
        "get_credit_cost('case_analysis')".to_owned(),
        format!("can_create_case('{user}')"),
        format!("increment_case_usage('{}')", Uuid::new_v4()),
        "reset_monthly_usage_with_rollover()".to_owned(),
        "reset_monthly_usage()".to_owned(),
        "cleanup_old_rate_limits()".to_owned(),
        "phi_encrypt('Maria da Conceição')".to_owned(),
        "phi_decrypt(public.phi_encrypt('Maria da Conceição'))".to_owned(),
    ] {
        let mut session = db.superuser();
        let pid = session.backend_pid();
        // One statement a thousand calls: what a call leaves behind in the
        // backend stays, what it leaves in the statement's memory is freed.
        let many = format!("SELECT count(public.{call}) FROM generate_series(1, 1000)");
        let statement = session.prepare(&many).unwrap();
        let mut repeat = |calls: i32| {
            for _ in 0..calls / 1000 {
                session.query(&statement, &[]).unwrap();
            }
        };
        repeat(WARM_UP);
        let before = private_memory(pid);
        repeat(CALLS - WARM_UP);
        let after = private_memory(pid);
        assert!(after <= before + TOLERANCE, "{call}: {before} bytes, then {after}");
    }
}

#[test]
fn a_thousand_failed_calls_leave_nothing_behind() {
    let db = database();
    let mut session = db.superuser();
    let pid = session.backend_pid();
    let mut fail = |times: i32| {
        for _ in 0..times {
            assert!(session.query("SELECT public.use_credits(NULL, 'x')", &[]).is_err());
            assert!(session.query("SELECT public.use_credits(gen_random_uuid(), 'case_analysis')", &[]).is_err());
        }
    };
    fail(1_000);
    let before = private_memory(pid);
    fail(4_000);
    let after = private_memory(pid);
    assert!(after <= before + TOLERANCE, "{before} bytes, then {after}");
}

#[test]
fn an_error_that_there_is_no_memory_to_copy_ends_the_statement_and_not_the_server() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    // A trigger raises an error that names very long objects, in a statement that the extension runs. pgrx copies the names
    // before it turns the error into a panic.
    db.superuser().run(
        "CREATE FUNCTION public.fails() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE long text := repeat('x', 16 << 20);
         BEGIN
             RAISE EXCEPTION 'no' USING SCHEMA = long, TABLE = long, COLUMN = long, CONSTRAINT = long, DATATYPE = long;
         END $$;
         CREATE TRIGGER fails BEFORE INSERT ON public.credit_usage
             FOR EACH ROW EXECUTE FUNCTION public.fails()",
    );
    let mut witness = db.superuser();
    let before = witness.backend_pid();
    let charge = format!("SELECT public.use_credits('{user}', 'case_analysis')");
    let attempted =
        format!("DO $$ BEGIN PERFORM public.use_credits('{user}', 'case_analysis'); EXCEPTION WHEN OTHERS THEN END $$");
    let mut out_of_memory = 0;
    // Somewhere in between, the error fits once and not twice.
    for headroom in (0..320).step_by(10) {
        let mut session = db.superuser();
        session.run("SET jit = off; SET log_min_messages = fatal");
        // A stack that cannot grow ends the process: it has grown when this is refused.
        let deep = ["1"; 60_000].join(" + ");
        refused_with(session.batch_execute(&format!("SELECT {deep}")), "54001");
        session.run("SELECT public.get_credit_cost('case_analysis')");
        assert!(limit_memory(&cluster, session.backend_pid(), headroom << 20));
        for statement in [&charge, &attempted] {
            if let Err(error) = session.batch_execute(statement) {
                let refusal = error
                    .as_db_error()
                    .map(DbError::code)
                    .unwrap_or_else(|| panic!("{statement} with {headroom} MiB: the backend is gone: {error}"));
                match refusal.code() {
                    "53200" => out_of_memory += 1,
                    code => assert_eq!(code, "P0001", "{statement} with {headroom} MiB"),
                }
            }
        }
        session.run("SELECT 1");
    }
    assert!(out_of_memory > 5, "{out_of_memory}");
    assert_eq!(witness.backend_pid(), before);
    assert_eq!(witness.value::<i64>("SELECT count(*) FROM public.credit_usage"), 0);
}
