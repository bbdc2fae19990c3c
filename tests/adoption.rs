//! Taking over a database that AURIA ran in PL/pgSQL, with what years left in it.

use auria_tests::{Database, Session, database, empty_database, refused_with};

const SUPABASE: &str = include_str!("fixtures/supabase.sql");
const LEGACY: &str = include_str!("fixtures/legacy.sql");
const ROWS: &str = include_str!("fixtures/legacy_rows.sql");

const ANA: &str = "00000000-0000-4000-8000-00000000000a";

fn legacy_database() -> Database<'static> {
    // The roles belong to the server; the template makes them.
    drop(database());
    let db = empty_database();
    let mut admin = db.superuser();
    admin.run(SUPABASE);
    admin.run(LEGACY);
    admin.run(ROWS);
    db
}

/// Every row of the tables that were there, column by column as they were.
fn rows(session: &mut Session, columns: &[(String, String)]) -> Vec<String> {
    columns
        .iter()
        .map(|(table, list)| {
            let sum: Option<String> = session.value(&format!(
                "SELECT md5(string_agg(row::text, '|' ORDER BY row::text)) FROM (SELECT {list} FROM {table}) AS row"
            ));
            format!("{table} {sum:?}")
        })
        .collect()
}

fn columns(session: &mut Session) -> Vec<(String, String)> {
    session
        .query(
            "SELECT format('%I.%I', table_schema, table_name), string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) \
               FROM information_schema.columns \
              WHERE table_schema IN ('public', 'auth', 'storage', 'vault') \
                AND table_name NOT IN ('subscription_plans', 'credit_costs', 'resin_catalog', 'resins', 'credit_packs', \
                                       'buckets', 'readable_patients', 'decrypted_secrets') \
              GROUP BY 1 ORDER BY 1",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

fn function_oid(session: &mut Session, signature: &str) -> u32 {
    session.value(&format!("SELECT '{signature}'::regprocedure::oid"))
}

#[test]
fn every_row_stays_byte_for_byte_and_the_old_functions_become_compiled_ones_in_place() {
    let db = legacy_database();
    let mut admin = db.superuser();
    let tables = columns(&mut admin);
    let before = rows(&mut admin, &tables);
    let (decrypt, cost) = (
        function_oid(&mut admin, "public.phi_decrypt(bytea)"),
        function_oid(&mut admin, "public.get_credit_cost(text)"),
    );
    admin.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(before, rows(&mut admin, &tables));
    assert_eq!(
        decrypt,
        function_oid(&mut admin, "public.phi_decrypt(bytea)")
    );
    assert_eq!(
        cost,
        function_oid(&mut admin, "public.get_credit_cost(text)")
    );
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(DISTINCT proname) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang \
              WHERE pronamespace = 'public'::regnamespace AND lanname = 'c' AND probin LIKE '%auria_pg%'"
        ),
        16
    );
    // The view over phi_decrypt reads what pgcrypto wrote.
    assert_eq!(
        admin.value::<String>(
            "SELECT string_agg(name, ', ' ORDER BY name) FROM public.readable_patients"
        ),
        "João da Conceição, Márcia Araújo"
    );
    // A clinic's own prices and shades survive the seeding; the rest arrives.
    assert_eq!(
        admin.value::<i32>(
            "SELECT price_monthly FROM public.subscription_plans WHERE id = 'price_pro_monthly_v2'"
        ),
        9900
    );
    assert_eq!(
        admin.value::<String>("SELECT opacity FROM public.resin_catalog WHERE shade = 'A2B'"),
        "outra"
    );
    assert_eq!(
        admin.value::<i64>("SELECT count(*) FROM public.resin_catalog"),
        181
    );
}

#[test]
fn every_step_is_told() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    let told: Vec<String> = admin
        .notices()
        .iter()
        .map(|notice| notice.message().to_owned())
        .collect();
    for expected in [
        "function public.use_credits(uuid,text) is taken over",
        "function public.encrypt_patient_phi() is taken over",
        "policy \"Users manage own patients\" on public.patients was dropped",
        "policy \"Users manage own subscription\" on public.subscriptions was dropped",
        "policy \"Anyone with a link\" on public.evaluations was dropped",
        "policy \"Clinic photos\" on storage.objects was dropped",
        "patients_user_id_fkey holds for new rows only: 1 rows of public.patients",
        "credit_usage_reference_key holds only for rows made after",
    ] {
        assert!(
            told.iter().any(|line| line.contains(expected)),
            "{expected} in {told:#?}"
        );
    }
    for (what, rows) in [("credits_used", 1), ("status", 1)] {
        assert!(
            told.iter()
                .any(|line| line.contains("public.subscriptions break it")
                    && line.contains(what)
                    && line.contains(&format!("{rows} rows"))),
            "{what} in {told:#?}"
        );
    }
    assert!(
        told.iter()
            .any(|line| line.contains("public.payment_history break it")),
        "{told:#?}"
    );
    // Patient data stays out of what is told.
    assert!(
        !told
            .iter()
            .any(|line| line.contains("João") || line.contains("9123")),
        "{told:#?}"
    );
}

#[test]
fn what_broke_a_rule_stays_and_nothing_new_breaks_it() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    let invalid: i64 = admin.value("SELECT count(*) FROM pg_constraint WHERE NOT convalidated");
    assert_eq!(
        invalid, 4,
        "patients' user, a counter, a status, a payment's status"
    );
    refused_with(
        admin.execute(
            "INSERT INTO public.patients (user_id, name) VALUES (gen_random_uuid(), 'x')",
            &[],
        ),
        "23503",
    );
    refused_with(
        admin.execute("UPDATE public.subscriptions SET credits_bonus = -1", &[]),
        "23514",
    );
    // Two rows with one reference are there; a third use of it charges nothing.
    assert!(
        db.service().value::<bool>(&format!(
            "SELECT public.use_credits('{ANA}', 'case_analysis', '00000000-0000-4000-8000-0000000000e1')"
        ))
    );
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM public.credit_usage WHERE reference_id IS NOT NULL"
        ),
        2
    );
    // Deleting a patient keeps the evaluation, as the new foreign key says.
    admin.run("DELETE FROM public.patients WHERE id = '00000000-0000-4000-8000-0000000000a1'");
    assert_eq!(
        admin.value::<i64>("SELECT count(*) FROM public.evaluations WHERE patient_id IS NULL"),
        1
    );
}

#[test]
fn the_holes_of_the_old_version_are_closed_and_other_products_left_alone() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    let mut ana = db.authenticated(ANA.parse().unwrap());
    assert_eq!(ana.value::<i64>("SELECT count(*) FROM public.patients"), 1);
    refused_with(
        ana.execute("UPDATE public.subscriptions SET credits_bonus = 99", &[]),
        "42501",
    );
    refused_with(ana.batch_execute("TRUNCATE public.patients"), "42501");
    assert_eq!(
        db.anon()
            .value::<i64>("SELECT count(id) FROM public.evaluations"),
        0
    );
    refused_with(
        db.anon()
            .query("SELECT public.use_credits(gen_random_uuid(), 'x')", &[]),
        "42501",
    );
    for kept in ["invoices_read", "reporting_reads"] {
        assert_eq!(
            admin.value::<i64>(&format!(
                "SELECT count(*) FROM pg_policy WHERE polname = '{kept}'"
            )),
            1,
            "{kept}"
        );
    }
    assert!(
        admin.value::<bool>("SELECT has_table_privilege('anon', 'public.newsletter', 'INSERT')")
    );
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM pg_policy WHERE polrelid = 'public.patients'::regclass"
        ),
        4
    );
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
    let tables = columns(&mut admin);
    assert_eq!(rows(&mut admin, &tables), rows(&mut restored, &tables));
}

#[test]
fn what_belongs_to_somebody_untrusted_stops_the_installation_and_nothing_changes() {
    for (object, message) in [
        ("TABLE public.patients", "table public.patients"),
        (
            "FUNCTION public.use_credits(uuid, text)",
            "function public.use_credits(uuid,text)",
        ),
        ("SCHEMA auria", "schema auria"),
    ] {
        let db = legacy_database();
        let mut admin = db.superuser();
        admin.run(
            "DO $$ BEGIN CREATE ROLE mallory; EXCEPTION WHEN duplicate_object THEN NULL; END $$; \
             CREATE SCHEMA auria",
        );
        admin.run(&format!("ALTER {object} OWNER TO mallory"));
        let refusal = refused_with(
            admin.batch_execute("CREATE EXTENSION auria CASCADE"),
            "42501",
        );
        assert!(
            refusal.message().contains(message) && refusal.message().contains("mallory"),
            "{refusal:?}"
        );
        assert!(refusal.hint().unwrap().contains("auria.trusted_owners"));
        assert_eq!(
            admin.value::<i64>(
                "SELECT count(*) FROM pg_policy WHERE polname = 'Users manage own patients'"
            ),
            1
        );
        assert_eq!(admin.value::<String>("SELECT lanname::text FROM pg_language l JOIN pg_proc p ON p.prolang = l.oid WHERE proname = 'use_credits'"), "plpgsql");
        admin.run("LOAD 'auria_pg'; SET auria.trusted_owners = 'somebody, mallory'; CREATE EXTENSION auria CASCADE");
    }
}
