//! The doctor's checks of credits: the ledger, subscriptions and plans.

pub use super::rows::obstacle as charges_obstacle;
use crate::error::Result;
use crate::pg::spi::Spi;
use crate::schema::check::Findings;
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

/// Whether each user has one subscription at most.
pub fn subscriptions(spi: &Spi) -> Result<Findings> {
    Findings::of_rows(
        spi,
        "SELECT pg_catalog.format('user %s has %s subscriptions: keep one, and delete the others', user_id, pg_catalog.count(*)) \
           FROM public.subscriptions GROUP BY user_id HAVING pg_catalog.count(*) > 1 ORDER BY user_id",
        &[],
    )
}

/// Plans that are sold, or that somebody subscribes to, and grant nothing.
pub fn plans(spi: &Spi) -> Result<Findings> {
    Findings::of_rows(spi, include_str!("plans_without_credits.sql"), &[])
}
