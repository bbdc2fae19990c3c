//! Databases whose text is not UTF-8. Patient data is refused there (it is encrypted as UTF-8); the rest works.

use auria_tests::{Cluster, Database, refused_with};

fn database_in(encoding: &str) -> Database<'static> {
    let cluster = Cluster::shared();
    // Makes the roles of the server.
    cluster.template();
    let name = format!("in_{}_{}", encoding.to_lowercase(), uuid::Uuid::new_v4().simple());
    cluster
        .superuser("postgres")
        .run(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"));
    let db = cluster.existing_database(&name);
    db.superuser().run("CREATE EXTENSION auria CASCADE");
    db
}

/// Encodings, and a text that each of them has and ASCII has not.
const ENCODINGS: [(&str, &str); 4] =
    [("LATIN1", "análise"), ("WIN1252", "análise…"), ("EUC_JP", "分析"), ("SQL_ASCII", "análise 分析")];

#[test]
fn names_that_are_not_ascii_are_stored_and_found_in_every_encoding() {
    for (encoding, name) in ENCODINGS {
        let db = database_in(encoding);
        let user = db.sign_up_on_plan("ana@clinica.example", "starter");
        let mut superuser = db.superuser();
        superuser.run(&format!("INSERT INTO public.credit_costs (operation, credits) VALUES ('{name}', 3)"));
        let mut service = db.service();
        let cost: i32 = service.query_one("SELECT public.get_credit_cost($1)", &[&name]).unwrap().get(0);
        assert_eq!(cost, 3, "{encoding}");
        for (statement, used) in [
            ("SELECT public.can_use_credits($1, $2)", 0),
            ("SELECT public.use_credits($1, $2)", 3),
            ("SELECT public.refund_credits($1, $2)", 0),
            ("SELECT public.use_credits($1, $2, $1)", 3),
            ("SELECT public.refund_credits($1, $2, $1)", 0),
        ] {
            let answer: bool = service.query_one(statement, &[&user, &name]).unwrap().get(0);
            assert!(answer, "{encoding}: {statement}");
            let now: i32 = superuser.value("SELECT credits_used_this_month FROM public.subscriptions");
            assert_eq!(now, used, "{encoding}: {statement}");
        }
        let stored: Vec<String> =
            superuser.value("SELECT array_agg(DISTINCT operation ORDER BY operation) FROM public.credit_usage");
        assert_eq!(stored, [name.to_owned(), format!("{name}_refund")], "{encoding}");
        for count in 1..=2 {
            let counted: i32 = service
                .query_one(
                    "SELECT minute_count FROM public.check_and_increment_rate_limit($1, $2, '2026-01-01', '2026-01-01', '2026-01-01')",
                    &[&user, &name],
                )
                .unwrap()
                .get(0);
            assert_eq!(counted, count, "{encoding}");
        }
        let limited: String = superuser.value("SELECT function_name FROM public.rate_limits");
        assert_eq!(limited, name);
        let status: String =
            db.anon().query_one("SELECT public.check_shared_link_status($1)", &[&name]).unwrap().get(0);
        assert_eq!(status, "not_found");
    }
}

#[test]
fn shared_evaluations_are_read_in_every_encoding() {
    for (encoding, name) in ENCODINGS {
        let db = database_in(encoding);
        let user = db.sign_up("ana@clinica.example");
        let mut superuser = db.superuser();
        // Patients have no name here: it cannot be encrypted.
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
            assert_eq!(row.get::<_, &str>(column), name, "{encoding}");
        }
    }
}

#[test]
fn a_sign_up_makes_its_profile_in_every_encoding() {
    for (encoding, name) in ENCODINGS {
        let db = database_in(encoding);
        let mut superuser = db.superuser();
        superuser
            .execute(
                "INSERT INTO auth.users (id, raw_user_meta_data) VALUES (gen_random_uuid(), jsonb_build_object('full_name', $1::text))",
                &[&name],
            )
            .unwrap();
        assert!(superuser.notices().is_empty());
        assert_eq!(superuser.value::<String>("SELECT full_name FROM public.profiles"), name, "{encoding}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_as_such() {
    let db = database_in("SQL_ASCII");
    let user = db.sign_up("ana@clinica.example");
    let mut service = db.service();
    for bytes in ["\\xe9", "\\x616ec3", "\\xff", "\\xc0af", "\\xeda080", "\\xf4908080"] {
        let text = format!("convert_from('{bytes}', 'SQL_ASCII')");
        for call in [
            format!("use_credits('{user}', {text})"),
            format!("use_credits('{user}', {text}, '{user}')"),
            format!("refund_credits('{user}', {text})"),
            format!("refund_credits('{user}', {text}, '{user}')"),
            format!("can_use_credits('{user}', {text})"),
            format!("get_credit_cost({text})"),
            format!("check_and_increment_rate_limit('{user}', {text}, now(), now(), now())"),
        ] {
            refused_with(service.batch_execute(&format!("SELECT public.{call}")), "22021");
        }
        assert_eq!(service.value::<String>(&format!("SELECT public.check_shared_link_status({text})")), "not_found");
        assert_eq!(
            service.value::<i64>(&format!(
                "SELECT count(*) FROM public.get_shared_evaluation({text}), public.get_shared_dsd({text})"
            )),
            0
        );
    }
    // What a client sent years ago may be in the metadata: no reason to refuse a sign-up.
    db.superuser().run(
        "INSERT INTO auth.users (id, raw_user_meta_data)
         VALUES (gen_random_uuid(), convert_from('\\x7b2266756c6c5f6e616d65223a20224a6fe36f227d', 'SQL_ASCII')::jsonb)",
    );
}

#[test]
fn an_error_that_quotes_a_name_keeps_its_sqlstate_in_every_encoding() {
    for (encoding, name) in ENCODINGS {
        let db = database_in(encoding);
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
