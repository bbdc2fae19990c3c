//! Users whom all clients charge at the same moment.

use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Client, Outcome};
use crate::door::{Request, Who};
use crate::model::books::CASE;

/// References are taken from a small number, so that clients send the same one at once.
const REFERENCES: u128 = 40;

/// How many packs there are, each with as many credits as its number.
const PACKS: usize = 30;

pub fn step(client: &mut Client<'_>) {
    let place = client.random.below(client.world.crowds.len());
    match client.random.below(10) {
        0 if client.random.one_in(3) => buy(client, place),
        0 => buy_once(client, place),
        1..4 => charge_once(client, place),
        4..6 => charge_and_refund(client, place),
        _ => charge_single(client, place),
    }
}

fn buy(client: &mut Client<'_>, place: usize) {
    let (user, crowd) = &client.world.crowds[place];
    let credits = 1 + client.random.below(9) as i64;
    let request = Request::Call("add_bonus_credits", json!({"p_user_id": user, "p_credits": credits}));
    match client.call(Who::Service, &request) {
        Outcome::Done(_) => crowd.lock().unwrap().bought += credits,
        Outcome::Unknown => crowd.lock().unwrap().perhaps_bought.push(credits),
        Outcome::Refused => {}
    }
}

/// The same few packs, bought by several clients at once, and paid back by some.
fn buy_once(client: &mut Client<'_>, place: usize) {
    let (user, crowd) = &client.world.crowds[place];
    let credits = 1 + client.random.below(PACKS) as i64;
    let reference = format!("cs_{credits}");
    if client.random.one_in(4) {
        let request = Request::Call(
            "revoke_bonus_credits",
            json!({"p_user_id": user, "p_credits": credits, "p_reference": reference}),
        );
        if let Outcome::Done(answer) = client.call(Who::Service, &request) {
            let taken = answer.as_i64().unwrap_or(i64::MIN);
            let first = *crowd.lock().unwrap().revoked.entry(reference.clone()).or_insert(taken);
            if first != taken {
                client
                    .world
                    .report
                    .violation(format!("the revocation of {reference} was answered {first} and {taken}"));
            }
        }
        return;
    }
    let request =
        Request::Call("add_bonus_credits", json!({"p_user_id": user, "p_credits": credits, "p_reference": reference}));
    if let Outcome::Done(_) = client.call(Who::Service, &request) {
        crowd.lock().unwrap().packs.insert(reference);
    }
}

/// A reference that nobody gives back: once it was charged, it stays charged.
fn charge_once(client: &mut Client<'_>, place: usize) {
    let (user, crowd) = &client.world.crowds[place];
    let reference = Uuid::from_u128(1 + u128::from(client.random.next()) % REFERENCES);
    let request =
        Request::Call("use_credits", json!({"p_user_id": user, "p_operation": CASE, "p_reference_id": reference}));
    let outcome = client.call(Who::Service, &request);
    if let Outcome::Done(answer) = outcome {
        let mut crowd = crowd.lock().unwrap();
        if answer == Value::Bool(true) {
            crowd.charged.insert(reference);
        } else if crowd.charged.contains(&reference) {
            client.world.report.violation(format!("a reference that is charged was answered {answer}"));
        }
    }
}

/// Others charge and give back the same references.
fn charge_and_refund(client: &mut Client<'_>, place: usize) {
    let (user, _) = &client.world.crowds[place];
    let reference = Uuid::from_u128(1000 + u128::from(client.random.next()) % REFERENCES);
    let function = *client.random.pick(&["use_credits", "refund_credits"]);
    let request = Request::Call(function, json!({"p_user_id": user, "p_operation": CASE, "p_reference_id": reference}));
    client.call(Who::Service, &request);
}

/// Without a reference, under a name that is used once: the ledger shows afterwards whether it was done.
fn charge_single(client: &mut Client<'_>, place: usize) {
    let (user, crowd) = &client.world.crowds[place];
    let operation = format!("soak_{}", client.random.uuid().simple());
    let request = Request::Call("use_credits", json!({"p_user_id": user, "p_operation": operation}));
    let known = match client.call(Who::Service, &request) {
        Outcome::Done(answer) => Some(answer == Value::Bool(true)),
        Outcome::Refused => Some(false),
        Outcome::Unknown => None,
    };
    crowd.lock().unwrap().single.insert(operation, known);
}
