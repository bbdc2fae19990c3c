//! Columns of another type or nullability, renamed and dropped ones: they work with everything, or are named. Never XX000.

use auria_tests::{Database, Session, database, refused_with};
use uuid::Uuid;

use super::doctor::complaints;
use crate::support::legacy::database_at;

/// Changes of columns that a team may have made, and that work.
const WORKING: &str = "
    CREATE SCHEMA IF NOT EXISTS extensions;
    CREATE EXTENSION IF NOT EXISTS citext SCHEMA extensions;
    GRANT USAGE ON SCHEMA extensions TO PUBLIC;
    CREATE DOMAIN public.phone_number AS text;
    ALTER TABLE public.subscriptions ALTER COLUMN credits_bonus TYPE bigint, ALTER COLUMN credits_rollover TYPE bigint,
        ALTER COLUMN credits_used_this_month TYPE bigint, ALTER COLUMN cases_used_this_month TYPE bigint;
    ALTER TABLE public.subscription_plans ALTER COLUMN credits_per_month TYPE bigint,
        ALTER COLUMN cases_per_month TYPE bigint, ALTER COLUMN rollover_max TYPE bigint;
    ALTER TABLE public.credit_costs ALTER COLUMN credits TYPE bigint;
    ALTER TABLE public.credit_usage ALTER COLUMN credits_used TYPE bigint, ALTER COLUMN operation TYPE varchar(300);
    ALTER TABLE public.rate_limits ALTER COLUMN minute_count TYPE bigint, ALTER COLUMN function_name TYPE extensions.citext;
    ALTER TABLE public.profiles ALTER COLUMN full_name TYPE varchar(200), ALTER COLUMN cro TYPE extensions.citext;
    ALTER TABLE public.patients ALTER COLUMN email TYPE extensions.citext, ALTER COLUMN phone TYPE public.phone_number,
        ALTER COLUMN name TYPE varchar(200), ALTER COLUMN notes TYPE extensions.citext;
    ALTER TABLE public.evaluations ALTER COLUMN status TYPE varchar(40), ALTER COLUMN patient_name TYPE extensions.citext";

/// Calls every function, trigger, clean-up, backfill and reset, and says which failed how.
fn failures_of_everything(db: &Database) -> Vec<(String, String)> {
    let mut dba = db.superuser();
    let mut failed = Vec::new();
    let user = Uuid::new_v4();
    let sign_up = format!(
        "INSERT INTO auth.users (id, email, raw_user_meta_data) \
         VALUES ('{user}', '{user}@clinica.example', '{{\"full_name\": \"Ana\", \"cro\": \"SP-1\"}}')"
    );
    let session = Uuid::new_v4();
    let token = format!("{0}{0}", user.simple());
    let backend = [
        format!("SELECT public.use_credits('{user}', 'case_analysis')"),
        format!("SELECT public.refund_credits('{user}', 'case_analysis')"),
        format!(
            "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{user}', 'price_pro_monthly_v2', 'active')"
        ),
        format!("SELECT public.can_use_credits('{user}', 'case_analysis')"),
        format!("SELECT public.use_credits('{user}', 'case_analysis')"),
        format!("SELECT public.use_credits('{user}', 'dsd_simulation', '{session}')"),
        format!("SELECT public.use_credits('{user}', 'dsd_simulation', '{session}')"),
        format!("SELECT public.refund_credits('{user}', 'case_analysis')"),
        format!("SELECT public.refund_credits('{user}', 'dsd_simulation', '{session}')"),
        format!("SELECT public.use_credits('{user}', 'case_analysis')"),
        format!("SELECT public.add_bonus_credits('{user}', 10)"),
        "SELECT public.get_credit_cost('case_analysis')".to_owned(),
        format!("SELECT public.can_create_case('{user}')"),
        format!("SELECT public.increment_case_usage('{user}')"),
        format!("UPDATE public.subscriptions SET plan_id = 'starter' WHERE user_id = '{user}'"),
        format!(
            "UPDATE public.subscriptions SET plan_id = 'price_pro_monthly_v2', status = 'trialing' WHERE user_id = '{user}'"
        ),
        format!("UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days' WHERE user_id = '{user}'"),
        "SELECT public.reset_monthly_usage_with_rollover()".to_owned(),
        format!("UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days' WHERE user_id = '{user}'"),
        "SELECT public.reset_monthly_usage()".to_owned(),
        format!("UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days' WHERE user_id = '{user}'"),
        "CALL auria.reset_monthly()".to_owned(),
        format!("SELECT public.check_and_increment_rate_limit('{user}', 'analyze', now(), now(), now())"),
        format!("SELECT public.check_and_increment_rate_limit('{user}', 'analyze', now(), now(), now())"),
        "SELECT public.cleanup_old_rate_limits()".to_owned(),
        "SELECT public.cleanup_expired_shared_links()".to_owned(),
        "SELECT public.cleanup_stale_drafts()".to_owned(),
        "SELECT public.cleanup_stuck_evaluations()".to_owned(),
        "SELECT * FROM public.verify_phi_encryption()".to_owned(),
        "CALL auria.phi_backfill()".to_owned(),
        "SELECT * FROM auria.phi_status()".to_owned(),
        "SELECT * FROM auria.metrics()".to_owned(),
        format!("SELECT auria.export_user('{user}')"),
    ];
    let dentist = [
        format!(
            "INSERT INTO public.patients (user_id, name, phone, email, notes) \
             VALUES ('{user}', 'Rui', '119', 'Rui@example.com', 'alergia')"
        ),
        format!("UPDATE public.patients SET email = 'rui@clinica.example', phone = NULL WHERE user_id = '{user}'"),
        auria_tests::insert_evaluation(
            &format!("'{user}'"),
            &[("session_id", &format!("'{session}'")), ("patient_name", "'Rui'"), ("status", "'completed'")],
        ),
        format!("INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ('{user}', '{{\"a\": 1}}')"),
        format!(
            "INSERT INTO public.shared_links (user_id, session_id, token, expires_at) \
             VALUES ('{user}', '{session}', '{token}', now() + interval '7 days')"
        ),
        format!("SELECT * FROM public.get_shared_evaluation('{token}')"),
        format!("SELECT * FROM public.get_shared_dsd('{token}')"),
        format!("SELECT public.check_shared_link_status('{token}')"),
        format!("SELECT public.can_use_credits('{user}', 'case_analysis')"),
        format!("SELECT name, phone, email, notes FROM public.patients WHERE user_id = '{user}'"),
    ];
    let mut run = |session: &mut Session, statement: &str| {
        if let Err(error) = session.batch_execute(statement) {
            let db = error.as_db_error().unwrap_or_else(|| panic!("{statement}: {error}"));
            failed.push((statement.to_owned(), format!("{} {}", db.code().code(), db.message())));
        }
    };
    run(&mut dba, &sign_up);
    let (mut service, mut client) = (db.service(), db.authenticated(user));
    for statement in backend.iter().chain(&dentist).chain(&backend[3..]) {
        let session = if dentist.contains(statement) { &mut client } else { &mut service };
        run(session, statement);
    }
    failed
}

fn patients(db: &Database) -> Vec<String> {
    let mut dba = db.superuser();
    dba.query("SELECT format('%s %s %s', name, email, notes) FROM public.patients WHERE name = 'Rui'", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[test]
fn columns_that_a_team_widened_after_the_installation_work_with_everything_in_both_layouts() {
    let db = database();
    let mut dba = db.superuser();
    // A view or index over a column is the team's to bring along.
    dba.run("DROP INDEX IF EXISTS public.idx_patients_name_trgm");
    dba.run(WORKING);
    assert_eq!(failures_of_everything(&db), []);
    // A month began every second.
    let is_well = |dba: &mut Session| {
        let reported = complaints(dba);
        assert!(reported.iter().all(|(check, _)| check == "months"), "{reported:?}");
    };
    dba.run("SELECT auria.migrate(again => true)");
    is_well(&mut dba);
    dba.run("CALL auria.phi_seal()");
    assert_eq!(failures_of_everything(&db), []);
    is_well(&mut dba);
    assert_eq!(patients(&db), ["Rui rui@clinica.example alergia"; 2]);
    dba.run("CALL auria.phi_unseal()");
    is_well(&mut dba);
}

#[test]
fn columns_that_a_team_widened_before_the_installation_work_with_everything() {
    let db = database_at(18);
    let mut dba = db.superuser();
    // A generated column is over it.
    dba.run(&WORKING.replace("ALTER COLUMN name TYPE varchar(200), ", ""));
    dba.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(failures_of_everything(&db), []);
}

#[test]
fn a_counter_beyond_an_integer_is_out_of_range_and_not_something_internal() {
    let db = database();
    let user = db.sign_up_on_plan("wide@clinica.example", "price_pro_monthly_v2");
    db.superuser().run(&format!(
        "ALTER TABLE public.subscriptions ALTER COLUMN credits_bonus TYPE bigint; \
         UPDATE public.subscriptions SET credits_bonus = 3000000000 WHERE user_id = '{user}'; \
         UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days' WHERE user_id = '{user}'"
    ));
    let mut service = db.service();
    for call in [
        format!("SELECT public.use_credits('{user}', 'case_analysis')"),
        format!("SELECT public.can_use_credits('{user}', 'case_analysis')"),
        format!("SELECT public.add_bonus_credits('{user}', 1)"),
        "SELECT public.reset_monthly_usage_with_rollover()".to_owned(),
    ] {
        refused_with(service.batch_execute(&call), "22003");
    }
    // As the hint says, the row can be corrected.
    service.run("UPDATE public.subscriptions SET credits_bonus = 5");
    assert!(service.value::<bool>(&format!("SELECT public.use_credits('{user}', 'case_analysis')")));
    assert_eq!(service.value::<i64>("SELECT credits_bonus FROM public.subscriptions"), 5);
}

#[test]
fn what_a_column_became_after_the_installation_is_named_by_the_doctor_and_by_whoever_meets_it() {
    for (relation, column, change) in [
        ("subscriptions", "credits_bonus", "ALTER COLUMN credits_bonus TYPE numeric"),
        (
            "subscriptions",
            "credits_bonus",
            "ALTER COLUMN credits_bonus DROP NOT NULL, ALTER COLUMN credits_bonus DROP DEFAULT",
        ),
        ("subscriptions", "usage_reset_at", "ALTER COLUMN usage_reset_at TYPE timestamp"),
        ("subscriptions", "credits_rollover", "RENAME COLUMN credits_rollover TO carried"),
        ("subscriptions", "credits_used_hidden", "DROP COLUMN credits_used_hidden CASCADE"),
        ("subscription_plans", "credits_per_month", "ALTER COLUMN credits_per_month TYPE numeric"),
        ("credit_costs", "credits", "ALTER COLUMN credits TYPE numeric"),
        ("credit_usage", "is_free", "ALTER COLUMN is_free DROP NOT NULL, ALTER COLUMN is_free SET DEFAULT NULL"),
        ("credit_usage", "entry", "RENAME COLUMN entry TO number"),
        ("credit_usage", "from_bonus", "DROP COLUMN from_bonus CASCADE"),
        ("rate_limits", "minute_count", "ALTER COLUMN minute_count TYPE numeric"),
        ("patients", "birth_date", "ALTER COLUMN birth_date TYPE text"),
        ("patients", "birth_date", "ALTER COLUMN birth_date TYPE timestamptz"),
        ("patients", "phone_encrypted", "DROP COLUMN phone_encrypted"),
        ("patients", "name", "RENAME COLUMN name TO full_name"),
        ("evaluations", "patient_name_encrypted", "RENAME COLUMN patient_name_encrypted TO hidden_name"),
        ("evaluation_drafts", "draft_data", "ALTER COLUMN draft_data TYPE text"),
        ("shared_links", "expires_at", "RENAME COLUMN expires_at TO ends_at"),
        ("profiles", "cro", "RENAME COLUMN cro TO register"),
    ] {
        let db = database();
        let mut dba = db.superuser();
        dba.run(&format!("ALTER TABLE public.{relation} {change}"));
        let failed = failures_of_everything(&db);
        for (statement, error) in &failed {
            assert!(!error.starts_with("XX") && !error.starts_with("22P02"), "{change}: {statement}: {error}");
            if error.starts_with("42804") {
                assert!(error.contains(column) && error.contains(relation), "{change}: {statement}: {error}");
            }
        }
        let said: Vec<String> = dba
            .query(r#"SELECT detail FROM auria.doctor() WHERE "check" = 'columns'"#, &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert!(said[0].contains(column) && said[0].contains(relation), "{change}: {said:?}, {failed:?}");
    }
}

#[test]
fn a_table_of_another_starter_stops_the_installation_by_name() {
    for (state, made, sqlstate, message) in [
        (
            0,
            "CREATE TABLE public.profiles (id uuid PRIMARY KEY, username text)",
            "42703",
            "will not take over table public.profiles: column avatar_url, of type text, is missing",
        ),
        (
            18,
            "ALTER TABLE public.patients ALTER COLUMN birth_date TYPE text",
            "42804",
            "will not take over table public.patients: column birth_date is of type text and must be date",
        ),
        (
            18,
            "ALTER TABLE public.patients ALTER COLUMN birth_date TYPE timestamptz",
            "42804",
            "will not take over table public.patients: column birth_date is of type timestamp with time zone and must be date",
        ),
        (
            18,
            "ALTER TABLE public.subscriptions ALTER COLUMN credits_rollover TYPE numeric",
            "42804",
            "will not take over table public.subscriptions: column credits_rollover is of type numeric and must be integer",
        ),
        (
            18,
            "ALTER TABLE public.credit_usage RENAME COLUMN operation TO kind",
            "42703",
            "will not take over table public.credit_usage: column operation, of type text, is missing",
        ),
    ] {
        let db = if state == 0 { auria_tests::empty_database() } else { database_at(state) };
        let mut dba = db.superuser();
        dba.run(made);
        let refusal = refused_with(dba.batch_execute("CREATE EXTENSION auria CASCADE"), sqlstate);
        assert_eq!(refusal.message(), message);
        assert!(refusal.detail().unwrap().contains("nothing was changed"), "{refusal:?}");
        assert!(state > 0 || refusal.detail().unwrap().contains("user_id"), "{refusal:?}");
        assert!(refusal.hint().unwrap().contains("ALTER TABLE public."), "{refusal:?}");
        assert!(!dba.value::<bool>("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'auria')"));
    }
}

#[test]
fn a_nullable_is_free_of_a_teams_own_works_or_stops_the_installation_by_name() {
    let db = database_at(18);
    let mut dba = db.superuser();
    dba.run("ALTER TABLE public.credit_usage ADD COLUMN is_free boolean, ADD COLUMN from_hidden integer");
    let refusal = refused_with(dba.batch_execute("CREATE EXTENSION auria CASCADE"), "42804");
    assert!(refusal.message().contains("public.credit_usage: column from_hidden"), "{refusal:?}");
    // As the hint says.
    dba.run("UPDATE public.credit_usage SET from_hidden = 0");
    dba.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(failures_of_everything(&db), []);
    assert!(dba.value::<bool>(
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'public.credit_usage'::regclass AND attname = 'is_free'"
    ));
}
