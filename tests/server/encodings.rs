//! The database's encoding: UTF8 alone. Any other is refused at CREATE EXTENSION.

use auria_tests::{Cluster, ClusterOptions, Database, Session, database, refused_with};

const OTHERS: [&str; 4] = ["LATIN1", "WIN1252", "EUC_JP", "SQL_ASCII"];

/// Texts with characters of two, three and more octets.
const NAMES: [&str; 3] = ["análise…", "分析", "análise 🦷"];

fn database_in<'cluster>(cluster: &'cluster Cluster, encoding: &str) -> Database<'cluster> {
    let name = format!("in_{}", encoding.to_lowercase());
    cluster
        .superuser("postgres")
        .run(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"));
    cluster.existing_database(&name)
}

/// What an installation makes in a database, and the roles of the server.
fn objects(dba: &mut Session) -> Vec<String> {
    dba.value(
        "SELECT array_agg(object ORDER BY object) FROM (
             SELECT 'role ' || rolname FROM pg_roles
             UNION ALL SELECT 'extension ' || extname FROM pg_extension
             UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_temp|^pg_toast'
             UNION ALL SELECT 'relation ' || oid::regclass FROM pg_class WHERE oid >= 16384
             UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE oid >= 16384) AS found (object)",
    )
}

#[test]
fn create_extension_refuses_another_encoding_than_utf8_and_leaves_nothing_behind() {
    let cluster = ClusterOptions::default().start();
    for encoding in OTHERS {
        let db = database_in(&cluster, encoding);
        let mut dba = db.superuser();
        let before = objects(&mut dba);
        // The second is how a restore begins.
        for settings in ["", "SET row_security = off; SET check_function_bodies = off;"] {
            dba.run(settings);
            let refusal = refused_with(dba.batch_execute("CREATE EXTENSION auria CASCADE"), "0A000");
            assert!(refusal.message().contains("UTF8"), "{refusal:?}");
            let detail = refusal.detail().unwrap();
            assert!(detail.contains(encoding) && detail.contains("Nothing was changed"), "{refusal:?}");
            let hint = refusal.hint().unwrap();
            assert!(hint.contains("ENCODING 'UTF8'") && hint.contains("pg_dump"), "{refusal:?}");
            assert_eq!(objects(&mut dba), before, "{encoding}");
        }
    }
}

#[test]
fn the_hint_of_the_refusal_moves_the_data() {
    let cluster = ClusterOptions::default().start();
    let old = database_in(&cluster, "LATIN1");
    old.superuser().run("CREATE TABLE public.notes (text text); INSERT INTO public.notes VALUES ('Jos' || chr(233))");
    cluster.superuser("postgres").run("CREATE DATABASE moved TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'");
    let dump = cluster.private_directory("dump").join("notes.sql");
    let dump = dump.to_str().unwrap();
    cluster.client_succeeds("pg_dump", &["--encoding=UTF8", "-f", dump, old.name()]);
    cluster.client_succeeds("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, "moved"]);
    let mut dba = cluster.superuser("moved");
    dba.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(dba.value::<String>("SELECT text FROM public.notes"), "José");
}

/// Whoever brings the functions past CREATE EXTENSION gets errors and nothing worse.
#[test]
fn bytes_that_are_no_text_are_refused_as_such() {
    let cluster = ClusterOptions::default().start();
    let db = database_in(&cluster, "SQL_ASCII");
    let mut dba = db.superuser();
    dba.run("CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role");
    for (function, returns) in [
        ("get_credit_cost(text)", "integer"),
        ("check_shared_link_status(text)", "text"),
        ("phi_encrypt(text)", "bytea"),
        ("phi_decrypt(bytea)", "text"),
        ("migrate(boolean)", "TABLE (number integer, name text, warnings text)"),
    ] {
        let symbol = function.split('(').next().unwrap();
        dba.run(&format!(
            "CREATE FUNCTION public.{function} RETURNS {returns} LANGUAGE c AS '$libdir/auria_pg', '{symbol}_wrapper'"
        ));
    }
    for bytes in ["\\xe9", "\\x616ec3", "\\xff", "\\xc0af", "\\xeda080", "\\xf4908080"] {
        for function in ["get_credit_cost", "check_shared_link_status", "phi_encrypt"] {
            let call = format!("SELECT public.{function}(convert_from('{bytes}', 'SQL_ASCII'))");
            refused_with(dba.batch_execute(&call), "22021");
        }
    }
    for call in ["phi_encrypt('Jose')", "phi_decrypt('\\xc30d')", "migrate(true)", "migrate(false)"] {
        refused_with(dba.batch_execute(&format!("SELECT public.{call}")), "0A000");
    }
}

#[test]
fn names_that_are_not_ascii_are_stored_and_found() {
    for name in NAMES {
        let db = database();
        let user = db.sign_up_on_plan("ana@clinica.example", "starter");
        let mut superuser = db.superuser();
        superuser.run(&format!("INSERT INTO public.credit_costs (operation, credits) VALUES ('{name}', 3)"));
        let mut service = db.service();
        let cost: i32 = service.query_one("SELECT public.get_credit_cost($1)", &[&name]).unwrap().get(0);
        assert_eq!(cost, 3, "{name}");
        for (statement, used) in [
            ("SELECT public.can_use_credits($1, $2)", 0),
            ("SELECT public.use_credits($1, $2)", 3),
            ("SELECT public.refund_credits($1, $2)", 0),
            ("SELECT public.use_credits($1, $2, $1)", 3),
            ("SELECT public.refund_credits($1, $2, $1)", 0),
        ] {
            let answer: bool = service.query_one(statement, &[&user, &name]).unwrap().get(0);
            assert!(answer, "{name}: {statement}");
            let now: i32 = superuser.value("SELECT credits_used_this_month FROM public.subscriptions");
            assert_eq!(now, used, "{name}: {statement}");
        }
        let stored: Vec<String> =
            superuser.value("SELECT array_agg(DISTINCT operation ORDER BY operation) FROM public.credit_usage");
        assert_eq!(stored, [name.to_owned(), format!("{name}_refund")], "{name}");
        for count in 1..=2 {
            let counted: i32 = service
                .query_one(
                    "SELECT minute_count FROM public.check_and_increment_rate_limit($1, $2, '2026-01-01', '2026-01-01', '2026-01-01')",
                    &[&user, &name],
                )
                .unwrap()
                .get(0);
            assert_eq!(counted, count, "{name}");
        }
        let limited: String = superuser.value("SELECT function_name FROM public.rate_limits");
        assert_eq!(limited, name);
        let status: String =
            db.anon().query_one("SELECT public.check_shared_link_status($1)", &[&name]).unwrap().get(0);
        assert_eq!(status, "not_found");
    }
}

#[test]
fn shared_evaluations_that_are_not_ascii_are_read() {
    for name in NAMES {
        let db = database();
        let user = db.sign_up("ana@clinica.example");
        let mut superuser = db.superuser();
        superuser.run(&format!(
            "SET session_replication_role = replica;
             UPDATE public.profiles SET clinic_name = '{name}';
             INSERT INTO public.evaluations (user_id, session_id, patient_age, tooth, region, cavity_class, restoration_size,
                 substrate, aesthetic_level, tooth_color, longevity_expectation, budget, ai_treatment_indication, dsd_analysis)
             VALUES ('{user}', '{user}', 40, '11', 'anterior', 'Classe IV', 'media', 'esmalte', 'alto', 'A2', 'longa', 'alto',
                 '{name}', jsonb_build_object('a', '{name}'));
             INSERT INTO public.shared_links (user_id, session_id, token) VALUES ('{user}', '{user}', repeat('a', 64))"
        ));
        let row = db
            .anon()
            .query_one(
                "SELECT ai_treatment_indication, clinic_name, dsd_analysis ->> 'a'
                   FROM public.get_shared_evaluation(repeat('a', 64)), public.get_shared_dsd(repeat('a', 64))",
                &[],
            )
            .unwrap();
        for column in 0..3 {
            assert_eq!(row.get::<_, &str>(column), name, "{name}");
        }
    }
}

#[test]
fn a_sign_up_under_a_name_that_is_not_ascii_makes_its_profile() {
    for name in NAMES {
        let db = database();
        let mut superuser = db.superuser();
        superuser
            .execute(
                "INSERT INTO auth.users (id, raw_user_meta_data) VALUES (gen_random_uuid(), jsonb_build_object('full_name', $1::text))",
                &[&name],
            )
            .unwrap();
        assert!(superuser.notices().is_empty());
        assert_eq!(superuser.value::<String>("SELECT full_name FROM public.profiles"), name, "{name}");
    }
}

#[test]
fn an_error_that_quotes_a_name_that_is_not_ascii_keeps_its_sqlstate() {
    for name in NAMES {
        let db = database();
        let user = db.sign_up_on_plan("ana@clinica.example", "starter");
        let mut superuser = db.superuser();
        superuser.run(&format!(
            "CREATE TABLE public.\"{name}\" (x integer); INSERT INTO public.\"{name}\" VALUES (1);
             CREATE TRIGGER stamp BEFORE UPDATE ON public.\"{name}\"
                 FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
             CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION '{name}' USING DETAIL = '{name}', HINT = '{name}'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON public.credit_usage FOR EACH ROW EXECUTE FUNCTION public.refuse()"
        ));
        let refusal = refused_with(superuser.batch_execute(&format!("UPDATE public.\"{name}\" SET x = 2")), "42703");
        assert!(refusal.message().contains("has no column \"updated_at\""), "{refusal:?}");
        // PostgreSQL's own error, raised below Rust code.
        refused_with(superuser.execute("SELECT public.use_credits($1, 'case_analysis')", &[&user]), "P0001");
    }
}
