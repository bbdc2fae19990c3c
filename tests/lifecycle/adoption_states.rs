//! Taking over a database at each of the 18 states that AURIA's migrations in PL/pgSQL left one in.

use std::collections::BTreeMap;

use auria_tests::{Cluster, Database, Platform, Session, database, migration_count};
use uuid::Uuid;

use crate::lifecycle::doctor::complaints;
use crate::support::catalogue::{access, assert_same, column, tables};
use crate::support::legacy::{ANA, BIA, LAST, Rows, database_at};

/// Rules that one row of the fixtures breaks: from which state on, until which, the constraint.
const BROKEN: [(usize, usize, &str); 27] = [
    (1, LAST, "patients_user_id_fkey"),
    (1, 9, "evaluations_patient_id_fkey"),
    (1, LAST, "evaluation_drafts_user_id_fkey"),
    (1, LAST, "subscription_plans_price_yearly_not_negative"),
    (1, LAST, "subscriptions_status_not_unknown"),
    (1, LAST, "subscriptions_counters_not_negative"),
    (3, LAST, "rate_limits_counts_not_negative"),
    (5, LAST, "payment_history_status_not_unknown"),
    (6, LAST, "subscription_plans_price_monthly_not_negative"),
    (6, LAST, "subscription_plans_credits_per_month_not_below_minus_one"),
    (6, LAST, "subscription_plans_rollover_max_not_negative"),
    (6, LAST, "credit_costs_credits_not_negative"),
    (8, LAST, "shared_links_token_not_malformed"),
    (8, LAST, "shared_links_lifetime_not_over_30_days"),
    (9, LAST, "prompt_executions_tokens_in_not_negative"),
    (9, LAST, "prompt_executions_tokens_out_not_negative"),
    (9, LAST, "prompt_executions_estimated_cost_not_negative"),
    (9, LAST, "prompt_executions_latency_ms_not_negative"),
    (10, LAST, "session_detected_teeth_user_id_fkey"),
    (12, LAST, "credit_packs_credits_not_below_one"),
    (12, LAST, "credit_packs_price_not_negative"),
    (12, LAST, "credit_pack_purchases_credits_not_below_one"),
    (12, LAST, "credit_pack_purchases_amount_not_negative"),
    (12, LAST, "credit_pack_purchases_status_not_unknown"),
    (17, LAST, "user_inventory_user_id_fkey"),
    (1, LAST, "evaluations_status_not_unknown"),
    (10, LAST, "evaluations_treatment_type_not_unknown"),
];

/// Other things worth telling a DBA: from which state on, until which, how the notice starts.
const WARNINGS: [(usize, usize, &str); 3] = [
    (1, 5, "auria: migration 006_credit_system: plan price_pro_monthly_v2 is sold and grants no credits: "),
    (
        5,
        10,
        "auria: migration 011_invoice_uniqueness: constraint payment_history_stripe_invoice_id_unique was not added: 1 values ",
    ),
    (
        6,
        LAST,
        "auria: migration 014_atomic_credits: index credit_usage_open_reference_key holds only for rows made after 2026-01-05 ",
    ),
];

/// What stays beside the schema of a new database, from which state on: how its lines in the catalogue start.
const OWN_TABLES: [(usize, &str); 10] = [
    (1, "clinic_appointments: "),
    (1, "newsletter: "),
    (1, "patients: chart_number "),
    (1, "patients: check chart_number_not_blank: "),
    (1, "patients: index patients_by_chart: "),
    (1, "patients: initial "),
    (1, "patients: trigger number_charts: "),
    (4, "patients: index patients_by_phone: "),
    // AURIA's own once; today others serve as well.
    (1, "patients: index idx_patients_user_id: "),
    (6, "credit_usage: index idx_credit_usage_user_id: "),
];

/// The same for who may do what.
const OWN_ACCESS: [(usize, &str); 9] = [
    (1, "public.clinic_appointments: "),
    (1, "public.newsletter: "),
    (1, "public.evaluations.id: reporting may SELECT"),
    (1, "public.evaluations.tooth: reporting may SELECT"),
    (1, "public.patients: policy nem os próprios, fora do expediente "),
    (1, "public.subscriptions: policy reporting_reads "),
    (1, "public.subscriptions: reporting may SELECT"),
    (1, "storage.objects: policy invoices_read "),
    (6, "public.credit_usage: reporting may SELECT"),
];

/// Policies that stay although they give away too much: from which state on, the policy, for whom.
const OVER_PERMISSIVE: [(usize, &str, &str); 5] = [
    (1, "\"Recepção vê tudo\" on public.patients", "authenticated"),
    (1, "\"Sala de espera\" on public.evaluations", "anon"),
    (2, "\"Clinic photos\" on storage.objects", "authenticated"),
    (2, "\"Avatars and simulations\" on storage.objects", "PUBLIC"),
    (8, "\"Anyone reads links\" on public.shared_links", "PUBLIC"),
];

/// Words that would reveal a patient.
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

/// What `auria.adopt_functions` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Adopt {
    /// The default: a function whose body the original did not ship is the team's and stays.
    Known,
    /// Every function with the signature of a managed one is replaced.
    All,
}

/// A function before the adoption.
#[derive(PartialEq, Eq, Debug)]
struct Function {
    oid: u32,
    definition: String,
    owner: String,
    grants: String,
}

type Functions = BTreeMap<String, Function>;

/// Whose the tables are afterwards: a superuser's are given to a new role, on Supabase they stay with postgres, who is none.
fn owner() -> &'static str {
    match Cluster::shared().platform() {
        Platform::PostgreSql => "auria_owner",
        Platform::Supabase => "postgres",
    }
}

fn adopts(state: usize, adopt: Adopt) {
    let db = database_at(state);
    let mut admin = db.superuser();
    let rows = Rows::of(&mut admin);
    let before = functions(&mut admin);
    let own = (own(OWN_TABLES, state, &tables(&mut admin)), own(OWN_ACCESS, state, &access(&mut admin)));
    admin.run("LOAD 'auria_pg'");
    if adopt == Adopt::All {
        admin.run("SET auria.adopt_functions = 'all'");
    }
    admin.notices();

    admin.run("CREATE EXTENSION auria CASCADE");
    let warnings = assert_warnings(state, adopt, &mut admin, &before);
    match adopt {
        Adopt::Known => assert_eq!(functions(&mut admin), before),
        Adopt::All => assert_replaced(&mut admin, &before),
    }
    run_each(&mut admin, &warnings, "unless something needs it, run ", "DROP POLICY");
    for again in [false, true] {
        if again {
            // The clinic's view over the compiled phi_decrypt goes with the function; no row goes.
            admin.run("DROP EXTENSION auria CASCADE; CREATE EXTENSION auria");
            assert_eq!(
                functions(&mut admin),
                if adopt == Adopt::Known {
                    functions(&mut database_at(state).superuser())
                        .into_iter()
                        .map(|(signature, function)| {
                            let oid = before[&signature].oid;
                            (signature, Function { oid, ..function })
                        })
                        .collect()
                } else {
                    Functions::new()
                }
            );
        }
        rows.assert_unchanged(&mut admin);
        assert_schema(state, &mut admin, &own);
        let complaints = complaints(&mut admin);
        match adopt {
            Adopt::All => assert_eq!(complaints, expected_complaints(state)),
            Adopt::Known => {
                let (about_functions, others): (Vec<_>, Vec<_>) = complaints
                    .into_iter()
                    .partition(|(check, _)| ["grants", "owners", "functions"].contains(&&**check));
                assert_eq!(others, expected_complaints(state));
                // A function of the team has the owner and the grants that they gave it.
                let about: Vec<_> = about_functions.iter().map(|(check, _)| &**check).collect();
                assert!(about.contains(&"functions"), "{about_functions:?}");
                assert_eq!(about.contains(&"owners"), owner() == "auria_owner", "{about_functions:?}");
            }
        }
    }
    let team_encrypts = adopt == Adopt::Known && state >= 15;
    what_was_in_the_clear_is_encrypted_on_demand(&mut admin, team_encrypts);
    each_user_reads_what_is_his(&db);
    credits_are_spent_and_given_back(state, adopt, &db);
    a_session_is_shared(&db);
    a_new_patient_is_encrypted(&db, team_encrypts);

    if adopt == Adopt::Known {
        run_each(&mut admin, &warnings, "to replace it, run ", "SELECT auria.restore_function");
        assert_replaced(&mut admin, &before);
        assert!(complaints(&mut admin).iter().all(|(check, _)| !["grants", "owners", "functions"].contains(&&**check)),);
    }
}

/// Runs the statement that each of these warnings ends with.
fn run_each(admin: &mut Session, warnings: &[String], mark: &str, start: &str) {
    let statements: Vec<_> = warnings
        .iter()
        .filter_map(|warning| warning.split_once(mark))
        .map(|(_, statement)| statement)
        .filter(|statement| statement.starts_with(start))
        .collect();
    assert!(!statements.is_empty(), "{warnings:#?}");
    for statement in statements {
        admin.run(statement);
    }
}

/// The functions that AURIA had, in PL/pgSQL and SQL.
fn functions(session: &mut Session) -> Functions {
    session
        .query(
            "SELECT format('public.%s', p.oid::regprocedure), p.oid, pg_get_functiondef(p.oid), p.proowner::regrole::text, \
                    array_remove(p.proacl, 'auria_owner=X/postgres'::aclitem)::text \
               FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang \
              WHERE pronamespace = 'public'::regnamespace AND lanname IN ('sql', 'plpgsql') AND proname NOT LIKE 'clinic%'",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| {
            let function = Function {
                oid: row.get(1),
                definition: row.get(2),
                owner: row.get(3),
                grants: row.get(4),
            };
            (row.get(0), function)
        })
        .collect()
}

/// The lines of the catalogue that are the clinic's own; there must be some of each kind.
fn own<const N: usize>(kinds: [(usize, &str); N], state: usize, lines: &[String]) -> Vec<String> {
    let starts: Vec<_> = kinds.iter().filter(|(since, _)| *since <= state).map(|(_, start)| *start).collect();
    for start in &starts {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start} is not there");
    }
    lines.iter().filter(|line| starts.iter().any(|start| line.starts_with(start))).cloned().collect()
}

/// Every message is expected, and every expected one is there; a NOTICE needs no action. The warnings.
fn assert_warnings(state: usize, adopt: Adopt, session: &mut Session, functions: &Functions) -> Vec<String> {
    let notices = session.notices();
    let everything = format!("{notices:?}");
    for secret in PATIENT_DATA {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
    let (warnings, others): (Vec<_>, Vec<_>) = notices.iter().partition(|notice| notice.severity() == "WARNING");
    let warnings: Vec<String> = warnings.iter().map(|notice| notice.message().to_owned()).collect();
    let others: Vec<&str> = others.iter().map(|notice| notice.message()).collect();
    let (summary, first) = others.split_last().unwrap();
    assert!(summary.contains(&format!("belong to role \"{}\"", owner())), "{summary}");
    let pg_trgm = ["installing required extension \"pg_trgm\""];
    assert_eq!(first, if state < 4 { &pg_trgm[..] } else { &[] });

    let expected: Vec<String> = functions
        .keys()
        .filter(|_| adopt == Adopt::Known)
        .map(|function| {
            format!(
                "auria: function {function} is not one that AURIA shipped and was left unchanged; \
                 to replace it, run SELECT auria.restore_function('{function}')"
            )
        })
        .chain(
            OVER_PERMISSIVE
                .iter()
                .filter(|(since, ..)| *since <= state)
                .map(|(_, policy, roles)| {
                    format!(
                        "auria: policy {policy} was kept and lets {roles} do more than the access rules; \
                         unless something needs it, run DROP POLICY {}",
                        policy.replace(" on ", " ON ")
                    )
                }),
        )
        .chain(
            WARNINGS.iter()
                .filter(|(since, until, _)| (*since..=*until).contains(&state))
                .map(|(.., start)| (*start).to_owned()),
        )
        .chain(broken(state).map(|name| {
            if name.ends_with("_fkey") {
                format!("constraint {name} holds for new rows only: 1 rows of public.")
            } else {
                let rows = if name == "evaluations_status_not_unknown" { 3 } else { 1 };
                format!("rule {name} is enforced on changed values only: {rows} rows of public.")
            }
        }))
        .chain((adopt == Adopt::All && state >= 15).then(|| {
            "auria: view public.readable_patients calls phi_encrypt or phi_decrypt, which anon, authenticated may not execute"
                .to_owned()
        }))
        .collect();
    for line in &expected {
        assert!(warnings.iter().any(|warning| warning.contains(line)), "{line} in {warnings:#?}");
    }
    assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
    warnings
}

fn broken(state: usize) -> impl Iterator<Item = &'static str> {
    BROKEN
        .iter()
        .filter(move |(since, until, _)| (*since..=*until).contains(&state))
        .map(|(.., constraint)| *constraint)
}

/// Each is the compiled one under its old OID, what it was is kept, and nobody's view or trigger lost it.
fn assert_replaced(session: &mut Session, before: &Functions) {
    assert_eq!(functions(session), Functions::new());
    for (signature, was) in before {
        let row = session
            .query_one(
                "SELECT p.oid, l.lanname = 'c' AND p.probin LIKE '%auria_pg', p.proowner::regrole::text, r.definition, r.owner \
                   FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang \
                   JOIN auria.replaced_functions r ON r.signature = $1 \
                  WHERE p.oid = to_regprocedure($1)",
                &[signature],
            )
            .unwrap_or_else(|error| panic!("{signature}: {error}"));
        assert!(row.get::<_, bool>(1), "{signature}");
        assert_eq!(row.get::<_, u32>(0), was.oid, "{signature}");
        assert_eq!(row.get::<_, String>(2), owner(), "{signature}");
        assert_eq!(row.get::<_, String>(3), was.definition);
        assert_eq!(row.get::<_, String>(4), was.owner);
    }
    assert_eq!(session.value::<i64>("SELECT count(*) FROM auria.replaced_functions"), before.len() as i64);
}

/// The schema of a new database, and what is the clinic's own as it was before.
fn assert_schema(state: usize, session: &mut Session, own_before: &(Vec<String>, Vec<String>)) {
    let fresh = database();
    let mut fresh = fresh.superuser();
    let what = format!("a database that stopped at {state}");

    let mut expected: Vec<String> = tables(&mut fresh);
    // The two lines of an invoice that was written twice are for people to settle.
    expected.retain(|line| !((5..=10).contains(&state) && line.contains("payment_history_stripe_invoice_id_unique")));
    let rules: Vec<_> = broken(state).filter(|name| !name.ends_with("_fkey")).collect();
    expected.retain(|line| !rules.iter().any(|rule| line.contains(&format!(": check {rule}: "))));
    expected.extend(own_before.0.clone());
    let found: Vec<String> = tables(session)
        .iter()
        .filter(|line| !line.contains("auria.refuse_row("))
        .map(|line| for_new_rows_too(line))
        .collect();
    assert_same(&what, &found, &expected);

    // What the owner may, whoever it is; on Supabase postgres is granted it, too.
    let expected: Vec<String> = access(&mut fresh)
        .iter()
        .map(|line| line.replace(": auria_owner may ", &format!(": {} may ", owner())))
        .chain(own_before.1.clone())
        .collect();
    assert_same(&what, &access(session), &expected);

    let mut invalid = column(session, "SELECT conname::text FROM pg_constraint WHERE NOT convalidated");
    let mut expected: Vec<_> = broken(state).filter(|name| name.ends_with("_fkey")).collect();
    invalid.sort();
    expected.sort_unstable();
    assert_eq!(invalid, expected, "foreign keys that hold for new rows only");

    let mut enforced = column(
        session,
        "SELECT DISTINCT split_part(encode(tgargs, 'escape'), E'\\\\000', 1) FROM pg_trigger \
          WHERE tgfoid = 'auria.refuse_row'::regproc",
    );
    // That one has a trigger of its own in every database.
    let mut rules = rules;
    rules.retain(|rule| *rule != "subscriptions_status_not_unknown");
    enforced.sort();
    rules.sort_unstable();
    assert_eq!(enforced, rules, "rules on changed values");
    assert_eq!(session.value::<i64>("SELECT count(*) FROM auria.migrations"), migration_count());
}

/// A line of the catalogue without what says that the rule leaves old rows alone.
fn for_new_rows_too(line: &str) -> String {
    let line = line.strip_suffix(" NOT VALID").or_else(|| line.strip_suffix(" not valid")).unwrap_or(line);
    match line.split_once(" AND created_at > ") {
        Some((rule, _)) => rule.to_owned(),
        None => line.to_owned(),
    }
}

/// The doctor's advice for an encrypted value without a plain one.
const ERASE: &str = "UPDATE public.patients SET phone_encrypted = NULL WHERE phone IS NULL";

/// The PHI that AURIA never encrypted: all of it before 015, and afterwards of whom nobody saved again, and all notes.
/// Counters that the old ledger does not explain are where the events start. Before 006 there were no credits to grant.
fn expected_complaints(state: usize) -> Vec<(String, String)> {
    const BACKFILL: &str = "are not encrypted: run CALL auria.phi_backfill()";
    let phi = if state < 15 {
        format!(
            "6 rows of patients.name {BACKFILL}; 2 rows of patients.phone {BACKFILL}; 2 rows of patients.email {BACKFILL}; \
             3 rows of patients.birth_date {BACKFILL}; 3 rows of patients.notes {BACKFILL}; and 2 more"
        )
    } else {
        format!(
            "4 rows of patients.name {BACKFILL}; 1 rows of patients.phone {BACKFILL}; \
             1 rows of patients.phone have an encrypted value and no plain one: erase what was to be erased with {ERASE}; \
             1 rows of patients.email {BACKFILL}; 2 rows of patients.birth_date {BACKFILL}; and 3 more"
        )
    };
    let plans = (state < 6).then(|| {
        "plan price_pro_monthly_v2 grants no credits: if it should, run \
         UPDATE public.subscription_plans SET credits_per_month = N WHERE id = 'price_pro_monthly_v2'"
            .to_owned()
    });
    // Two payments of one invoice, before 011 forbade them.
    let constraints = (5..11).contains(&state).then(|| {
        "payment_history_stripe_invoice_id_unique on public.payment_history is missing: \
         run SELECT * FROM auria.migrate(again => true)"
            .to_owned()
    });
    [("constraints", constraints), ("PHI encrypted", Some(phi)), ("plans", plans)]
        .into_iter()
        .filter_map(|(check, detail)| Some((check.to_owned(), detail?)))
        .collect()
}

fn what_was_in_the_clear_is_encrypted_on_demand(admin: &mut Session, team_encrypts: bool) {
    admin.run("CALL auria.phi_backfill()");
    if complaints(admin).iter().any(|(_, detail)| detail.contains(ERASE)) {
        admin.run(ERASE);
    }
    assert!(complaints(admin).iter().all(|(check, _)| check != "PHI encrypted"));
    // A trigger function of the team writes as pgcrypto does.
    let counted = if team_encrypts { "unreadable" } else { "outdated + unreadable" };
    assert_eq!(admin.value::<i64>(&format!("SELECT sum({counted})::bigint FROM auria.phi_status()")), 0);
}

fn each_user_reads_what_is_his(db: &Database) {
    for user in [ANA, BIA] {
        let mut session = db.authenticated(user.parse().unwrap());
        for table in ["patients", "evaluations", "subscriptions", "profiles", "evaluation_drafts", "credit_usage"] {
            let mine: i64 =
                db.superuser().value(&format!("SELECT count(*) FROM public.{table} WHERE user_id = '{user}'"));
            assert_eq!(session.value::<i64>(&format!("SELECT count(*) FROM public.{table}")), mine, "{table}");
        }
    }
    assert_eq!(db.anon().value::<i64>("SELECT count(id) FROM public.evaluations"), 0);
}

fn credits_are_spent_and_given_back(state: usize, adopt: Adopt, db: &Database) {
    let mut service = db.service();
    let spend = format!("SELECT public.use_credits('{ANA}', 'case_analysis')");
    if state < 6 {
        // A plan from before there were credits grants none until somebody says how many.
        assert!(!service.value::<bool>(&spend));
        service.run("UPDATE public.subscription_plans SET credits_per_month = 60 WHERE id = 'price_pro_monthly_v2'");
    }
    let used = format!("SELECT credits_used_this_month FROM public.subscriptions WHERE user_id = '{ANA}'");
    let before: i32 = service.value(&used);
    assert!(service.value::<bool>(&spend));
    assert_eq!(service.value::<i32>(&used), before + 1);
    assert!(service.value::<bool>(&format!("SELECT public.refund_credits('{ANA}', 'case_analysis')")));
    // The refund that the original had from 014 on changes no counter: as the team's own, it goes on so.
    let given_back = i32::from(adopt == Adopt::All || state < 14);
    assert_eq!(service.value::<i32>(&used), before + 1 - given_back);
}

fn a_session_is_shared(db: &Database) {
    let mut ana = db.authenticated(ANA.parse().unwrap());
    let token: String = ana.value(&format!(
        "INSERT INTO public.shared_links (user_id, session_id) \
         SELECT user_id, session_id FROM public.evaluations WHERE id = '{EVALUATION}' RETURNING token"
    ));
    let mut visitor = db.anon();
    assert_eq!(visitor.value::<String>(&format!("SELECT public.check_shared_link_status('{token}')")), "valid");
    assert_eq!(visitor.value::<String>(&format!("SELECT tooth FROM public.get_shared_evaluation('{token}')")), "11");
    visitor.run(&format!(r#"SET request.headers = '{{"x-share-token": "{token}"}}'"#));
    assert_eq!(visitor.value::<Uuid>("SELECT id FROM public.evaluations").to_string(), EVALUATION);
}

const EVALUATION: &str = "00000000-0000-4000-8000-0000000000e1";

fn a_new_patient_is_encrypted(db: &Database, team_encrypts: bool) {
    let patient: Uuid = db.authenticated(ANA.parse().unwrap()).value(&format!(
        "INSERT INTO public.patients (user_id, name, notes) VALUES ('{ANA}', 'Nova', 'asma') RETURNING id"
    ));
    assert_eq!(
        db.service().value::<String>(&format!(
            "SELECT concat_ws(' ', public.phi_decrypt(name_encrypted), public.phi_decrypt(notes_encrypted), chart_number, initial) \
               FROM public.patients WHERE id = '{patient}'"
        )),
        // The team's trigger function knows of no encrypted notes.
        format!(
            "Nova {}{} N",
            if team_encrypts { "" } else { "asma " },
            &patient.to_string()[..8]
        )
    );
}

macro_rules! a_database_is_taken_over_as_it_was_left_by {
    ($($migration:ident at $state:literal,)+) => {
        mod a_database_is_taken_over_as_it_was_left_by {
            $(mod $migration {
                use super::super::{Adopt, adopts};

                #[test]
                fn and_the_teams_functions_stay() {
                    adopts($state, Adopt::Known);
                }

                #[test]
                fn and_every_function_is_replaced_where_that_is_set() {
                    adopts($state, Adopt::All);
                }
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
