//! Changes of the schema while clients work.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{As, Database, Session, database, insert_evaluation, refused_with};
use uuid::Uuid;

const CLIENTS: usize = 8;

/// A dentist's day: tables in both orders, in transactions of their own and in longer ones.
fn work(session: &mut Session, user: Uuid, round: usize) -> Result<(), postgres::Error> {
    let case = insert_evaluation(&format!("'{user}'"), &[]);
    let statements = match round % 4 {
        0 => format!("SELECT public.use_credits('{user}', 'case_analysis')"),
        1 => format!(
            "BEGIN; INSERT INTO public.patients (user_id, name) VALUES ('{user}', gen_random_uuid()::text); {case};
             SELECT public.use_credits('{user}', 'case_analysis'); COMMIT"
        ),
        2 => format!(
            "BEGIN; SELECT public.refund_credits('{user}', 'case_analysis'); {case};
             SELECT count(*) FROM public.patients; UPDATE public.profiles SET full_name = 'Ana' WHERE user_id = '{user}';
             COMMIT"
        ),
        _ => format!(
            "SELECT count(*) FROM public.evaluations e JOIN public.patients p ON p.user_id = e.user_id
              WHERE e.user_id = '{user}'"
        ),
    };
    session.batch_execute(&statements)
}

/// Runs `change` while clients work; what was refused to whom.
fn while_clients_work(db: &Database<'_>, change: impl FnOnce(&mut Session)) -> Vec<String> {
    let users: Vec<Uuid> = (0..CLIENTS)
        .map(|number| db.sign_up_on_plan(&format!("{number}@clinica.example"), "price_pro_monthly_v2"))
        .collect();
    let is_over = AtomicBool::new(false);
    let refusals = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for user in users {
            let mut session = db.session(As::Service);
            let (is_over, refusals) = (&is_over, &refusals);
            scope.spawn(move || {
                for round in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    if let Err(error) = work(&mut session, user, round) {
                        refusals.lock().unwrap().push(error.to_string());
                        let _ = session.batch_execute("ROLLBACK");
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(300));
        // The clients end as well when it fails.
        let outcome = catch_unwind(AssertUnwindSafe(|| change(&mut db.superuser())));
        is_over.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
    });
    refusals.into_inner().unwrap()
}

#[test]
fn migrations_run_again_while_clients_work_and_nobody_loses_a_deadlock() {
    let db = database();
    let refusals = while_clients_work(&db, |dba| {
        for _ in 0..5 {
            dba.run("SELECT count(*) FROM auria.migrate(again => true)");
            dba.run("SELECT count(*) FROM auria.migrate()");
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(dba.value::<String>("SELECT current_setting('lock_timeout')"), "0");
    });
    assert_eq!(refusals, Vec::<String>::new());
}

#[test]
fn sealing_and_unsealing_while_clients_work_lose_no_deadlock() {
    let db = database();
    let refusals = while_clients_work(&db, |dba| {
        dba.run("CALL auria.phi_seal()");
        thread::sleep(Duration::from_millis(200));
        dba.run("CALL auria.phi_unseal()");
    });
    // A statement that was planned before the layout changed may be refused; no session is ended because it waits.
    let deadlocks: Vec<_> = refusals.iter().filter(|text| text.contains("deadlock")).collect();
    assert!(deadlocks.is_empty(), "{refusals:?}");
}

#[test]
fn migrations_give_up_where_a_table_stays_in_use_and_let_everybody_else_work_meanwhile() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    let mut reader = db.service();
    reader.run("BEGIN; SELECT count(*) FROM public.patients");
    thread::scope(|scope| {
        let dba = scope.spawn(|| {
            let mut dba = db.superuser();
            dba.run("SET lock_timeout = '4s'");
            let began = Instant::now();
            let refused = refused_with(dba.query("SELECT * FROM auria.migrate(again => true)", &[]), "55P03");
            assert!(refused.message().contains("public.patients is in use"), "{refused:?}");
            assert!(began.elapsed() >= Duration::from_secs(4));
        });
        let mut client = db.service();
        let mut longest = Duration::ZERO;
        while !dba.is_finished() {
            let began = Instant::now();
            client.run(&format!(
                "SELECT public.use_credits('{user}', 'case_analysis'); SELECT count(*) FROM public.patients"
            ));
            longest = longest.max(began.elapsed());
        }
        // Half a deadlock_timeout for each attempt; a busy machine may add to it.
        assert!(longest < Duration::from_secs(3), "{longest:?}");
        dba.join().unwrap();
    });
    reader.run("ROLLBACK");
    db.superuser().run("SELECT * FROM auria.migrate(again => true)");
}
