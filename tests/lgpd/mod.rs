//! The requests that the law grants a person: an export of everything that is stored about them, and its removal.

mod again;
mod claims;
mod disk;
mod erase;
mod export;
mod log;
mod owners;
mod sealed;
mod strangers;
mod team;

use auria_tests::{Database, Session, insert_evaluation};
use serde_json::Value;
use uuid::Uuid;

/// Tables of `public` without a word about a person; every other one must appear in what is exported about a user.
const ABOUT_NOBODY: [&str; 6] =
    ["credit_costs", "credit_packs", "prompt_executions", "resin_catalog", "resins", "subscription_plans"];

/// A dentist with a row in every table, and two patients.
struct Practice {
    dentist: Uuid,
    patient: Uuid,
    other_patient: Uuid,
}

/// Every free text that is stored about this dentist contains this word.
fn practice(db: &Database, word: &str) -> Practice {
    let dentist = db.sign_up_on_plan(&format!("{word}@clinica.example"), "price_essencial_monthly");
    let friend = db.sign_up(&format!("amiga-{word}@clinica.example"));
    let mut service = db.service();
    let mut patient = |name: &str| -> Uuid {
        service.value(&format!(
            "INSERT INTO public.patients (user_id, name, notes) VALUES ('{dentist}', '{name}', 'nota {word}') RETURNING id"
        ))
    };
    let (id, other) = (patient(&format!("Maria {word}")), patient(&format!("João {word}")));
    let (session, other_session) = (Uuid::new_v4(), Uuid::new_v4());
    for (patient, name, session, photo) in [
        (format!("'{id}'"), format!("Maria {word}"), session, "maria"),
        // As an early client wrote it: by name alone.
        ("NULL".to_owned(), format!("Maria {word}"), session, "sem-id"),
        (format!("'{other}'"), format!("João {word}"), other_session, "joao"),
    ] {
        service.run(&insert_evaluation(
            &format!("'{dentist}'"),
            &[
                ("patient_id", &format!("{patient}::uuid")),
                ("patient_name", &format!("'{name}'")),
                ("anamnesis", &format!("'anamnese {word}'")),
                ("session_id", &format!("'{session}'::uuid")),
                ("photo_frontal", &format!("'{dentist}/fotos/{photo}.jpg'")),
                (
                    "dsd_simulation_url",
                    &format!("'https://loja.example/object/sign/dsd-simulations/{dentist}/{photo}.png?token=1'"),
                ),
            ],
        ));
    }
    for session in [session, other_session] {
        service.run(&format!(
            "INSERT INTO public.shared_links (user_id, session_id) VALUES ('{dentist}', '{session}');
             INSERT INTO public.session_detected_teeth (user_id, session_id, tooth) VALUES ('{dentist}', '{session}', '11')"
        ));
    }
    service.run(&format!(
        "INSERT INTO public.evaluation_drafts (user_id, draft_data)
             VALUES ('{dentist}', '{{\"form\": {{\"patientName\": \"Maria {word}\"}}}}');
         INSERT INTO public.rate_limits (user_id, function_name) VALUES ('{dentist}', 'analisar');
         INSERT INTO public.payment_history (user_id, amount, status, description) VALUES ('{dentist}', 9900, 'succeeded', '{word}');
         INSERT INTO public.credit_pack_purchases (user_id, pack_id, credits, amount)
             SELECT '{dentist}', id, credits, 100 FROM public.credit_packs LIMIT 1;
         INSERT INTO public.user_inventory (user_id, resin_id) SELECT '{dentist}', id FROM public.resin_catalog LIMIT 1;
         INSERT INTO public.credit_transactions (user_id, operation_id, operation, type)
             VALUES ('{dentist}', 'um', 'case_analysis', 'consume');
         INSERT INTO public.referral_codes (user_id, code) VALUES ('{dentist}', 'codigo-{word}');
         INSERT INTO public.referral_conversions (referrer_id, referred_id, referral_code_id)
             SELECT '{dentist}', '{friend}', id FROM public.referral_codes WHERE code = 'codigo-{word}';
         UPDATE public.subscriptions SET stripe_customer_id = 'cus_{word}' WHERE user_id = '{dentist}';
         INSERT INTO public.webhook_events (stripe_event_id, event_type, payload)
             VALUES ('evt_{word}', 'invoice.paid', '{{\"data\": {{\"object\": {{\"customer\": \"cus_{word}\"}}}}}}');
         SELECT public.use_credits('{dentist}', 'case_analysis')"
    ));
    for object in [
        format!("clinical-photos', '{dentist}/fotos/maria.jpg"),
        format!("clinical-photos', '{dentist}/fotos/sem-id.jpg"),
        format!("clinical-photos', '{dentist}/fotos/joao.jpg"),
        format!("clinical-photos', '{dentist}/{session}/extra.jpg"),
        format!("clinical-photos', '{dentist}/fotos/maria.jp"),
        format!("dsd-simulations', '{dentist}/maria.png"),
        format!("avatars', '{dentist}/eu.png"),
    ] {
        service.run(&format!("INSERT INTO storage.objects (bucket_id, name) VALUES ('{object}')"));
    }
    Practice { dentist, patient: id, other_patient: other }
}

fn export(service: &mut Session, kind: &str, id: Uuid) -> Value {
    service.value(&format!("SELECT auria.export_{kind}('{id}')"))
}

/// How many rows of a table an export has; 0 where the table is not in it.
fn rows(document: &Value, table: &str) -> usize {
    document["tables"][table].as_array().map_or(0, Vec::len)
}

fn files(document: &Value) -> Vec<String> {
    document["storage_objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| format!("{}/{}", object["bucket_id"].as_str().unwrap(), object["name"].as_str().unwrap()))
        .collect()
}

/// The report of an erasure: action, object, rows.
fn erase(service: &mut Session, call: &str) -> Vec<(String, String, Option<i64>)> {
    service
        .query(&format!("SELECT action, object, row_count FROM auria.{call}"), &[])
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// How many rows the report says an action took of a table.
#[track_caller]
fn count(report: &[(String, String, Option<i64>)], action: &str, table: &str) -> i64 {
    let found = report.iter().find(|(did, object, _)| did == action && object == table);
    let (_, _, count) = found.unwrap_or_else(|| panic!("{action} {table} is not in {report:#?}"));
    count.unwrap()
}

/// Every value of every table of `public` as text, in which to look for a word.
fn everything(db: &Database) -> String {
    let mut admin = db.superuser();
    auria_tests::public_tables()
        .iter()
        .map(|table| {
            admin.value::<String>(&format!(
                "SELECT COALESCE(string_agg(to_jsonb(t)::text, E'\\n'), '') FROM public.{table} t"
            ))
        })
        .collect()
}
