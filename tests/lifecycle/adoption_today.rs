//! Taking over a database of a later AURIA, with the tables and columns that came after its 18 migrations: with and without
//! each of them, under the original's names and under others.

use auria_tests::{Database, Session, database};

use crate::support::catalogue::{column, tables};
use crate::support::legacy::{ANA, BIA, LAST, Rows, database_at};

/// The tables as the original's migrations made them, each with a row.
const TABLES: [(&str, &str); 4] = [
    (
        "credit_transactions",
        "CREATE TABLE public.credit_transactions (
             id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, user_id uuid NOT NULL REFERENCES auth.users,
             operation_id text NOT NULL, operation text NOT NULL,
             type text NOT NULL CONSTRAINT credit_transactions_type_check CHECK (type IN ('consume', 'refund')),
             created_at timestamptz NOT NULL DEFAULT now());
         CREATE UNIQUE INDEX idx_credit_transactions_idempotent ON public.credit_transactions (user_id, operation_id, type);
         CREATE INDEX idx_credit_transactions_user ON public.credit_transactions (user_id, created_at DESC);
         INSERT INTO public.credit_transactions (user_id, operation_id, operation, type) VALUES ($ana, 'op', 'case_analysis', 'consume')",
    ),
    (
        "webhook_events",
        "CREATE TABLE public.webhook_events (
             id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, stripe_event_id text NOT NULL UNIQUE, event_type text NOT NULL,
             processed_at timestamptz DEFAULT now(), status text DEFAULT 'processing', payload jsonb);
         INSERT INTO public.webhook_events (stripe_event_id, event_type) VALUES ('evt_1', 'invoice.paid')",
    ),
    (
        "referral_codes",
        "CREATE TABLE public.referral_codes (
             id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
             code text NOT NULL UNIQUE, created_at timestamptz DEFAULT now(), is_active boolean DEFAULT true);
         CREATE INDEX idx_referral_codes_user ON public.referral_codes (user_id);
         CREATE POLICY \"Users see own codes\" ON public.referral_codes FOR SELECT USING (auth.uid() = user_id);
         INSERT INTO public.referral_codes (user_id, code) VALUES ($ana, 'ANA10')",
    ),
    (
        "referral_conversions",
        "CREATE TABLE public.referral_conversions (
             id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, referrer_id uuid NOT NULL REFERENCES auth.users,
             referred_id uuid NOT NULL REFERENCES auth.users, referral_code_id uuid NOT NULL,
             converted_at timestamptz DEFAULT now(), reward_granted boolean DEFAULT false, reward_type text, reward_amount integer);
         CREATE UNIQUE INDEX idx_referral_conversions_referred_unique ON public.referral_conversions (referred_id);
         CREATE INDEX idx_referral_conversions_referrer ON public.referral_conversions (referrer_id);
         CREATE POLICY \"Users see own conversions\" ON public.referral_conversions FOR SELECT
             USING (auth.uid() = referrer_id OR auth.uid() = referred_id)",
    ),
];

/// The columns, in the words of the original's migrations.
const COLUMNS: &str = "
    ALTER TABLE public.evaluations ADD COLUMN dsd_image_hash text, ADD COLUMN patient_document jsonb,
        ADD COLUMN anamnesis text, ADD COLUMN radiograph_url text, ADD COLUMN radiograph_type text,
        ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
    CREATE INDEX idx_evaluations_dsd_image_hash ON public.evaluations (dsd_image_hash) WHERE dsd_image_hash IS NOT NULL;
    CREATE TRIGGER update_evaluations_updated_at BEFORE UPDATE ON public.evaluations
        FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
    ALTER TABLE public.payment_history ADD COLUMN stripe_event_id text UNIQUE;
    ALTER TABLE public.subscription_plans ADD COLUMN stripe_price_id_yearly text;
    ALTER TABLE public.evaluation_drafts ADD COLUMN draft_data_encrypted bytea";

/// Objects that a DBA renamed, or made by hand before the original's migration came.
const OTHER_NAMES: &str = "
    ALTER TABLE public.credit_transactions RENAME CONSTRAINT credit_transactions_type_check TO known_type;
    ALTER TABLE public.credit_transactions RENAME CONSTRAINT credit_transactions_user_id_fkey TO of_a_user;
    ALTER INDEX public.idx_credit_transactions_idempotent RENAME TO once;
    ALTER INDEX public.idx_credit_transactions_user RENAME TO by_user;
    ALTER TABLE public.webhook_events RENAME CONSTRAINT webhook_events_stripe_event_id_key TO one_event;
    DROP INDEX public.idx_referral_conversions_referred_unique;
    ALTER TABLE public.referral_conversions ADD CONSTRAINT referred_once UNIQUE (referred_id);
    ALTER TABLE public.referral_codes RENAME CONSTRAINT referral_codes_user_id_fkey TO code_of_a_user;
    ALTER TABLE public.payment_history RENAME CONSTRAINT payment_history_stripe_event_id_key TO one_payment;
    ALTER INDEX public.idx_evaluations_dsd_image_hash RENAME TO by_image;
    ALTER TABLE public.evaluations ADD CONSTRAINT known_status CHECK (status IN ('draft', 'analyzing', 'completed', 'error'))";

/// get_shared_evaluation as it was before there were documents for patients.
const SHARED_EVALUATION: &str = "
    CREATE FUNCTION public.get_shared_evaluation(p_token text)
    RETURNS TABLE (tooth text, treatment_type text, cavity_class text, status text, ai_treatment_indication text,
                   created_at timestamptz, clinic_name text)
    LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT ''11'', NULL, NULL, NULL, NULL, now(), NULL'";

/// A database at the last of the 18 states, without the values that are unknown today, with these statements run on it.
fn later(statements: &[&str]) -> Database<'static> {
    let db = database_at(LAST);
    let mut admin = db.superuser();
    admin.run(
        "UPDATE public.evaluations SET treatment_type = 'resina' WHERE treatment_type = '';
         UPDATE public.evaluations SET status = 'draft' WHERE status NOT IN ('draft', 'analyzing', 'completed', 'error')",
    );
    for statement in statements {
        admin.run(&statement.replace("$ana", &format!("'{ANA}'")).replace("$bia", &format!("'{BIA}'")));
    }
    db
}

fn all_of_it() -> Vec<&'static str> {
    TABLES.iter().map(|(_, statements)| *statements).chain([COLUMNS]).collect()
}

/// Adopts the database and returns what was reported to the DBA.
fn adopt(db: &Database) -> Vec<String> {
    let mut admin = db.superuser();
    let rows = Rows::of(&mut admin);
    admin.notices();
    admin.run("SET client_min_messages = warning; CREATE EXTENSION auria CASCADE");
    rows.assert_unchanged(&mut admin);
    let notices = admin.notices();
    notices.iter().map(|notice| notice.message().to_owned()).collect()
}

/// The lines of the catalogue about the tables that today.md adds, and about others the lines that have one of its columns.
fn of_today(session: &mut Session) -> Vec<String> {
    const WORDS: [&str; 9] = [
        "dsd_image_hash",
        "patient_document",
        "anamnesis",
        "radiograph",
        "evaluations: updated_at",
        "update_evaluations_updated_at",
        "stripe_event_id",
        "stripe_price_id_yearly",
        "draft_data_encrypted",
    ];
    let mut lines: Vec<_> = tables(session)
        .into_iter()
        .filter(|line| {
            TABLES.iter().any(|(table, _)| line.starts_with(&format!("{table}: ")))
                || WORDS.iter().any(|word| line.contains(word))
        })
        .collect();
    lines.sort();
    lines
}

#[track_caller]
fn assert_as_new(what: &str, db: &Database) {
    let new = of_today(&mut database().superuser());
    assert!(new.len() > 50, "{new:#?}");
    assert_eq!(of_today(&mut db.superuser()), new, "{what}");
}

#[test]
fn a_database_with_all_of_todays_tables_and_columns_is_taken_over_with_its_rows() {
    let db = later(&all_of_it());
    adopt(&db);
    assert_as_new("all of it", &db);
    let policies =
        column(&mut db.superuser(), "SELECT polname::text FROM pg_policy WHERE polname LIKE 'Users see own co%'");
    assert_eq!(policies, [] as [&str; 0]);
}

#[test]
fn a_database_without_one_of_todays_tables_gets_that_one() {
    for (missing, _) in TABLES {
        let rest: Vec<_> = TABLES
            .iter()
            .filter(|(table, _)| *table != missing)
            .map(|(_, statements)| *statements)
            .chain([COLUMNS])
            .collect();
        let db = later(&rest);
        adopt(&db);
        assert_as_new(&format!("without {missing}"), &db);
    }
}

#[test]
fn constraints_and_indexes_of_other_names_count() {
    let mut statements = all_of_it();
    statements.push(OTHER_NAMES);
    let db = later(&statements);
    let notices = adopt(&db);
    assert!(!notices.iter().any(|text| text.contains("was not added")), "{notices:?}");
    let mut admin = db.superuser();
    let count = "SELECT format('%s %s %s', c.oid::regclass, \
                     (SELECT count(*) FROM pg_index WHERE indrelid = c.oid), \
                     (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('u', 'f'))) \
                   FROM pg_class c WHERE relkind = 'r' AND relname IN ('credit_transactions', 'webhook_events', 'referral_codes', \
                        'referral_conversions', 'payment_history') ORDER BY 1";
    let mut new: Vec<String> = column(&mut database().superuser(), count);
    // A unique constraint stands for the unique index.
    for line in &mut new {
        if line == "referral_conversions 4 3" {
            "referral_conversions 4 4".clone_into(line);
        }
    }
    assert_eq!(column(&mut admin, count), new);
    let kept = column(
        &mut admin,
        "SELECT name FROM (SELECT conname::text AS name FROM pg_constraint UNION SELECT relname::text FROM pg_class) AS names
          WHERE name = ANY (string_to_array('known_type once by_user one_event referred_once code_of_a_user one_payment by_image known_status', ' '))
          ORDER BY 1",
    );
    assert_eq!(kept.len(), 9, "{kept:?}");
    let beside = column(
        &mut admin,
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indexrelid::regclass::text ~ 'dsd_image_hash|idx_credit_transactions'
          UNION SELECT conname::text FROM pg_constraint WHERE conname = 'evaluations_status_not_unknown'",
    );
    assert_eq!(beside, [] as [&str; 0]);
    // The original's did not go with its user.
    let action = "SELECT confdeltype::text FROM pg_constraint WHERE conrelid = 'public.credit_transactions'::regclass AND contype = 'f'";
    assert_eq!(column(&mut admin, action), ["c"]);
    // Taken over once, it is left alone by a second look.
    let before = tables(&mut admin);
    admin.run("SELECT FROM auria.migrate(again => true)");
    assert_eq!(tables(&mut admin), before);
}

#[test]
fn rows_that_break_todays_rules_stay_and_stop_nobody() {
    let db = later(&all_of_it());
    let mut admin = db.superuser();
    admin.run(&format!(
        "DROP INDEX public.idx_credit_transactions_idempotent;
         INSERT INTO public.credit_transactions (user_id, operation_id, operation, type, created_at)
         VALUES ('{ANA}', 'op', 'case_analysis', 'consume', now() - interval '31 days');
         UPDATE public.evaluations SET status = 'Finalizado', treatment_type = 'clareamento'
          WHERE id = (SELECT id FROM public.evaluations WHERE user_id = '{ANA}' ORDER BY id LIMIT 1);
         ALTER TABLE public.evaluations ADD CONSTRAINT evaluations_status_check
             CHECK (status IN ('draft', 'analyzing', 'completed', 'error')) NOT VALID;
         INSERT INTO public.referral_codes (user_id, code) VALUES ('{BIA}', 'BIA10');
         INSERT INTO public.referral_conversions (referrer_id, referred_id, referral_code_id)
         SELECT user_id, user_id, id FROM public.referral_codes WHERE code = 'BIA10'"
    ));
    let notices = adopt(&db).join("\n");
    for rule in [
        "index idx_credit_transactions_idempotent was not added: 1 values",
        "rule evaluations_status_not_unknown is enforced on changed values only: 1 rows",
        "rule evaluations_treatment_type_not_unknown is enforced on changed values only: 1 rows",
        "rule referral_conversions_referred_not_referrer is enforced on changed values only: 1 rows",
    ] {
        assert!(notices.contains(rule), "{rule} in {notices}");
    }
    // A later constraint that old rows break would refuse every change of them.
    admin.run(
        "UPDATE public.evaluations SET budget = budget; UPDATE public.referral_conversions SET reward_granted = true",
    );
    for (call, changed) in [
        ("SELECT public.cleanup_stuck_evaluations()", 0),
        ("SELECT public.cleanup_stale_drafts()", 0),
        ("SELECT public.cleanup_expired_shared_links()", 0),
        ("SELECT auria.cleanup_credit_transactions()", 1),
    ] {
        let before: i64 = admin.value("SELECT count(*) FROM public.credit_transactions");
        admin.run(call);
        let after: i64 = admin.value("SELECT count(*) FROM public.credit_transactions");
        assert_eq!(before - after, changed, "{call}");
    }
    admin.run(&format!("SELECT public.get_dashboard_metrics('{ANA}')"));
    auria_tests::refused_with(admin.execute("UPDATE public.evaluations SET status = 'fertig'", &[]), "23514");
    // The duplicate went with the clean-up, and somebody corrects the rest.
    admin.run(
        "UPDATE public.evaluations SET status = 'completed' WHERE status = 'Finalizado';
         UPDATE public.evaluations SET treatment_type = 'resina' WHERE treatment_type = 'clareamento';
         DELETE FROM public.referral_conversions;
         SELECT FROM auria.migrate(again => true)",
    );
    assert_as_new("once the rows are corrected", &db);
}

#[test]
fn the_shared_evaluation_of_another_return_type_is_replaced_unless_something_depends_on_it() {
    let result = "SELECT pg_get_function_result('public.get_shared_evaluation(text)'::regprocedure)";
    let db = later(&[SHARED_EVALUATION]);
    let mut admin = db.superuser();
    assert!(!admin.value::<String>(result).contains("patient_document"));
    admin.run("SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
    assert!(admin.value::<String>(result).ends_with("clinic_name text, patient_document jsonb)"));
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM auria.replaced_functions WHERE signature = 'public.get_shared_evaluation(text)'"
        ),
        1
    );

    let db = later(&[
        SHARED_EVALUATION,
        "CREATE VIEW public.shared_page AS SELECT * FROM public.get_shared_evaluation('x')",
    ]);
    let mut admin = db.superuser();
    let before: String = admin.value(result);
    admin.run("SET auria.adopt_functions = 'all'; SET client_min_messages = warning; CREATE EXTENSION auria CASCADE");
    assert_eq!(admin.value::<String>(result), before);
    assert!(
        admin.notices().iter().any(|notice| notice.message().contains(
            "function public.get_shared_evaluation(text) was left unchanged: its declaration differs and other objects depend on it"
        ))
    );
}
