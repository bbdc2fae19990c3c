//! Streaming replicas: what is read there, what is refused, and what is left when one takes over.

use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{As, ClusterOptions, refused_with};
use uuid::Uuid;

#[test]
fn a_replica_answers_what_only_reads_and_refuses_what_writes_at_once() {
    let primary = ClusterOptions::default().start();
    let db = primary.database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "starter");
    db.superuser().execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Maria')", &[&ana]).unwrap();
    db.superuser()
        .execute(
            "WITH e AS (INSERT INTO public.evaluations (user_id, patient_name, patient_age, tooth, region, cavity_class,
                     restoration_size, substrate, aesthetic_level, tooth_color, longevity_expectation, budget, dsd_analysis)
                 VALUES ($1, 'Maria', 40, '11', 'anterior', 'Classe IV', 'media', 'esmalte', 'alto', 'A2', 'longa', 'alto', '{}')
                 RETURNING session_id)
             INSERT INTO public.shared_links (user_id, session_id, token) SELECT $1, session_id, repeat('a', 64) FROM e",
            &[&ana],
        )
        .unwrap();
    let standby = primary.standby();
    let mut service = standby.session(db.name(), As::Service);
    for question in [
        "SELECT public.check_shared_link_status(repeat('a', 64)) = 'valid'",
        "SELECT count(*) = 1 FROM public.get_shared_evaluation(repeat('a', 64))",
        "SELECT count(*) = 1 FROM public.get_shared_dsd(repeat('a', 64))",
        "SELECT public.get_credit_cost('dsd_simulation') = 2",
        "SELECT public.check_shared_link_status('no such token') = 'not_found'",
        "SELECT public.phi_decrypt(name_encrypted) = 'Maria' FROM public.patients",
        "SELECT count(*) = 0 FROM public.get_shared_evaluation('no such token')",
        "SELECT count(*) = 0 FROM public.get_shared_dsd('no such token')",
    ] {
        assert!(service.value::<bool>(question), "{question}");
    }
    for question in ["SELECT public.can_use_credits($1, 'case_analysis')", "SELECT public.can_create_case($1)"] {
        let answer: bool = service.query_one(question, &[&ana]).unwrap().get(0);
        assert!(answer, "{question}");
    }
    let mut own = standby.session(db.name(), As::User(ana));
    assert_eq!(own.value::<i64>("SELECT count(*) FROM public.patients"), 1);
    for statement in [
        format!("SELECT public.use_credits('{ana}', 'case_analysis')"),
        format!("SELECT public.refund_credits('{ana}', 'case_analysis')"),
        format!("SELECT public.add_bonus_credits('{ana}', 5)"),
        format!("SELECT public.increment_case_usage('{ana}')"),
        "SELECT public.reset_monthly_usage_with_rollover()".to_owned(),
        "SELECT public.reset_monthly_usage()".to_owned(),
        "SELECT public.cleanup_old_rate_limits()".to_owned(),
        format!("SELECT public.check_and_increment_rate_limit('{ana}', 'f', now(), now(), now())"),
        "CALL auria.reset_monthly()".to_owned(),
        "CALL auria.phi_backfill()".to_owned(),
    ] {
        let started = Instant::now();
        refused_with(service.batch_execute(&statement), "25006");
        assert!(started.elapsed() < Duration::from_secs(2), "{statement}");
    }
}

#[test]
fn a_replica_that_takes_over_has_every_credit_the_lost_primary_acknowledged() {
    let primary = ClusterOptions::default().durable().start();
    let db = primary.database();
    let user = db.sign_up_on_plan("busy@clinica.example", "starter");
    let mut admin = db.superuser();
    admin.run("UPDATE public.subscriptions SET credits_bonus = 1000000");
    let standby = primary.standby();
    admin.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.reload();
    let deadline = Instant::now() + Duration::from_secs(20);
    while admin.value::<i64>("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 0 {
        assert!(Instant::now() < deadline, "replication does not become synchronous");
        thread::sleep(Duration::from_millis(20));
    }
    let acknowledged: Vec<Uuid> = thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let mut service = db.service();
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    loop {
                        let reference = Uuid::new_v4();
                        let answer = service
                            .query_one("SELECT public.use_credits($1, 'case_analysis', $2)", &[&user, &reference]);
                        match answer {
                            Ok(row) => assert!(row.get::<_, bool>(0)),
                            // The power is cut: what was not answered may be there or not.
                            Err(_) => return acknowledged,
                        }
                        acknowledged.push(reference);
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_secs(2));
        primary.kill();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    let mut promoted = standby.superuser(db.name());
    assert!(promoted.value::<bool>("SELECT pg_promote()"));
    let kept: i64 = promoted
        .query_one("SELECT count(*) FROM public.credit_usage WHERE reference_id = ANY ($1)", &[&acknowledged])
        .unwrap()
        .get(0);
    assert_eq!(kept, acknowledged.len() as i64);
    assert_eq!(
        promoted.value::<String>(
            r#"SELECT COALESCE(string_agg("check" || ': ' || detail, ''), '') FROM auria.doctor() WHERE NOT ok"#
        ),
        ""
    );
    assert!(
        standby
            .session(db.name(), As::Service)
            .query_one("SELECT public.use_credits($1, 'case_analysis')", &[&user])
            .unwrap()
            .get::<_, bool>(0)
    );
}
