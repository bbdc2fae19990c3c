//! A subscriber of logical replication, set up as docs/install.md says.

use std::time::{Duration, Instant};

use auria_tests::{ClusterOptions, Session};

/// Waits until a query gives this number.
#[track_caller]
fn until(session: &mut Session, query: &str, expected: i64) {
    let patience = Instant::now() + Duration::from_secs(60);
    while session.value::<i64>(query) != expected {
        assert!(Instant::now() < patience, "{query}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_subscriber_has_the_rows_as_they_are_stored_and_opens_them_with_the_same_key() {
    let publisher = ClusterOptions::default().setting("wal_level", "logical").start();
    let subscriber = ClusterOptions::default().start();
    let (here, there) = (publisher.database(), subscriber.database());
    let dentist = here.sign_up_on_plan("ana@clinica.example", "price_essencial_monthly");
    let add = |name: &str| {
        here.service().run(&format!(
            "INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', '{name}');
             SELECT public.use_credits('{dentist}', 'case_analysis')"
        ));
    };
    add("Maria");
    here.superuser().run("CREATE PUBLICATION auria FOR ALL TABLES");

    let mut admin = there.superuser();
    let key = publisher.socket_directory().join("phi.key");
    admin.run(&format!("ALTER SYSTEM SET auria.phi_key_file = '{}'", key.display()));
    subscriber.reload();
    // The seed rows come from the publisher; so does what a foreign key refers to.
    let tables: String = admin.value(
        "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables
          WHERE schemaname IN ('public', 'auth', 'storage', 'auria')",
    );
    admin.run(&format!("TRUNCATE {tables}"));
    admin.run(&format!(
        "CREATE SUBSCRIPTION auria CONNECTION 'host={} port={} user=postgres dbname={}' PUBLICATION auria",
        publisher.socket_directory().display(),
        publisher.port(),
        here.name(),
    ));
    until(&mut admin, "SELECT count(*) FROM public.patients", 1);
    // Each table is copied by a worker of its own.
    let unfinished = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'";
    until(&mut admin, unfinished, 0);
    add("Luísa");
    until(&mut admin, "SELECT count(*) FROM public.patients", 2);
    until(&mut admin, "SELECT count(*) FROM public.credit_usage", 2);

    // Byte for byte: no trigger of the subscriber has encrypted or counted again.
    let stored = "SELECT string_agg(to_jsonb(p)::text, '' ORDER BY name) FROM public.patients p";
    assert_eq!(admin.value::<String>(stored), here.superuser().value::<String>(stored));
    assert_eq!(
        there.service().value::<String>(
            "SELECT string_agg(public.phi_decrypt(name_encrypted), ', ' ORDER BY name) FROM public.patients"
        ),
        "Luísa, Maria"
    );
    // Numbers of the ledger are not replicated: the sequence is moved before clients come.
    admin.run(
        "SELECT setval('public.credit_usage_entry_seq',
                       (SELECT max(entry) FROM (SELECT entry FROM public.credit_usage
                                                 UNION ALL SELECT entry FROM public.credit_events) AS entries))",
    );
    admin.run("ALTER SUBSCRIPTION auria DISABLE");
    assert!(there.service().value::<bool>(&format!("SELECT public.use_credits('{dentist}', 'case_analysis')")));
    there.service().run(&format!("SELECT public.add_bonus_credits('{dentist}', 10, 'cs_1')"));
    admin.run("DROP SUBSCRIPTION auria");
}
