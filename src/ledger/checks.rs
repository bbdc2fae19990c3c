//! The doctor's checks of credits: the ledger and its numbers, months, subscriptions, webhooks and plans.

pub use super::rows::obstacle as charges_obstacle;
use crate::error::Result;
use crate::pg::spi::Spi;
use crate::schema::check::{Findings, lines};
use crate::schema::tables;

/// Whether the counters agree with the ledger.
pub fn ledger(spi: &Spi) -> Result<Findings> {
    for table in ["public.subscriptions", "public.credit_usage"] {
        if !tables::exists(spi, table)? {
            return Ok(vec!["its tables are missing".to_owned()].into());
        }
    }
    Findings::of_rows(spi, super::CHECK, &[])
}

/// How charges go, as a note: by SQL, a charge takes twice as long.
pub fn charges(_: &Spi) -> Result<Findings> {
    let note = match charges_obstacle() {
        None => "charges go by rows".to_owned(),
        Some(obstacle) => format!("charges go by SQL: {obstacle}"),
    };
    Ok(Findings { failures: Vec::new(), notes: vec![note] })
}

/// Whether the sequence goes on where entries and events are, and gives the numbers in order.
pub fn sequence(spi: &Spi) -> Result<Findings> {
    Findings::of_rows(spi, include_str!("sequence.sql"), &[])
}

/// Whether months begin and plans change no more often than a subscription is billed.
pub fn months(spi: &Spi) -> Result<Findings> {
    Findings::of_rows(spi, include_str!("too_often.sql"), &[])
}

/// Whether each user has one subscription at most, and whether its times can be right; as a note, what rests.
pub fn subscriptions(spi: &Spi) -> Result<Findings> {
    let mut failures = lines(spi, include_str!("several_subscriptions.sql"), &[])?;
    failures.extend(lines(spi, include_str!("late_periods.sql"), &[])?);
    let notes = lines(spi, include_str!("resting_bonus.sql"), &[])?;
    Ok(Findings { failures, notes })
}

/// Whether the events of Stripe's that arrived were finished.
pub fn webhooks(spi: &Spi) -> Result<Findings> {
    Findings::of_rows(spi, include_str!("late_webhooks.sql"), &[])
}

/// Plans that are sold, or that somebody subscribes to, and grant nothing.
pub fn plans(spi: &Spi) -> Result<Findings> {
    Findings::of_rows(spi, include_str!("plans_without_credits.sql"), &[])
}
