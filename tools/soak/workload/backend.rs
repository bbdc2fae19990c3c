//! The backend, service_role: it charges, gives back, sells, and writes what Stripe's webhooks say.

use serde_json::{Value, json};

use super::client::{Client, Outcome};
use crate::door::{Request, Who};
use crate::model::Practice;
use crate::model::books::{CASE, DSD, PLANS, Written};
use crate::model::months::{self, DAY};

const OPERATIONS: [&str; 3] = [CASE, DSD, "soak_extra"];
const STATUSES: [&str; 9] =
    ["active", "active", "active", "active", "trialing", "past_due", "unpaid", "incomplete", "canceled"];

pub fn step(client: &mut Client<'_>, practice: &mut Practice) {
    match client.random.below(100) {
        0..25 => charge(client, practice),
        25..45 => charge_once(client, practice),
        45..55 => refund(client, practice),
        55..65 => refund_once(client, practice),
        65..67 => sell(client, practice),
        67..71 => sell_again(client, practice),
        71 => give(client, practice),
        72..79 => bill_subscription(client, practice),
        79..82 => end_month(client, practice),
        82..84 => edit_by_hand(client, practice),
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

/// A pack of credits, with the webhook that Stripe sends twice. The page that it returns to reports it, too.
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
    let reference = format!("cs_{id}");
    practice.packs.push((reference.clone(), credits));
    for _ in 0..1 + client.random.below(3) {
        add(client, practice, &reference, credits);
    }
}

/// A pack that was bought before, or that is paid back, or paid back before the purchase is known.
fn sell_again(client: &mut Client<'_>, practice: &mut Practice) {
    if practice.packs.is_empty() || client.random.one_in(4) {
        practice.packs.push((format!("cs_{}", client.random.uuid()), 1 + client.random.below(20) as i64));
    }
    let (reference, credits) = client.random.pick(&practice.packs).clone();
    if client.random.one_in(2) {
        return add(client, practice, &reference, credits);
    }
    let part = 1 + client.random.below(credits as usize) as i64;
    let request = Request::Call(
        "revoke_bonus_credits",
        json!({"p_user_id": practice.user, "p_credits": part, "p_reference": reference}),
    );
    client.keep_books(practice, &request, |books| Value::from(books.revoke(part, &reference)));
}

/// Whatever number a repetition brings, the first one counts.
fn add(client: &mut Client<'_>, practice: &mut Practice, reference: &str, credits: i64) {
    let request = Request::Call(
        "add_bonus_credits",
        json!({"p_user_id": practice.user, "p_credits": credits, "p_reference": reference}),
    );
    client.keep_books(practice, &request, |books| {
        books.purchase(credits, Some(reference));
        Value::Null
    });
}

/// Without a reference, each call adds.
fn give(client: &mut Client<'_>, practice: &mut Practice) {
    let credits = 1 + client.random.below(20) as i64;
    let request = Request::Call("add_bonus_credits", json!({"p_user_id": practice.user, "p_credits": credits}));
    client.keep_books(practice, &request, |books| {
        books.purchase(credits, None);
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

/// As the webhook writes it, with an upsert: something new, or what it has written before.
fn bill_subscription(client: &mut Client<'_>, practice: &mut Practice) {
    let written = match practice.webhooks.len() {
        known if known > 0 && client.random.one_in(2) => {
            // The last one again, or one that comes late.
            let place = if client.random.one_in(2) { known - 1 } else { client.random.below(known) };
            practice.webhooks[place].clone()
        }
        _ => news_of_stripe(client, practice),
    };
    let mut row = json!({"user_id": practice.user, "plan_id": written.plan, "status": written.status});
    if let Some((start, end, ends_there)) = written.period {
        row["stripe_subscription_id"] = written.stripe.clone().into();
        row["current_period_start"] = months::text(start).into();
        row["current_period_end"] = months::text(end).into();
        row["cancel_at_period_end"] = ends_there.into();
    }
    let request = Request::Upsert("subscriptions", "user_id", row);
    client.keep_books(practice, &request, |books| {
        books.subscribe(&written);
        Value::Null
    });
}

fn news_of_stripe(client: &mut Client<'_>, practice: &mut Practice) -> Written {
    let random = &mut client.random;
    let plan = random.pick(&PLANS).id;
    let status = *random.pick(&STATUSES);
    if random.one_in(4) {
        return Written { plan: Some(plan), status: Some(status), ..Written::default() };
    }
    let last = practice.webhooks.last().and_then(|last| Some((last.stripe.clone()?, last.period?)));
    let stripe = match &last {
        Some((stripe, _)) if !random.one_in(6) => stripe.clone(),
        _ => format!("sub_{}", random.uuid().simple()),
    };
    // Some days ago, or ahead as no server should say it.
    let anew = months::in_days(2 - random.below(90) as i64);
    let start = match last {
        // The period that follows.
        Some((_, (_, end, _))) if end <= months::in_days(0) && random.one_in(2) => end,
        Some((_, (start, ..))) if random.one_in(3) => start,
        _ => anew,
    };
    // To the second, servers do not agree.
    let start = start + if random.one_in(3) { random.below(600) as i64 } else { 0 };
    let end = match random.below(5) {
        0 => months::months_later(start, 12),
        1 => months::months_later(start, 1) + 3 * DAY,
        2 => months::months_later(start, 2) + DAY,
        _ => months::months_later(start, 1),
    };
    let period = Some((start, end, random.one_in(5)));
    let written =
        Written { plan: Some(plan), status: Some(status), stripe: Some(stripe), period, ..Written::default() };
    practice.webhooks.push(written.clone());
    if practice.webhooks.len() > 6 {
        practice.webhooks.remove(0);
    }
    written
}

/// A month goes by, and somebody's statement settles it: the reset of another client, or the next charge.
fn end_month(client: &mut Client<'_>, practice: &mut Practice) {
    if !is_settled(client, practice) {
        return;
    }
    let days = 31 + client.random.below(70) as i64;
    edit(
        client,
        practice,
        "a month goes by",
        &Written { reset_at: Some(months::in_days(-days)), ..Written::default() },
    );
    if client.random.one_in(2) {
        is_settled(client, practice);
    }
}

/// What somebody writes past the functions.
fn edit_by_hand(client: &mut Client<'_>, practice: &mut Practice) {
    if !is_settled(client, practice) {
        return;
    }
    let Some(account) = practice.books.account() else { return };
    let begins_at = months::in_days(-(client.random.below(30) as i64));
    let can_begin = begins_at > account.reset_at;
    let (bonus, rollover) = (client.random.below(9) as i64, client.random.below(5) as i64);
    let written = match client.random.below(4) {
        0 => Written { bonus, ..Written::default() },
        1 => Written { rollover, ..Written::default() },
        2 if can_begin => {
            Written { reset_at: Some(begins_at), clears_used: true, bonus, rollover, ..Written::default() }
        }
        _ => Written { clears_used: true, ..Written::default() },
    };
    edit(client, practice, "a hand edits credits", &written);
}

fn edit(client: &mut Client<'_>, practice: &mut Practice, what: &str, written: &Written) {
    let mut columns = vec![
        format!("credits_bonus = credits_bonus + {}", written.bonus),
        format!("credits_rollover = credits_rollover + {}", written.rollover),
    ];
    if written.clears_used {
        columns.push("credits_used_this_month = 0".into());
    }
    if let Some(reset_at) = written.reset_at {
        columns.push(format!("usage_reset_at = '{}'", months::text(reset_at)));
    }
    let statement =
        format!("UPDATE public.subscriptions SET {} WHERE user_id = '{}'", columns.join(", "), practice.user);
    client.edit_books(practice, what, &statement, |books| books.subscribe(written));
}

/// Has somebody settle what is due, if there is an account: what a hand writes means something else before and after.
fn is_settled(client: &mut Client<'_>, practice: &mut Practice) -> bool {
    while practice.books.is_due() {
        if client.world.report.is_hopeless() || client.world.is_over() {
            return false;
        }
        let function = *client.random.pick(&["reset_monthly_usage_with_rollover", "reset_monthly_usage"]);
        if let Outcome::Done(_) = client.call(Who::Service, &Request::Call(function, json!({}))) {
            practice.books.settle();
        }
    }
    practice.books.account().is_some()
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
