//! Accounts come and go.

use serde_json::{Value, json};

use super::client::{Client, Outcome};
use crate::model::Practice;
use crate::model::records::TRACKED;

/// A new account; its profile appears by itself. `None` when it was refused.
pub fn sign_up(client: &mut Client<'_>) -> Option<Practice> {
    let user = client.random.uuid();
    let name = format!("Dra. Ana {}", client.random.below(1_000_000));
    let statement = format!(
        "INSERT INTO auth.users (id, email, raw_user_meta_data)
         VALUES ('{user}', '{user}@clinica.test', '{{\"full_name\": \"{name}\"}}')"
    );
    match client.administer("sign-up", &statement) {
        Outcome::Done(_) => {}
        Outcome::Refused => return None,
        Outcome::Unknown => {
            let query = format!("SELECT to_jsonb(id) FROM auth.users WHERE id = '{user}'");
            client.ask(&query)?;
        }
    }
    let mut practice = Practice::new(user);
    practice.records.set(
        "profiles",
        &user.to_string(),
        Some(json!({"user_id": user, "full_name": name, "clinic_name": null})),
    );
    client.world.users.lock().unwrap().push(user);
    Some(practice)
}

/// The account and everything of it goes; whether it did.
pub fn delete(client: &mut Client<'_>, practice: &mut Practice) -> bool {
    let user = practice.user;
    let statement = format!("DELETE FROM auth.users WHERE id = '{user}'");
    match client.administer("account deletion", &statement) {
        Outcome::Refused => return false,
        Outcome::Done(_) => {}
        Outcome::Unknown => {
            let query = format!("SELECT to_jsonb(id) FROM auth.users WHERE id = '{user}'");
            if client.ask(&query).is_some() {
                return false;
            }
        }
    }
    client.world.users.lock().unwrap().retain(|other| *other != user);
    let counts: Vec<String> = TRACKED
        .iter()
        .map(|tracked| tracked.table)
        .chain(["subscriptions", "credit_usage", "rate_limits"])
        .map(|table| format!("(SELECT count(*) FROM public.{table} WHERE user_id = '{user}')"))
        .collect();
    let left = client.ask(&format!("SELECT to_jsonb({})", counts.join(" + ")));
    if left != Some(Value::from(0)) {
        client.world.report.violation(format!("{left:?} rows of the deleted user {user} are left"));
    }
    true
}
