//! The team goes on: its own migrations on top of the extension's schema, run by a role that is no superuser, and what
//! dump, restore, upgrade, pg_upgrade, DROP and CREATE EXTENSION leave of them.

use std::fs;
use std::path::PathBuf;

use auria_tests::{As, Cluster, ClusterOptions, Database, Session, Stage, refused_with, repository};
use uuid::Uuid;

use crate::support::catalogue::{assert_same, everything};
use crate::support::legacy::LAST;
use crate::support::release::next_release;

/// The team's migrations, in order.
fn migrations() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(repository().join("tests/fixtures/team")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The role that owns the schema of this database.
fn schema_owner(admin: &mut Session) -> String {
    admin.value("SELECT tableowner::text FROM pg_tables WHERE schemaname = 'public' AND tablename = 'patients'")
}

/// The documented line, and the team's migrations as the role that it is for.
fn migrate_as_the_team(db: &Database, set_role: bool) {
    let mut admin = db.superuser();
    let owner = schema_owner(&mut admin);
    admin.run(&format!(
        "DO $$ BEGIN CREATE ROLE app_migrator LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$; \
         GRANT {owner} TO app_migrator"
    ));
    let mut team = db.session(As::Role("app_migrator"));
    for file in migrations() {
        if set_role {
            team.run(&format!("SET ROLE {owner}"));
        }
        let sql = fs::read_to_string(&file).unwrap();
        team.batch_execute(&sql).unwrap_or_else(|error| panic!("{}: {error:?}", file.display()));
    }
    assert!(!admin.value::<bool>("SELECT rolsuper FROM pg_roles WHERE rolname = 'app_migrator'"));
}

/// A dentist with a patient, a recall and a shared session, all through the API's roles.
fn practise(db: &Database, email: &str) -> Uuid {
    let dentist = db.sign_up(email);
    let mut session = db.authenticated(dentist);
    session.run(&format!(
        "INSERT INTO public.patients (user_id, name, record_number) VALUES ('{dentist}', 'João', 'A1'), ('{dentist}', 'Bia', 'A2'); \
         INSERT INTO public.recalls (user_id, patient_id, starts_at) SELECT user_id, id, now() FROM public.patients WHERE record_number = 'A1'; \
         INSERT INTO public.evaluations (user_id, patient_age, tooth, region, cavity_class, restoration_size, substrate, \
                aesthetic_level, tooth_color, longevity_expectation, budget) \
         VALUES ('{dentist}', 30, '1a', 'anterior', 'Classe IV', 'Média', 'Esmalte', 'alto', 'A2', 'longo', 'premium'); \
         INSERT INTO public.shared_links (user_id, session_id) SELECT user_id, session_id FROM public.evaluations"
    ));
    dentist
}

/// Every one of the team's migrations is in force, and so is the extension.
fn assert_the_team_works(db: &Database, email: &str) {
    let dentist = practise(db, email);
    let mut service = db.service();
    let own = format!("WHERE user_id = '{dentist}'");
    // 003: the sign-up bonus of the team's own function.
    assert_eq!(service.value::<i32>(&format!("SELECT credits_bonus FROM public.subscriptions {own}")), 3);
    let credits: i32 = service.value(&format!(
        "SELECT credits_per_month + credits_bonus FROM public.subscriptions s \
           JOIN public.subscription_plans p ON p.id = s.plan_id {own}"
    ));
    for _ in 0..credits {
        assert!(service.value::<bool>(&format!("SELECT public.use_credits('{dentist}', 'case_analysis')")));
    }
    assert!(!service.value::<bool>(&format!("SELECT public.use_credits('{dentist}', 'case_analysis')")));
    // 004: two columns, and a visitor may ask.
    let token: String = service.value(&format!("SELECT token FROM public.shared_links {own}"));
    assert_eq!(
        db.anon()
            .value::<String>(&format!("SELECT to_json(e)::text FROM public.get_shared_evaluation('{token}') AS e")),
        r#"{"tooth":"1A","clinic":null}"#
    );
    // 005: nullable columns through a view that decrypts.
    assert_eq!(
        service.value::<String>(&format!(
            "SELECT string_agg(name || coalesce(phone, ''), ',' ORDER BY name) FROM public.patient_contacts \
                  WHERE id IN (SELECT id FROM public.patients {own})"
        )),
        "Bia,João"
    );
    refused_with(db.authenticated(dentist).query("SELECT * FROM public.patient_contacts", &[]), "42501");
    // 001, 002, 005, 006: what the dentist sees and may change.
    let mut session = db.authenticated(dentist);
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.patient_overview"), 2);
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.recalls"), 1);
    let before: String = session.value("SELECT updated_at::text FROM public.recalls");
    session.run("UPDATE public.recalls SET starts_at = starts_at + interval '1 hour'");
    assert_ne!(session.value::<String>("SELECT updated_at::text FROM public.recalls"), before);
    refused_with(
        session.execute("UPDATE public.patients SET record_number = '' WHERE record_number = 'A2'", &[]),
        "23514",
    );
    session.run("UPDATE public.patients SET record_number = 'archived' WHERE record_number = 'A2'");
    assert_eq!(
        session.execute("UPDATE public.patients SET phone = '1' WHERE record_number = 'archived'", &[]).unwrap(),
        0
    );
    // 008: the old signature is gone and stays gone.
    assert!(session.value::<bool>(&format!("SELECT public.can_create_case('{dentist}', 'any')")));
    let mut admin = db.superuser();
    assert!(admin.value::<bool>("SELECT to_regprocedure('public.can_create_case(uuid)') IS NULL"));
    // 009.
    assert_eq!(admin.value::<i32>("SELECT credits_per_month FROM public.subscription_plans WHERE id = 'rede'"), 400);
    // A deleted patient takes the recalls along, a deleted user everything.
    admin.run(&format!("DELETE FROM auth.users WHERE id = '{dentist}'"));
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.recalls"), 0);
}

/// The doctor has notes about what the team replaced, and fails only for what the team dropped.
fn assert_the_doctor_knows(db: &Database) {
    let mut service = db.service();
    let detail: String = service.value(r#"SELECT detail FROM auria.doctor() WHERE "check" = 'functions'"#);
    for expected in [
        "note: public.handle_new_user() is not the compiled function",
        "note: public.get_shared_evaluation(text) is not the compiled function",
        "public.can_create_case(uuid) is missing",
    ] {
        assert!(detail.contains(expected), "{expected} in {detail}");
    }
    assert_eq!(
        service.value::<Option<String>>(
            r#"SELECT string_agg("check", ', ') FROM auria.doctor() WHERE NOT ok AND "check" NOT IN ('functions', 'PHI encrypted', 'PHI key', 'ledger', 'other policies', 'plans')"#
        ),
        None
    );
}

/// Where the team's migrations run: a new database, and one that was adopted.
fn fresh(cluster: &Cluster) -> Database<'_> {
    cluster.database()
}

fn adopted(cluster: &Cluster) -> Database<'_> {
    let db = cluster.legacy_database(LAST);
    let mut admin = db.superuser();
    admin.run("SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
    // The DBA does what the warnings say about policies.
    for notice in admin.notices() {
        if let Some(start) = notice.message().find("DROP POLICY") {
            admin.run(&notice.message()[start..]);
        }
    }
    db
}

fn on_both(test: impl Fn(&Cluster, &Database<'_>)) {
    let cluster = ClusterOptions::default().start();
    for (make, set_role) in [(fresh as fn(&Cluster) -> Database<'_>, true), (adopted, false)] {
        let db = make(&cluster);
        migrate_as_the_team(&db, set_role);
        test(&cluster, &db);
    }
}

#[test]
fn a_teams_migrations_run_as_a_role_that_is_no_superuser() {
    on_both(|_, db| {
        assert_the_team_works(db, "ana@team.test");
        assert_the_doctor_knows(db);
    });
}

#[test]
fn a_teams_work_survives_dump_and_restore() {
    on_both(|cluster, db| {
        let mut admin = db.superuser();
        let before = everything(&mut admin);
        let copy = cluster.empty_database();
        db.dump_into(cluster, copy.name());
        assert_same("after the restore", &everything(&mut copy.superuser()), &before);
        assert_the_team_works(&copy, "ana@team.test");
        assert_the_doctor_knows(&copy);

        let jobs = cluster.empty_database();
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        cluster.client_succeeds("pg_dump", &["-Fc", "-f", path, db.name()]);
        cluster.client_succeeds("pg_restore", &["--exit-on-error", "-j", "2", "-d", jobs.name(), path]);
        assert_same("after the restore by two jobs", &everything(&mut jobs.superuser()), &before);
        assert_the_team_works(&jobs, "ana@team.test");
    });
}

#[test]
fn a_teams_work_survives_an_update_of_the_extension() {
    let (stage, release) = next_release("999.0.0");
    let cluster = ClusterOptions::default().on(&stage).start();
    let databases = [(fresh(&cluster), true), (adopted(&cluster), false)];
    for (db, set_role) in &databases {
        migrate_as_the_team(db, *set_role);
    }
    release();
    for (db, _) in &databases {
        let mut admin = db.superuser();
        let before = everything(&mut admin);
        // One migration is pending, as after a real release.
        admin.run("DELETE FROM auria.migrations WHERE number = (SELECT max(number) FROM auria.migrations)");
        admin.notices();
        admin.run("ALTER EXTENSION auria UPDATE");
        let notices: Vec<String> = admin.notices().iter().map(|notice| notice.message().to_owned()).collect();
        for kept in ["public.handle_new_user()", "public.get_shared_evaluation(text)", "public.can_create_case(uuid)"] {
            assert!(notices.iter().any(|notice| notice.contains(kept)), "{kept} in {notices:?}");
        }
        let without_version = |lines: Vec<String>| -> Vec<String> {
            lines.into_iter().filter(|line| !line.starts_with("extension auria ")).collect()
        };
        assert_same("after the update", &without_version(everything(&mut admin)), &without_version(before));
        assert_the_team_works(db, "ana@team.test");
    }
}

#[test]
fn a_teams_work_survives_pg_upgrade() {
    let old = ClusterOptions::default().start();
    let new = ClusterOptions::default().start();
    let db = fresh(&old);
    migrate_as_the_team(&db, true);
    let before = everything(&mut db.superuser());
    old.stop();
    new.stop();
    let programs = Stage::shared().programs().display().to_string();
    let [old_data, new_data] = [&old, &new].map(|cluster| cluster.data_directory().display().to_string());
    let work = new.private_directory("pg_upgrade").display().to_string();
    let output = new.shell(
        r#"cd "$WORK" && pg_upgrade --old-bindir "$BIN" --new-bindir "$BIN" --old-datadir "$OLD" --new-datadir "$NEW""#,
        &[("WORK", &work), ("BIN", &programs), ("OLD", &old_data), ("NEW", &new_data)],
    );
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    new.secret_file("phi.key", &fs::read_to_string(old.socket_directory().join("phi.key")).unwrap());
    new.start();
    let handed_over = new.existing_database(db.name());
    assert_same("after pg_upgrade", &everything(&mut handed_over.superuser()), &before);
    assert_the_team_works(&handed_over, "ana@team.test");
}

#[test]
fn a_teams_work_survives_drop_and_create_extension() {
    on_both(|_, db| {
        let mut admin = db.superuser();
        let theirs = "SELECT string_agg(md5(pg_get_functiondef(p.oid)), ',' ORDER BY p.oid::regprocedure::text) FROM pg_proc p \
                       JOIN pg_language l ON l.oid = p.prolang \
                      WHERE pronamespace = 'public'::regnamespace AND lanname IN ('sql', 'plpgsql') \
                        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'x')";
        let before: String = admin.value(theirs);
        admin.run("DROP EXTENSION auria CASCADE");
        assert_eq!(admin.value::<String>(theirs), before);
        // The triggers and views that called compiled functions went with them; the team makes its own again.
        admin.run("CREATE EXTENSION auria");
        let mut team = db.session(As::Role("app_migrator"));
        team.run(
            "CREATE OR REPLACE TRIGGER update_recalls_updated_at BEFORE UPDATE ON public.recalls \
                 FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column()",
        );
        team.run(
            &fs::read_to_string(repository().join("tests/fixtures/team/005_views.sql"))
                .unwrap()
                .replace("CREATE VIEW public.patient_overview", "CREATE OR REPLACE VIEW public.patient_overview"),
        );
        // CREATE EXTENSION makes every function that is missing; the team drops this one again.
        admin.run("DROP FUNCTION public.can_create_case(uuid)");
        assert_eq!(admin.value::<String>(theirs), before);
        assert_the_team_works(db, "ana@team.test");
    });
}

#[test]
fn migrate_again_restores_every_function_as_shipped_and_reports_each() {
    on_both(|_, db| {
        let mut admin = db.superuser();
        let rows = admin.query("SELECT name FROM auria.migrate(again => true) WHERE number IS NULL", &[]).unwrap();
        let reported: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        for function in ["public.handle_new_user()", "public.can_create_case(uuid)"] {
            assert!(
                reported.iter().any(|line| line.contains(function) && line.contains("restored")
                    || line.contains(function) && line.contains("replaced")),
                "{function} in {reported:?}"
            );
        }
        assert_eq!(
            admin.value::<String>("SELECT l.lanname::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid = 'public.handle_new_user()'::regprocedure"),
            "c"
        );
        assert_eq!(
            admin.value::<i64>("SELECT count(*) FROM auria.replaced_functions WHERE signature = 'public.handle_new_user()' AND definition LIKE '%credits_bonus%'"),
            1
        );
    });
}

#[test]
fn one_function_is_restored_by_the_statement_that_the_doctor_gives() {
    let cluster = ClusterOptions::default().start();
    let db = fresh(&cluster);
    migrate_as_the_team(&db, true);
    let mut admin = db.superuser();
    let detail: String = admin.value(r#"SELECT detail FROM auria.doctor() WHERE "check" = 'functions'"#);
    let statements: Vec<&str> = detail
        .match_indices("SELECT auria.restore_function('")
        .map(|(start, _)| &detail[start..start + detail[start..].find("')").unwrap() + 2])
        .collect();
    assert_eq!(statements.len(), 3, "{detail}");
    for statement in statements {
        admin.run(statement);
    }
    admin.run("DROP FUNCTION public.can_create_case(uuid, text)");
    assert_eq!(admin.value::<String>(r#"SELECT detail FROM auria.doctor() WHERE "check" = 'functions'"#), "");
    refused_with(admin.query("SELECT auria.restore_function('public.newsletter()')", &[]), "42883");
    refused_with(db.service().query("SELECT auria.restore_function('public.handle_new_user()')", &[]), "42501");
}
