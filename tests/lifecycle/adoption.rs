//! Taking over a database that AURIA ran in PL/pgSQL, with what years left in it.

use auria_tests::{Cluster, Database, RAW_STATES, Session, empty_database, refused_with, repository};
use postgres::error::DbError;

use crate::support::legacy::{ANA, BIA, LAST, Rows, database_at};

fn legacy_database() -> Database<'static> {
    database_at(LAST)
}

/// Replaces every function of the original, whatever its body.
fn adopt_all(admin: &mut Session) {
    admin.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
}

#[test]
fn a_view_over_an_old_function_reads_what_pgcrypto_wrote_with_whatever_options() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(
        admin.value::<String>(
            r#"SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") FROM public.readable_patients"#
        ),
        "João da Conceição, Márcia Araújo, Ícaro Nuñez 🙂, Óscar"
    );
}

#[test]
fn prices_and_shades_of_a_clinics_own_survive_and_the_rest_arrives() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(
        admin.value::<i32>("SELECT price_monthly FROM public.subscription_plans WHERE id = 'price_pro_monthly_v2'"),
        9900
    );
    assert_eq!(admin.value::<String>("SELECT opacity FROM public.resin_catalog WHERE shade = 'A2B'"), "outra");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.resin_catalog"), 181);
}

#[test]
fn what_broke_a_rule_stays_and_nothing_new_breaks_it() {
    let db = legacy_database();
    let mut admin = db.superuser();
    adopt_all(&mut admin);
    refused_with(
        admin.execute("INSERT INTO public.patients (user_id, name) VALUES (gen_random_uuid(), 'x')", &[]),
        "23503",
    );
    refused_with(
        admin.execute("UPDATE public.subscriptions SET credits_bonus = -1 WHERE status = 'active'", &[]),
        "23514",
    );
    // Two rows with one reference are there; a third use of it charges nothing.
    assert!(db.service().value::<bool>(&format!(
        "SELECT public.use_credits('{ANA}', 'case_analysis', '00000000-0000-4000-8000-0000000000e1')"
    )));
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.credit_usage WHERE reference_id IS NOT NULL"), 2);
    // Deleting a patient keeps the evaluation, as the new foreign key says.
    admin.run("DELETE FROM public.patients WHERE id = '00000000-0000-4000-8000-0000000000a1'");
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM public.evaluations \
              WHERE id = '00000000-0000-4000-8000-0000000000e1' AND patient_id IS NULL"
        ),
        1
    );
}

#[test]
fn an_overload_of_a_managed_function_is_kept_and_reported_until_it_is_dropped() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run(
        "CREATE FUNCTION public.use_credits(p_user_id uuid, p_operation text, p_amount integer) \
                RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true'",
    );
    adopt_all(&mut admin);
    let reported = "public.use_credits(uuid,text,integer) is an overload of a managed function and was kept: \
                    unless something needs it, run DROP ROUTINE public.use_credits(uuid,text,integer)";
    assert!(warnings(&mut admin).contains(&format!("auria: {reported}")));
    let doctor = r#"SELECT detail FROM auria.doctor() WHERE "check" = 'functions'"#;
    assert!(admin.value::<String>(doctor).contains(reported));
    admin.run("DROP ROUTINE public.use_credits(uuid,text,integer)");
    assert_eq!(admin.value::<String>(doctor), "");
}

fn warnings(session: &mut Session) -> Vec<String> {
    session
        .notices()
        .iter()
        .filter(|notice| notice.severity() == "WARNING")
        .map(|notice| notice.message().to_owned())
        .collect()
}

/// Bodies that the original shipped, as its migrations wrote them.
const KNOWN: [(&str, &str); 2] = [
    ("public.update_updated_at_column()", "\nBEGIN\n  NEW.updated_at = now();\n  RETURN NEW;\nEND;\n"),
    (
        "public.handle_new_user()",
        "\nBEGIN\n  INSERT INTO public.profiles (user_id, full_name, cro)\n  \
         VALUES (NEW.id, NEW.raw_user_meta_data->>'full_name', NEW.raw_user_meta_data->>'cro');\n  \
         RETURN NEW;\nEND;\n",
    ),
];

#[test]
fn a_body_that_the_original_shipped_is_replaced_under_its_oid_whatever_its_line_endings() {
    for (line_ending, known) in [("\n", true), ("\r\n", true), (" \n", false)] {
        let db = legacy_database();
        let mut admin = db.superuser();
        for (signature, body) in KNOWN {
            let body = body.replace('\n', line_ending);
            admin.run(&format!(
                "CREATE OR REPLACE FUNCTION {signature} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $body${body}$body$"
            ));
        }
        let oids = "SELECT array_agg(oid ORDER BY proname)::text FROM pg_proc \
                     WHERE proname IN ('update_updated_at_column', 'handle_new_user')";
        let before: String = admin.value(oids);
        let definition: String = admin.value("SELECT pg_get_functiondef('public.handle_new_user()'::regprocedure)");
        admin.run("CREATE EXTENSION auria CASCADE");
        let warnings = warnings(&mut admin);
        for (signature, _) in KNOWN {
            assert_eq!(
                !known,
                warnings.iter().any(|warning| warning.contains(&format!("function {signature} is not one"))),
                "{line_ending:?} {warnings:#?}"
            );
            assert_eq!(
                known,
                admin.value::<bool>(&format!(
                    "SELECT l.lanname = 'c' FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang \
                      WHERE p.oid = '{signature}'::regprocedure"
                ))
            );
        }
        assert_eq!(admin.value::<String>(oids), before);
        let kept: Option<String> = admin
            .value("SELECT max(definition) FROM auria.replaced_functions WHERE signature = 'public.handle_new_user()'");
        assert_eq!(kept, known.then_some(definition));
    }
}

/// The library's list against the file it is made from.
#[test]
fn the_library_knows_every_body_that_is_covered_and_no_other() {
    let library = std::fs::read(auria_tests::Stage::shared().library()).unwrap();
    let knows = |md5: &str| library.windows(md5.len()).any(|window| window == md5.as_bytes());
    let list = std::fs::read_to_string(repository().join("sql/install/original_bodies.csv")).unwrap();
    let mut covered = 0;
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.rsplitn(5, ',').collect();
        let is_covered = fields[0].trim() == "yes";
        assert_eq!(knows(fields[3]), is_covered, "{line}");
        covered += usize::from(is_covered);
    }
    assert!(covered > 50);
}

/// The fixtures hold one row that breaks each rule.
#[test]
fn every_rpc_clean_up_and_reset_works_beside_old_rows_that_break_a_rule() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days'");
    admin.run("UPDATE public.rate_limits SET updated_at = now() - interval '8 days' WHERE function_name = ''");
    adopt_all(&mut admin);
    let mut service = db.service();
    let broken = format!("WHERE user_id = '{BIA}'");
    // Bia's subscription has an unknown status and counters below zero.
    let due = "SELECT count(*) FROM public.subscriptions WHERE usage_reset_at < now() - interval '30 days'";
    for reset in [
        "SELECT public.reset_monthly_usage_with_rollover()",
        "SELECT public.reset_monthly_usage()",
        "CALL auria.reset_monthly()",
    ] {
        admin.run("UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days'");
        service.run(reset);
        assert_eq!(admin.value::<i64>(due), 0, "{reset}");
    }
    for call in [
        "public.use_credits(USER, 'case_analysis')",
        "public.use_credits(USER, 'case_analysis', gen_random_uuid())",
        "public.refund_credits(USER, 'case_analysis')",
        "public.refund_credits(USER, 'case_analysis', gen_random_uuid())",
        "public.can_use_credits(USER, 'case_analysis')",
        "public.can_create_case(USER)",
        "public.increment_case_usage(USER)",
        "public.add_bonus_credits(USER, 9)",
        "public.check_and_increment_rate_limit(USER, 'analyze-photo', now(), now(), now())",
        "public.get_credit_cost('pesquisa_de_satisfação')",
        "public.check_shared_link_status('')",
        "public.get_shared_evaluation(repeat('ab', 32))",
        "public.get_shared_dsd(repeat('ab', 32))",
        "public.cleanup_old_rate_limits()",
    ] {
        for user in [ANA, BIA] {
            service.run(&format!("SELECT {}", call.replace("USER", &format!("'{user}'"))));
        }
    }
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.rate_limits WHERE function_name = ''"), 0);
    assert_eq!(admin.value::<String>(&format!("SELECT status FROM public.subscriptions {broken}")), "on_hold");
    // A value that broke a rule stays; a value that changes must obey the rules, and so must a new row.
    admin.run(&format!("UPDATE public.subscriptions SET stripe_customer_id = 'cus_1' {broken}"));
    for refused in [
        format!("UPDATE public.subscriptions SET status = 'asleep' {broken}"),
        format!("UPDATE public.subscriptions SET credits_rollover = -7 {broken}"),
        "UPDATE public.prompt_executions SET latency_ms = -1".to_owned(),
        "INSERT INTO public.credit_packs (id, name, credits, price) VALUES ('x', 'x', 0, 1)".to_owned(),
        format!("INSERT INTO public.payment_history (user_id, amount, status) VALUES ('{ANA}', 1, 'lost')"),
    ] {
        refused_with(admin.batch_execute(&refused), "23514");
    }
}

#[test]
fn a_rule_over_two_columns_judges_what_a_statement_changes_and_becomes_a_constraint_once_rows_obey() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run(&format!(
        "INSERT INTO public.shared_links (user_id, session_id, token, created_at, expires_at) \
         VALUES ('{ANA}', gen_random_uuid(), repeat('cd', 32), now(), now() + interval '60 days')"
    ));
    adopt_all(&mut admin);
    let link = "WHERE token = repeat('cd', 32)";
    let is_constraint = "SELECT count(*) FROM pg_constraint \
          WHERE conname = 'shared_links_lifetime_not_over_30_days' AND convalidated";
    assert_eq!(admin.value::<i64>(is_constraint), 0);
    admin.run(&format!("UPDATE public.shared_links SET session_id = gen_random_uuid() {link}"));
    for refused in [
        format!("UPDATE public.shared_links SET expires_at = expires_at + interval '1 day' {link}"),
        format!(
            "INSERT INTO public.shared_links (user_id, session_id, token, expires_at) \
             VALUES ('{ANA}', gen_random_uuid(), repeat('ef', 32), now() + interval '31 days')"
        ),
    ] {
        refused_with(admin.batch_execute(&refused), "23514");
    }
    admin.run("SELECT * FROM auria.migrate()");
    assert_eq!(admin.value::<i64>(is_constraint), 0);
    admin.run("UPDATE public.shared_links SET expires_at = created_at + interval '7 days'");
    let promoted: Vec<String> =
        admin.query("SELECT name FROM auria.migrate()", &[]).unwrap().iter().map(|row| row.get(0)).collect();
    let notices: Vec<String> = admin.notices().iter().map(DbError::message).map(str::to_owned).collect();
    assert_eq!(admin.value::<i64>(is_constraint), 1, "{promoted:?} {notices:?}");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'shared_links_lifetime%'"), 0);
}

#[test]
fn a_view_over_columns_that_may_be_null_reads_them_for_the_backend() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run(
        "CREATE VIEW public.contacts AS SELECT id, public.phi_decrypt(name_encrypted) AS name, \
                public.phi_decrypt(phone_encrypted) AS phone FROM public.patients; \
         REVOKE ALL ON public.contacts FROM anon, authenticated; GRANT SELECT ON public.contacts TO service_role",
    );
    adopt_all(&mut admin);
    assert!(!warnings(&mut admin).iter().any(|warning| warning.contains("public.contacts")));
    assert_eq!(db.service().value::<i64>("SELECT count(*) FROM public.contacts"), 8);
    assert!(
        db.service().value::<bool>("SELECT bool_or(name IS NULL) AND bool_or(phone IS NOT NULL) FROM public.contacts")
    );
}

#[test]
fn the_holes_of_the_old_version_are_closed_and_other_products_left_alone() {
    let db = legacy_database();
    let mut admin = db.superuser();
    adopt_all(&mut admin);
    let statements: Vec<String> = warnings(&mut admin)
        .iter()
        .filter_map(|warning| warning.split_once(", run DROP POLICY "))
        .map(|(_, policy)| format!("DROP POLICY {policy}"))
        .collect();
    assert_eq!(statements.len(), 5);
    admin.run(&statements.join(";"));
    let mut ana = db.authenticated(ANA.parse().unwrap());
    assert_eq!(ana.value::<i64>("SELECT count(*) FROM public.patients"), 2);
    refused_with(ana.execute("UPDATE public.subscriptions SET credits_bonus = 99", &[]), "42501");
    refused_with(ana.batch_execute("TRUNCATE public.patients"), "42501");
    assert_eq!(db.anon().value::<i64>("SELECT count(id) FROM public.evaluations"), 0);
    refused_with(db.anon().query("SELECT public.use_credits(gen_random_uuid(), 'x')", &[]), "42501");
    for kept in ["invoices_read", "reporting_reads", "nem os próprios, fora do expediente"] {
        assert_eq!(
            admin.value::<i64>(&format!("SELECT count(*) FROM pg_policy WHERE polname = '{kept}'")),
            1,
            "{kept}"
        );
    }
    assert!(admin.value::<bool>("SELECT has_table_privilege('anon', 'public.newsletter', 'INSERT')"));
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM pg_policy WHERE polrelid = 'public.patients'::regclass AND polpermissive"
        ),
        4
    );
}

/// Policies that the original made for its backend, and for everybody by mistake, on each managed table that is there.
const OF_THE_BACKEND_FOR_EVERYBODY: &str = r#"DO $$
DECLARE
    "table" regclass;
BEGIN
    FOR "table" IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                                           AND relname NOT IN ('newsletter', 'clinic_appointments') LOOP
        EXECUTE format('CREATE POLICY "Service role can manage" ON %s USING (true) WITH CHECK (true)', "table");
        EXECUTE format('CREATE POLICY "Service role can insert" ON %s FOR INSERT WITH CHECK (true)', "table");
        EXECUTE format('CREATE POLICY "Service role can update" ON %s FOR UPDATE USING (true)', "table");
        EXECUTE format('CREATE POLICY "Service role can delete" ON %s FOR DELETE USING (1 = 1)', "table");
    END LOOP;
END $$"#;

#[test]
fn what_the_original_let_everybody_do_in_the_name_of_its_backend_is_dropped_by_name_at_every_state() {
    for db in [1, 8, LAST].map(database_at).into_iter().chain([Cluster::shared().raw_database(RAW_STATES[2])]) {
        let mut admin = db.superuser();
        admin.run(OF_THE_BACKEND_FOR_EVERYBODY);
        // A clinic's own table, and a role that the clinic named: neither is the original's.
        admin.run(
            r#"CREATE POLICY "Service role can read" ON public.newsletter USING (true);
               CREATE POLICY "Service role can read" ON public.profiles FOR SELECT TO authenticated USING (true)"#,
        );
        adopt_all(&mut admin);
        let said = warnings(&mut admin);
        let about: Vec<_> = said.iter().filter(|warning| warning.contains("Service role can")).collect();
        assert!(matches!(about[..], [text] if text.contains("public.profiles")), "{about:?}");
        let left = "SELECT string_agg(polrelid::regclass::text, ', ' ORDER BY 1) FROM pg_policy WHERE polname LIKE 'Service role can%'";
        assert_eq!(admin.value::<String>(left).replace("public.", ""), "newsletter, profiles");
    }
}

#[test]
fn grants_made_by_hand_stay_also_after_a_dump_and_restore() {
    let (db, copy) = (legacy_database(), empty_database());
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    let granted = "SELECT has_function_privilege('reporting', 'public.get_credit_cost(text)', 'EXECUTE WITH GRANT OPTION') \
                      AND has_table_privilege('reporting', 'public.credit_usage', 'SELECT')";
    assert!(admin.value::<bool>(granted));
    db.dump_into(db.cluster(), copy.name());
    let mut restored = copy.superuser();
    assert!(restored.value::<bool>(granted));
    Rows::of(&mut admin).assert_unchanged(&mut restored);
}

#[test]
fn an_index_of_the_originals_stays_beside_the_one_that_serves_until_all_is_restored() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run(
        "CREATE INDEX idx_patients_created_at ON public.patients (created_at DESC);
         CREATE INDEX idx_evaluations_created_at ON public.evaluations (created_at DESC);
         CREATE EXTENSION auria CASCADE",
    );
    let mut indexes = || -> String {
        admin.value(
            "SELECT string_agg(c.relname || substring(pg_get_indexdef(c.oid) FROM ' \\(.*'), '; ' ORDER BY c.relname)
               FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname ~ '_(user_)?created(_at)?$'
                AND i.indrelid IN ('public.patients'::regclass, 'public.evaluations'::regclass)",
        )
    };
    let evaluations = "idx_evaluations_created_at (created_at DESC); \
                       idx_evaluations_user_created (user_id, created_at DESC); ";
    assert_eq!(
        indexes(),
        format!(
            "{evaluations}idx_patients_created_at (created_at DESC); \
             idx_patients_user_created (user_id, created_at DESC)"
        )
    );
    let again = "SELECT FROM auria.migrate(again => true)";
    db.superuser().run(again);
    let restored = format!("{evaluations}idx_patients_created_at (user_id, created_at DESC)");
    assert_eq!(indexes(), restored);
    // Nothing is built again for nothing.
    let files =
        "SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM pg_class WHERE relkind = 'i' AND relname LIKE 'idx\\_%'";
    let before: String = db.superuser().value(files);
    db.superuser().run(again);
    assert_eq!(indexes(), restored);
    assert_eq!(db.superuser().value::<String>(files), before);
}
