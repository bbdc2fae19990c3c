//! The state of a database after the server was killed in the middle of the work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use auria_tests::{As, ClusterOptions};

#[test]
fn after_a_kill_under_load_counter_and_ledger_agree_and_no_acknowledged_charge_is_lost() {
    let cluster = ClusterOptions::default().durable().start();
    let db = cluster.database();
    let user = db.sign_up_on_plan("ana@clinica.test", "starter");
    db.superuser().run("UPDATE public.subscriptions SET credits_bonus = 1000000");
    let mut acknowledged = 0_i64;
    for round in 0..3 {
        let stop = AtomicBool::new(false);
        acknowledged += thread::scope(|scope| {
            let workers: Vec<_> = (0..8)
                .map(|_| {
                    let mut session = db.session(As::Service);
                    let stop = &stop;
                    scope.spawn(move || {
                        let mut charged = 0;
                        while !stop.load(Ordering::Relaxed) {
                            match session.query_one("SELECT public.use_credits($1, 'case_analysis')", &[&user]) {
                                Ok(row) => charged += i64::from(row.get::<_, bool>(0)),
                                Err(_) => break,
                            }
                        }
                        charged
                    })
                })
                .collect();
            thread::sleep(Duration::from_millis(700));
            cluster.kill();
            stop.store(true, Ordering::Relaxed);
            workers.into_iter().map(|worker| worker.join().unwrap()).sum::<i64>()
        });
        cluster.start();
        let row = db
            .superuser()
            .query_one(
                "SELECT credits_used_this_month::bigint, cases_used_this_month::bigint, \
                        (SELECT sum(credits_used) FROM public.credit_usage) \
                   FROM public.subscriptions",
                &[],
            )
            .unwrap();
        let (used, cases, ledger): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(used, ledger, "round {round}");
        assert_eq!(used, cases, "round {round}");
        assert!(used >= acknowledged && acknowledged > 0, "round {round}: {used} of {acknowledged}");
        acknowledged = used;
    }
}
