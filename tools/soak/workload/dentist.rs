//! A dentist at work: patients, cases, drafts, links, and a look at what is not theirs.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::client::{Client, Outcome};
use crate::door::{Request, Who};
use crate::model::Practice;
use crate::model::records::tracked;
use crate::weather::Fault;

/// A practice has so many patients and so many cases at most.
const MANY: usize = 8;

/// In every name of a patient, so that a search of the server's files finds what should not be there.
pub const MARK: &str = "Segredo";

pub fn step(client: &mut Client<'_>, practice: &mut Practice) {
    match client.random.below(100) {
        0..16 => new_patient(client, practice),
        16..28 => edit_patient(client, practice),
        28..33 => remove(client, practice, "patients"),
        33..45 => new_case(client, practice),
        45..57 => edit_case(client, practice),
        57..61 => remove(client, practice, "evaluations"),
        61..69 => save_draft(client, practice),
        69..72 => remove(client, practice, "evaluation_drafts"),
        72..77 => share(client, practice),
        77..79 => remove(client, practice, "shared_links"),
        79..81 => edit_profile(client, practice),
        81..89 => read_all(client, practice),
        89..92 => count(client, practice),
        92..95 => detect_tooth(client, practice),
        _ => peek(client, practice),
    }
}

fn words(client: &mut Client<'_>) -> String {
    let first = *client.random.pick(&["Maria", "João", "Zoë", "D'Ávila", "Ana \\ Bea", "李"]);
    format!("{first} {MARK} {}", client.random.below(1_000_000_000))
}

fn perhaps(client: &mut Client<'_>) -> Value {
    if client.random.one_in(3) { Value::Null } else { Value::from(words(client)) }
}

fn one_of(client: &mut Client<'_>, practice: &Practice, table: &'static str) -> Option<String> {
    let keys = practice.records.keys(table);
    (!keys.is_empty()).then(|| client.random.pick(&keys).clone())
}

fn new_patient(client: &mut Client<'_>, practice: &mut Practice) {
    if practice.records.keys("patients").len() >= MANY {
        return remove(client, practice, "patients");
    }
    let id = client.random.uuid().to_string();
    let row = json!({
        "id": id, "user_id": practice.user, "name": words(client), "phone": perhaps(client),
        "email": perhaps(client), "birth_date": "1987-02-28", "notes": perhaps(client),
    });
    let request = Request::Insert("patients", row.clone());
    let who = Who::User(practice.user);
    let key = ("patients", id.as_str());
    client.keep_record(practice, who, &request, key, Some(row));
}

fn edit_patient(client: &mut Client<'_>, practice: &mut Practice) {
    let Some(id) = one_of(client, practice, "patients") else {
        return;
    };
    let change = match client.random.below(3) {
        0 => json!({"phone": perhaps(client)}),
        1 => json!({"notes": perhaps(client), "birth_date": null}),
        _ => json!({"name": words(client), "email": perhaps(client)}),
    };
    let request = Request::Update("patients", ("id", id.clone()), change.clone());
    let who = Who::User(practice.user);
    client.keep_record(practice, who, &request, ("patients", &id), Some(change));
}

fn remove(client: &mut Client<'_>, practice: &mut Practice, table: &'static str) {
    let Some(key) = one_of(client, practice, table) else {
        return;
    };
    let request = Request::Delete(table, (tracked(table).key, key.clone()));
    let who = Who::User(practice.user);
    client.keep_record(practice, who, &request, (table, &key), None);
    if table == "patients" && practice.records.get(table, &key).is_none() {
        practice.records.forget_patient(&key);
    }
}

fn new_case(client: &mut Client<'_>, practice: &mut Practice) {
    if practice.records.keys("evaluations").len() >= MANY {
        return remove(client, practice, "evaluations");
    }
    let id = client.random.uuid().to_string();
    let patient = one_of(client, practice, "patients");
    let row = json!({
        "id": id, "user_id": practice.user, "patient_id": patient, "patient_name": words(client),
        "tooth": format!("{}", 11 + client.random.below(8)), "session_id": client.random.uuid(),
        "status": "draft", "patient_age": 40, "region": "anterior", "cavity_class": "Classe IV",
        "restoration_size": "media", "substrate": "esmalte", "aesthetic_level": "alto",
        "tooth_color": "A2", "longevity_expectation": "longa", "budget": "alto",
    });
    let request = Request::Insert("evaluations", row.clone());
    let who = Who::User(practice.user);
    let key = ("evaluations", id.as_str());
    client.keep_record(practice, who, &request, key, Some(row));
}

fn edit_case(client: &mut Client<'_>, practice: &mut Practice) {
    let Some(id) = one_of(client, practice, "evaluations") else {
        return;
    };
    let change = match client.random.below(3) {
        0 => json!({"status": "completed"}),
        1 => json!({"anamnesis": perhaps(client)}),
        _ => {
            json!({"patient_document": {"queixa": words(client)}, "patient_name": perhaps(client)})
        }
    };
    let request = Request::Update("evaluations", ("id", id.clone()), change.clone());
    let who = Who::User(practice.user);
    client.keep_record(practice, who, &request, ("evaluations", &id), Some(change));
}

/// As the client of each layout saves it: an upsert, or where views cannot have one, an insert that replaces.
fn save_draft(client: &mut Client<'_>, practice: &mut Practice) {
    let key = practice.user.to_string();
    let row = json!({"user_id": key, "draft_data": {"patientName": words(client), "step": 3}});
    let request = if client.world.is_sealed() {
        Request::Insert("evaluation_drafts", row.clone())
    } else {
        Request::Upsert("evaluation_drafts", "user_id", row.clone())
    };
    let who = Who::User(practice.user);
    let place = ("evaluation_drafts", key.as_str());
    client.keep_record(practice, who, &request, place, Some(row));
}

fn share(client: &mut Client<'_>, practice: &mut Practice) {
    let Some(case) = one_of(client, practice, "evaluations") else {
        return;
    };
    let session = practice.records.get("evaluations", &case).map(|row| row["session_id"].clone());
    let id = client.random.uuid().to_string();
    let token = format!("{}{}", client.random.uuid().simple(), client.random.uuid().simple());
    let row = json!({"id": id, "user_id": practice.user, "session_id": session, "token": token});
    let request = Request::Insert("shared_links", row.clone());
    let who = Who::User(practice.user);
    let key = ("shared_links", id.as_str());
    client.keep_record(practice, who, &request, key, Some(row));
}

fn edit_profile(client: &mut Client<'_>, practice: &mut Practice) {
    let key = practice.user.to_string();
    let change = json!({"clinic_name": format!("Clínica {}", client.random.below(1000))});
    let request = Request::Update("profiles", ("user_id", key.clone()), change.clone());
    let who = Who::User(practice.user);
    client.keep_record(practice, who, &request, ("profiles", &key), Some(change));
}

fn detect_tooth(client: &mut Client<'_>, practice: &mut Practice) {
    if practice.records.keys("session_detected_teeth").len() >= MANY {
        return remove(client, practice, "session_detected_teeth");
    }
    let id = client.random.uuid().to_string();
    let row = json!({
        "id": id, "user_id": practice.user, "session_id": client.random.uuid(), "tooth": "21",
    });
    let request = Request::Insert("session_detected_teeth", row.clone());
    let who = Who::User(practice.user);
    let key = ("session_detected_teeth", id.as_str());
    client.keep_record(practice, who, &request, key, Some(row));
}

/// Everything the dentist can see in a table, without a filter that would hide a stranger's row: exactly their own.
fn read_all(client: &mut Client<'_>, practice: &mut Practice) {
    let table = *client.random.pick(&["patients", "evaluations", "evaluation_drafts", "shared_links"]);
    let tracked = tracked(table);
    let columns = tracked.columns.join(", ");
    // True of every row of the table.
    let everything = match table {
        "patients" | "evaluations" | "shared_links" | "evaluation_drafts" => ("user_id", practice.user),
        _ => return,
    };
    let request = Request::Select(table, &columns, (everything.0, everything.1.to_string()));
    let Outcome::Done(answer) = client.call(Who::User(practice.user), &request) else {
        return;
    };
    let seen: BTreeMap<&str, Value> = answer
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| (row[tracked.key].as_str().unwrap_or_default(), row.clone()))
        .collect();
    let expected = practice.records.of(table);
    let is_same = seen.len() == expected.len() && expected.iter().all(|(key, row)| seen.get(key) == Some(*row));
    if !is_same {
        practice.is_broken = true;
        client
            .world
            .report
            .violation(format!("dentist {} reads {table}: {seen:?}, expected {expected:?}", practice.user));
    }
}

fn count(client: &mut Client<'_>, practice: &mut Practice) {
    let request = Request::Call("get_dashboard_metrics", json!({"p_user_id": practice.user}));
    let began = Instant::now();
    let Outcome::Done(answer) = client.call(Who::User(practice.user), &request) else {
        return;
    };
    for (metric, table) in [("total_patients", "patients"), ("total_evaluations", "evaluations")] {
        let expected = practice.records.of(table).len();
        // A snapshot from before a table was rewritten sees no row of it (docs/phi.md).
        let is_rewritten = || client.world.weather.has_any(&[Fault::Sealing], began);
        if answer[metric] != expected && !(answer[metric] == 0 && is_rewritten()) {
            practice.is_broken = true;
            client
                .world
                .report
                .violation(format!("{metric} of {} is {}, expected {expected}", practice.user, answer[metric]));
        }
    }
}

/// Whatever the dentist tries on another's rows finds nothing, and the backend's functions are refused.
fn peek(client: &mut Client<'_>, practice: &mut Practice) {
    let other = {
        let users = client.world.users.lock().unwrap();
        *client.random.pick(&users)
    };
    if other == practice.user {
        return;
    }
    let who = Who::User(practice.user);
    let theirs = ("user_id", other.to_string());
    match client.random.below(5) {
        0 => {
            let request =
                Request::Call("use_credits", json!({"p_user_id": practice.user, "p_operation": "case_analysis"}));
            client.must_be_refused(who, &request, "42501");
        }
        1 => {
            let request = Request::Call("get_dashboard_metrics", json!({"p_user_id": other}));
            client.must_be_refused(who, &request, "42501");
        }
        2 => {
            let request = Request::Update("patients", theirs, json!({"phone": "stolen"}));
            expect_nothing(client, who, &request);
        }
        3 => {
            let request = Request::Delete("evaluations", theirs);
            expect_nothing(client, who, &request);
        }
        _ => {
            let tables = [
                "patients",
                "evaluations",
                "evaluation_drafts",
                "shared_links",
                "profiles",
                "subscriptions",
                "credit_usage",
                "payment_history",
                "credit_pack_purchases",
            ];
            let table = client.random.pick(&tables);
            let request = Request::Select(table, "user_id", theirs);
            expect_nothing(client, who, &request);
        }
    }
}

fn expect_nothing(client: &mut Client<'_>, who: Who, request: &Request<'_>) {
    if let Outcome::Done(answer) = client.call(who, request)
        && answer != json!([])
    {
        client.world.report.violation(format!("{request:?} by {who:?} reached another user's rows: {answer}"));
    }
}
