//! A visitor without an account, with a link or with something like it.

use std::time::Instant;

use serde_json::{Value, json};

use super::client::{Client, Outcome};
use crate::door::{Request, Who};
use crate::model::Practice;
use crate::weather::Fault;

pub fn step(client: &mut Client<'_>, practice: &mut Practice) {
    let links = practice.records.of("shared_links");
    let link = (!links.is_empty()).then(|| {
        let links: Vec<&&Value> = links.values().collect();
        let link = client.random.pick(&links);
        (link["token"].as_str().unwrap_or_default().to_owned(), link["session_id"].clone())
    });
    match link {
        Some((token, session)) if !client.random.one_in(4) => {
            visit(client, practice, &token, &session);
        }
        _ => guess(client),
    }
}

/// The cases of the link's session, and no other.
fn visit(client: &mut Client<'_>, practice: &mut Practice, token: &str, session: &Value) {
    let request = Request::Rows("get_shared_evaluation", json!({"p_token": token}));
    let began = Instant::now();
    let Outcome::Done(answer) = client.call(Who::Anon, &request) else {
        return;
    };
    let seen: Vec<(Value, Value)> = answer
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| (row["tooth"].clone(), row["patient_document"].clone()))
        .collect();
    let expected: Vec<(Value, Value)> = practice
        .records
        .of("evaluations")
        .values()
        .filter(|row| row["session_id"] == *session)
        .map(|row| (row["tooth"].clone(), row["patient_document"].clone()))
        .collect();
    // A snapshot from before a table was rewritten sees no row of it (docs/phi.md).
    let is_rewritten = seen.is_empty() && client.world.weather.has_any(&[Fault::Sealing], began);
    if seen != expected && !is_rewritten {
        practice.is_broken = true;
        client
            .world
            .report
            .violation(format!("a visitor with a link of {} sees {seen:?}, expected {expected:?}", practice.user));
    }
}

/// A token that nobody made, and tables that are not for visitors.
fn guess(client: &mut Client<'_>) {
    let token = format!("{}{}", client.random.uuid().simple(), client.random.uuid().simple());
    let request = Request::Call("check_shared_link_status", json!({"p_token": token}));
    if let Outcome::Done(answer) = client.call(Who::Anon, &request)
        && answer != "not_found"
    {
        client.world.report.violation(format!("the status of a token that nobody made is {answer}"));
    }
    let request = Request::Select("patients", "id", ("user_id", client.random.uuid().to_string()));
    client.must_be_refused(Who::Anon, &request, "42501");
}
