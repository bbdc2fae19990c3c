//! The backend, service_role: it charges, gives back, sells, and writes what Stripe's webhooks say.

use serde_json::{Value, json};

use super::client::{Client, Outcome};
use crate::door::{Request, Who};
use crate::model::Practice;
use crate::model::books::{CASE, DSD, PLANS};

const OPERATIONS: [&str; 3] = [CASE, DSD, "soak_extra"];
const STATUSES: [&str; 6] = ["active", "active", "active", "trialing", "past_due", "canceled"];

/// A reset is due after 30 days.
const OVERDUE: &str = "(now() - interval '31 days')";

pub fn step(client: &mut Client<'_>, practice: &mut Practice) {
    match client.random.below(100) {
        0..25 => charge(client, practice),
        25..45 => charge_once(client, practice),
        45..55 => refund(client, practice),
        55..65 => refund_once(client, practice),
        65..72 => sell(client, practice),
        72..80 => change_plan(client, practice),
        80..84 => end_month(client, practice),
        84..90 => ask_first(client, practice),
        90..93 => charge_and_roll_back(client, practice),
        93..96 => bill(client, practice),
        96..98 => count_request(client, practice),
        _ => record_transaction(client, practice),
    }
}

fn charge(client: &mut Client<'_>, practice: &mut Practice) {
    let operation = *client.random.pick(&OPERATIONS);
    let request = Request::Call("use_credits", json!({"p_user_id": practice.user, "p_operation": operation}));
    client.keep_books(practice, &request, |books| Value::from(books.charge(operation, None)));
}

/// With a reference: a new one, or one that was sent before. An unknown outcome is asked for as a client would: by
/// sending it again.
fn charge_once(client: &mut Client<'_>, practice: &mut Practice) {
    let (operation, reference) = if practice.references.is_empty() || client.random.one_in(2) {
        let fresh = (*client.random.pick(&OPERATIONS), client.random.uuid());
        practice.references.push(fresh);
        fresh
    } else {
        *client.random.pick(&practice.references)
    };
    let request = Request::Call(
        "use_credits",
        json!({"p_user_id": practice.user, "p_operation": operation, "p_reference_id": reference}),
    );
    for _ in 0..4 {
        let outcome =
            client.keep_books(practice, &request, |books| Value::from(books.charge(operation, Some(reference))));
        if practice.is_broken || !matches!(outcome, Outcome::Unknown) {
            return;
        }
    }
}

fn refund(client: &mut Client<'_>, practice: &mut Practice) {
    let operation = *client.random.pick(&OPERATIONS);
    let request = Request::Call("refund_credits", json!({"p_user_id": practice.user, "p_operation": operation}));
    client.keep_books(practice, &request, |books| Value::from(books.refund(operation, None)));
}

fn refund_once(client: &mut Client<'_>, practice: &mut Practice) {
    if practice.references.is_empty() {
        return;
    }
    let (operation, reference) = *client.random.pick(&practice.references);
    let request = Request::Call(
        "refund_credits",
        json!({"p_user_id": practice.user, "p_operation": operation, "p_reference_id": reference}),
    );
    for _ in 0..4 {
        let outcome =
            client.keep_books(practice, &request, |books| Value::from(books.refund(operation, Some(reference))));
        if practice.is_broken || !matches!(outcome, Outcome::Unknown) {
            return;
        }
    }
}

/// A pack of credits, with the webhook that Stripe sends twice.
fn sell(client: &mut Client<'_>, practice: &mut Practice) {
    let id = client.random.uuid().to_string();
    let credits = 1 + client.random.below(20) as i64;
    if !record_event_twice(client, &id) {
        return;
    }
    let row = json!({
        "id": id, "user_id": practice.user, "pack_id": "pack_10", "credits": credits, "amount": 100,
        "stripe_session_id": id, "status": "completed",
    });
    let request = Request::Insert("credit_pack_purchases", row.clone());
    let key = ("credit_pack_purchases", id.as_str());
    client.keep_record(practice, Who::Service, &request, key, Some(row));
    let request = Request::Call("add_bonus_credits", json!({"p_user_id": practice.user, "p_credits": credits}));
    client.keep_books(practice, &request, |books| {
        books.purchase(credits);
        Value::Null
    });
}

/// The second time is refused, because the first is recorded. Whether it is recorded.
fn record_event_twice(client: &mut Client<'_>, id: &str) -> bool {
    let event = format!("evt_{id}");
    let request = Request::Insert(
        "webhook_events",
        json!({"stripe_event_id": event, "event_type": "checkout.session.completed"}),
    );
    match client.call(Who::Service, &request) {
        Outcome::Done(_) => {}
        Outcome::Refused => return false,
        Outcome::Unknown => {
            let query = format!("SELECT to_jsonb(id) FROM public.webhook_events WHERE stripe_event_id = '{event}'");
            if client.ask(&query).is_none() {
                return false;
            }
        }
    }
    client.world.events.lock().unwrap().push(event);
    client.must_be_refused(Who::Service, &request, "23505");
    true
}

/// As the webhook writes it, with an upsert.
fn change_plan(client: &mut Client<'_>, practice: &mut Practice) {
    let plan = client.random.pick(&PLANS).id;
    let status = *client.random.pick(&STATUSES);
    let request = Request::Upsert(
        "subscriptions",
        "user_id",
        json!({"user_id": practice.user, "plan_id": plan, "status": status}),
    );
    client.keep_books(practice, &request, |books| {
        books.subscribe(plan, status);
        Value::Null
    });
}

/// A month goes by: the reset is due, and somebody runs it, perhaps another client before this one.
fn end_month(client: &mut Client<'_>, practice: &mut Practice) {
    if practice.books.account().is_none() {
        return;
    }
    let user = practice.user;
    let statement = format!("UPDATE public.subscriptions SET usage_reset_at = {OVERDUE} WHERE user_id = '{user}'");
    let mut after = practice.books.clone();
    after.end_month();
    let request = Request::Call("reset_monthly_usage_with_rollover", json!({}));
    match client.administer("a month goes by", &statement) {
        Outcome::Done(_) => {}
        Outcome::Refused => return,
        Outcome::Unknown => {
            let query = format!(
                "SELECT to_jsonb(usage_reset_at < now() - interval '30 days') FROM public.subscriptions WHERE user_id = '{user}'"
            );
            if client.ask(&query) != Some(Value::Bool(true)) {
                // Not done, or done and reset by another client.
                let before = practice.books.clone();
                client.settle_books(practice, &request, [after, before]);
                return;
            }
        }
    }
    // From here on the month ends exactly once, whoever ends it; it must have when a reset has succeeded.
    while !matches!(client.call(Who::Service, &request), Outcome::Done(_)) {
        if client.world.report.is_hopeless() {
            return;
        }
    }
    practice.books = after;
}

/// can_use_credits says what use_credits would do, to the backend and to the dentist.
fn ask_first(client: &mut Client<'_>, practice: &mut Practice) {
    let operation = *client.random.pick(&OPERATIONS);
    let who = if client.random.one_in(2) { Who::User(practice.user) } else { Who::Service };
    let request = Request::Call("can_use_credits", json!({"p_user_id": practice.user, "p_operation": operation}));
    if let Outcome::Done(answer) = client.call(who, &request) {
        let expected = practice.books.affords(operation);
        if answer != expected {
            practice.is_broken = true;
            client.world.report.violation(format!(
                "can_use_credits({operation}) answered {answer}, expected {expected}: {:?}",
                practice.books.account()
            ));
        }
    }
}

fn charge_and_roll_back(client: &mut Client<'_>, practice: &mut Practice) {
    let operation = *client.random.pick(&OPERATIONS);
    let request = Request::Call("use_credits", json!({"p_user_id": practice.user, "p_operation": operation}));
    client.roll_back(Who::Service, &request);
}

/// An invoice, which the webhook may write again.
fn bill(client: &mut Client<'_>, practice: &mut Practice) {
    let id = client.random.uuid().to_string();
    let row = json!({
        "id": id, "user_id": practice.user, "stripe_invoice_id": format!("in_{id}"), "amount": 5900,
        "status": "succeeded",
    });
    let request = Request::Insert("payment_history", row.clone());
    let key = ("payment_history", id.as_str());
    client.keep_record(practice, Who::Service, &request, key, Some(row));
    if practice.records.get("payment_history", &id).is_some() {
        client.must_be_refused(Who::Service, &request, "23505");
    }
}

fn count_request(client: &mut Client<'_>, practice: &mut Practice) {
    let window = "2026-01-01T00:00:00Z";
    let request = Request::Rows(
        "check_and_increment_rate_limit",
        json!({
            "p_user_id": practice.user, "p_function_name": "analyze", "p_minute_window": window,
            "p_hour_window": window, "p_day_window": window,
        }),
    );
    client.call(Who::Service, &request);
}

fn record_transaction(client: &mut Client<'_>, practice: &mut Practice) {
    let id = client.random.uuid().to_string();
    let row = json!({
        "id": id, "user_id": practice.user, "operation_id": id, "operation": CASE, "type": "consume",
    });
    let request = Request::Insert("credit_transactions", row.clone());
    let key = ("credit_transactions", id.as_str());
    client.keep_record(practice, Who::Service, &request, key, Some(row));
}
