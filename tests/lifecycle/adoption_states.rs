//! Taking over a database at each of the 18 states that AURIA's migrations in PL/pgSQL left one in.

use std::collections::BTreeMap;

use auria_tests::{Database, Session, database, migration_count};
use postgres::error::DbError;
use uuid::Uuid;

use crate::lifecycle::doctor::complaints;
use crate::support::catalogue::{access, assert_same, column, tables};
use crate::support::legacy::{ANA, BIA, LAST, Rows, database_at};

/// Rules that one row of the fixtures breaks: from which state on, until which, the constraint.
const BROKEN: [(usize, usize, &str); 30] = [
    (1, LAST, "patients_user_id_fkey"),
    (1, 9, "evaluations_patient_id_fkey"),
    (1, LAST, "evaluation_drafts_user_id_fkey"),
    (1, LAST, "subscription_plans_price_yearly_not_negative"),
    (1, LAST, "subscriptions_status_not_unknown"),
    (1, LAST, "subscriptions_cases_used_this_month_not_negative"),
    (1, LAST, "subscriptions_dsd_used_this_month_not_negative"),
    (3, LAST, "rate_limits_minute_count_not_negative"),
    (3, LAST, "rate_limits_hour_count_not_negative"),
    (5, LAST, "payment_history_status_not_unknown"),
    (6, LAST, "subscription_plans_price_monthly_not_negative"),
    (
        6,
        LAST,
        "subscription_plans_credits_per_month_not_below_minus_one",
    ),
    (6, LAST, "subscription_plans_rollover_max_not_negative"),
    (
        6,
        LAST,
        "subscriptions_credits_used_this_month_not_negative",
    ),
    (6, LAST, "subscriptions_credits_rollover_not_negative"),
    (6, LAST, "credit_costs_credits_not_negative"),
    (8, LAST, "shared_links_token_not_malformed"),
    (8, LAST, "shared_links_lifetime_not_over_30_days"),
    (9, LAST, "prompt_executions_tokens_in_not_negative"),
    (9, LAST, "prompt_executions_tokens_out_not_negative"),
    (9, LAST, "prompt_executions_estimated_cost_not_negative"),
    (9, LAST, "prompt_executions_latency_ms_not_negative"),
    (10, LAST, "session_detected_teeth_user_id_fkey"),
    (12, LAST, "subscriptions_credits_bonus_not_negative"),
    (12, LAST, "credit_packs_credits_not_below_one"),
    (12, LAST, "credit_packs_price_not_negative"),
    (12, LAST, "credit_pack_purchases_credits_not_below_one"),
    (12, LAST, "credit_pack_purchases_amount_not_negative"),
    (12, LAST, "credit_pack_purchases_status_not_unknown"),
    (17, LAST, "user_inventory_user_id_fkey"),
];

/// Other things worth telling a DBA: from which state on, until which, how the notice starts.
const TOLD: [(usize, usize, &str); 4] = [
    (1, 3, "installing required extension \"pg_trgm\""),
    (
        1,
        5,
        "auria: migration 006_credit_system: plan price_pro_monthly_v2 is sold and grants no credits: ",
    ),
    (
        5,
        10,
        "auria: migration 011_invoice_uniqueness: constraint payment_history_stripe_invoice_id_unique was not added: 1 values ",
    ),
    (
        6,
        LAST,
        "auria: migration 014_atomic_credits: index credit_usage_reference_key holds only for rows made after 2026-01-05 ",
    ),
];

/// What stays beside the schema of a new database, from which state on: how its lines in the catalogue start.
const OWN_TABLES: [(usize, &str); 9] = [
    (1, "clinic_appointments: "),
    (1, "newsletter: "),
    (1, "patients: chart_number "),
    (1, "patients: check chart_number_not_blank: "),
    (1, "patients: index patients_by_chart: "),
    (1, "patients: initial "),
    (1, "patients: trigger number_charts: "),
    (4, "patients: index patients_by_phone: "),
    // AURIA's own once; today another index serves as well.
    (6, "credit_usage: index idx_credit_usage_user_id: "),
];

/// The same for who may do what.
const OWN_ACCESS: [(usize, &str); 9] = [
    (1, "public.clinic_appointments: "),
    (1, "public.newsletter: "),
    (1, "public.evaluations.id: reporting may SELECT"),
    (1, "public.evaluations.tooth: reporting may SELECT"),
    (
        1,
        "public.patients: policy nem os próprios, fora do expediente ",
    ),
    (1, "public.subscriptions: policy reporting_reads "),
    (1, "public.subscriptions: reporting may SELECT"),
    (1, "storage.objects: policy invoices_read "),
    (6, "public.credit_usage: reporting may SELECT"),
];

/// Policies that widen nothing for a user of the API.
const KEPT_POLICIES: &str =
    "'reporting_reads', 'nem os próprios, fora do expediente', 'invoices_read'";

/// What would betray a patient.
const PATIENT_DATA: [&str; 12] = [
    "João",
    "Márcia",
    "Zé",
    "José",
    "Ícaro",
    "Óscar",
    "Apagada",
    "91234",
    "paciente.test",
    "penicilina",
    "dói",
    "1961",
];

fn adopts(state: usize) {
    let db = database_at(state);
    let mut admin = db.superuser();
    let rows = Rows::of(&mut admin);
    let functions = functions(&mut admin);
    let own = (
        own(OWN_TABLES, state, &tables(&mut admin)),
        own(OWN_ACCESS, state, &access(&mut admin)),
    );
    let widening = widening_policies(&mut admin);
    admin.notices();

    admin.run("CREATE EXTENSION auria CASCADE");
    assert_told(state, &mut admin, &functions, &widening);
    assert_taken_over(&mut admin, &functions);
    for again in [false, true] {
        if again {
            // The clinic's view over phi_decrypt goes with the function; no row goes.
            admin.run("DROP EXTENSION auria CASCADE; CREATE EXTENSION auria");
        }
        rows.assert_unchanged(&mut admin);
        assert_schema(state, &mut admin, &own);
        assert_eq!(complaints(&mut admin), expected_complaints(state));
    }
    what_was_in_the_clear_is_encrypted_on_demand(&mut admin);
    each_user_reads_what_is_his(&db);
    credits_are_spent_and_given_back(state, &db);
    a_session_is_shared(&db);
    a_new_patient_is_encrypted(&db);
}

/// The functions that AURIA had, with their OIDs.
fn functions(session: &mut Session) -> BTreeMap<String, u32> {
    session
        .query(
            "SELECT format('public.%s', p.oid::regprocedure), p.oid FROM pg_proc p \
               JOIN pg_language l ON l.oid = p.prolang \
              WHERE pronamespace = 'public'::regnamespace AND lanname IN ('sql', 'plpgsql') AND proname NOT LIKE 'clinic%'",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

fn widening_policies(session: &mut Session) -> Vec<String> {
    column(
        session,
        &format!(
            "SELECT format('%I on %I.%I', policyname, schemaname, tablename) FROM pg_policies \
              WHERE policyname NOT IN ({KEPT_POLICIES})"
        ),
    )
}

/// The lines of the catalogue that are the clinic's own; there must be some of each kind.
fn own<const N: usize>(kinds: [(usize, &str); N], state: usize, lines: &[String]) -> Vec<String> {
    let starts: Vec<_> = kinds
        .iter()
        .filter(|(since, _)| *since <= state)
        .map(|(_, start)| *start)
        .collect();
    for start in &starts {
        assert!(
            lines.iter().any(|line| line.starts_with(start)),
            "{start} is not there"
        );
    }
    lines
        .iter()
        .filter(|line| starts.iter().any(|start| line.starts_with(start)))
        .cloned()
        .collect()
}

/// Every notice is expected, and every expected one is there.
fn assert_told(
    state: usize,
    session: &mut Session,
    functions: &BTreeMap<String, u32>,
    widening: &[String],
) {
    let notices = session.notices();
    let told: Vec<&str> = notices.iter().map(DbError::message).collect();
    let expected: Vec<String> = functions
        .keys()
        .map(|function| format!("auria: function {function} is taken over"))
        .chain(
            widening
                .iter()
                .map(|policy| format!("auria: policy {policy} was dropped: ")),
        )
        .chain(
            TOLD.iter()
                .filter(|(since, until, _)| (*since..=*until).contains(&state))
                .map(|(.., start)| (*start).to_owned()),
        )
        .chain(broken(state).map(|constraint| {
            format!("constraint {constraint} holds for new rows only: 1 rows of public.")
        }))
        .collect();
    for line in &expected {
        assert!(
            told.iter().any(|notice| notice.contains(line)),
            "{line} in {told:#?}"
        );
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    let everything = format!("{notices:?}");
    for secret in PATIENT_DATA {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
}

fn broken(state: usize) -> impl Iterator<Item = &'static str> {
    BROKEN
        .iter()
        .filter(move |(since, until, _)| (*since..=*until).contains(&state))
        .map(|(.., constraint)| *constraint)
}

fn assert_taken_over(session: &mut Session, functions: &BTreeMap<String, u32>) {
    for (function, oid) in functions {
        let now: Option<u32> = session.value(&format!(
            "SELECT max(p.oid) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang \
              WHERE p.oid = '{function}'::regprocedure AND lanname = 'c' AND probin LIKE '%auria_pg'"
        ));
        assert_eq!(now, Some(*oid), "{function}");
    }
}

/// The schema of a new database, and what is the clinic's own as it was before.
fn assert_schema(state: usize, session: &mut Session, own_before: &(Vec<String>, Vec<String>)) {
    let fresh = database();
    let mut fresh = fresh.superuser();
    let what = format!("a database that stopped at {state}");

    let mut wanted: Vec<String> = tables(&mut fresh);
    // The two lines of an invoice that was written twice are for people to settle.
    wanted.retain(|line| {
        !((5..=10).contains(&state) && line.contains("payment_history_stripe_invoice_id_unique"))
    });
    wanted.extend(own_before.0.clone());
    let found: Vec<String> = tables(session)
        .iter()
        .map(|line| for_new_rows_too(line))
        .collect();
    assert_same(&what, &found, &wanted);

    let mut wanted = access(&mut fresh);
    wanted.extend(own_before.1.clone());
    assert_same(&what, &access(session), &wanted);

    let mut invalid = column(
        session,
        "SELECT conname::text FROM pg_constraint WHERE NOT convalidated",
    );
    let mut expected: Vec<_> = broken(state).collect();
    invalid.sort();
    expected.sort_unstable();
    assert_eq!(invalid, expected, "rules that hold for new rows only");
    assert_eq!(
        session.value::<i64>("SELECT count(*) FROM auria.migrations"),
        migration_count()
    );
}

/// A line of the catalogue without what says that the rule leaves old rows alone.
fn for_new_rows_too(line: &str) -> String {
    let line = line
        .strip_suffix(" NOT VALID")
        .or_else(|| line.strip_suffix(" not valid"))
        .unwrap_or(line);
    match line.split_once(" AND created_at > ") {
        Some((rule, _)) => rule.to_owned(),
        None => line.to_owned(),
    }
}

/// The PHI that AURIA never encrypted: all of it before 015, and afterwards of whom nobody saved again, and all notes.
/// And a ledger that disagrees: by a counter below zero since 006, by a refund that changed no counter since 014.
fn expected_complaints(state: usize) -> Vec<(String, String)> {
    const BACKFILL: &str = "run CALL auria.phi_backfill()";
    let [names, phones, emails, births, notes] = if state < 15 {
        [6, 2, 2, 3, 3]
    } else {
        [4, 1, 1, 2, 3]
    };
    let phi = format!(
        "{names} rows of patients.name: {BACKFILL}; {phones} rows of patients.phone: {BACKFILL}; \
         {emails} rows of patients.email: {BACKFILL}; {births} rows of patients.birth_date: {BACKFILL}; \
         {notes} rows of patients.notes: {BACKFILL}; and 1 more"
    );
    let ana =
        "subscription 00000000-0000-4000-8000-0000000000b1 counts 2, its entries since the reset 1";
    let bia = "subscription 00000000-0000-4000-8000-0000000000b2 counts -3, its entries since the reset 0";
    let ledger = match state {
        ..6 => None,
        6..14 => Some(bia.to_owned()),
        14.. => Some(format!("{ana}; {bia}")),
    };
    [("PHI encrypted", Some(phi)), ("ledger", ledger)]
        .into_iter()
        .filter_map(|(check, detail)| Some((check.to_owned(), detail?)))
        .collect()
}

fn what_was_in_the_clear_is_encrypted_on_demand(admin: &mut Session) {
    admin.run("CALL auria.phi_backfill()");
    assert!(
        complaints(admin)
            .iter()
            .all(|(check, _)| check != "PHI encrypted")
    );
    assert_eq!(
        admin.value::<i64>("SELECT sum(outdated + unreadable)::bigint FROM auria.phi_status()"),
        0
    );
}

fn each_user_reads_what_is_his(db: &Database) {
    for user in [ANA, BIA] {
        let mut session = db.authenticated(user.parse().unwrap());
        for table in [
            "patients",
            "evaluations",
            "subscriptions",
            "profiles",
            "evaluation_drafts",
            "credit_usage",
        ] {
            let mine: i64 = db.superuser().value(&format!(
                "SELECT count(*) FROM public.{table} WHERE user_id = '{user}'"
            ));
            assert_eq!(
                session.value::<i64>(&format!("SELECT count(*) FROM public.{table}")),
                mine,
                "{table}"
            );
        }
    }
    assert_eq!(
        db.anon()
            .value::<i64>("SELECT count(id) FROM public.evaluations"),
        0
    );
}

fn credits_are_spent_and_given_back(state: usize, db: &Database) {
    let mut service = db.service();
    let spend = format!("SELECT public.use_credits('{ANA}', 'case_analysis')");
    if state < 6 {
        // A plan from before there were credits grants none until somebody says how many.
        assert!(!service.value::<bool>(&spend));
        service.run("UPDATE public.subscription_plans SET credits_per_month = 60 WHERE id = 'price_pro_monthly_v2'");
    }
    let used =
        format!("SELECT credits_used_this_month FROM public.subscriptions WHERE user_id = '{ANA}'");
    let before: i32 = service.value(&used);
    assert!(service.value::<bool>(&spend));
    assert_eq!(service.value::<i32>(&used), before + 1);
    assert!(service.value::<bool>(&format!(
        "SELECT public.refund_credits('{ANA}', 'case_analysis')"
    )));
    assert_eq!(service.value::<i32>(&used), before);
}

fn a_session_is_shared(db: &Database) {
    let mut ana = db.authenticated(ANA.parse().unwrap());
    let token: String = ana.value(&format!(
        "INSERT INTO public.shared_links (user_id, session_id) \
         SELECT user_id, session_id FROM public.evaluations WHERE id = '{EVALUATION}' RETURNING token"
    ));
    let mut visitor = db.anon();
    assert_eq!(
        visitor.value::<String>(&format!(
            "SELECT public.check_shared_link_status('{token}')"
        )),
        "valid"
    );
    assert_eq!(
        visitor.value::<String>(&format!(
            "SELECT tooth FROM public.get_shared_evaluation('{token}')"
        )),
        "11"
    );
    visitor.run(&format!(
        r#"SET request.headers = '{{"x-share-token": "{token}"}}'"#
    ));
    assert_eq!(
        visitor
            .value::<Uuid>("SELECT id FROM public.evaluations")
            .to_string(),
        EVALUATION
    );
}

const EVALUATION: &str = "00000000-0000-4000-8000-0000000000e1";

fn a_new_patient_is_encrypted(db: &Database) {
    let patient: Uuid = db.authenticated(ANA.parse().unwrap()).value(&format!(
        "INSERT INTO public.patients (user_id, name, notes) VALUES ('{ANA}', 'Nova', 'asma') RETURNING id"
    ));
    assert_eq!(
        db.service().value::<String>(&format!(
            "SELECT concat_ws(' ', public.phi_decrypt(name_encrypted), public.phi_decrypt(notes_encrypted), chart_number, initial) \
               FROM public.patients WHERE id = '{patient}'"
        )),
        format!("Nova asma {} N", &patient.to_string()[..8])
    );
}

macro_rules! a_database_is_taken_over_as_it_was_left_by {
    ($($migration:ident at $state:literal,)+) => {
        mod a_database_is_taken_over_as_it_was_left_by {
            $(#[test]
            fn $migration() {
                super::adopts($state);
            })+
        }
    };
}

a_database_is_taken_over_as_it_was_left_by! {
    initial_schema at 1,
    storage_buckets at 2,
    rate_limiting at 3,
    patient_search at 4,
    billing_v1 at 5,
    credit_system at 6,
    stripe_mapping at 7,
    shared_links at 8,
    prompt_metrics at 9,
    evaluation_enhancements at 10,
    invoice_uniqueness at 11,
    credit_packs at 12,
    dsd_layers at 13,
    atomic_credits at 14,
    phi_encryption at 15,
    prompt_metrics_rls at 16,
    resin_catalog at 17,
    catalog_expansion at 18,
}
