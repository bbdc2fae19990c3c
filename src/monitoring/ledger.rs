//! The group `ledger`: entries of the last hour, from the last pages of the
//! ledger alone. Entries are appended, so the newest are there; where the pages
//! do not reach back an hour, what they hold is extrapolated. No index orders
//! the ledger by time, since each charge would pay for it, and the BRIN index
//! bounds nothing where a busy hour or a bulk load is in it.

use super::{Metric, metrics_of};
use crate::error::Result;
use crate::pg::spi::Spi;

/// How many pages are read: about 25,000 entries.
const PAGES: i64 = 500;

/// At the beginning of the pages that are read, these show when they begin.
const FIRST_PAGES: i64 = 10;

/// A partition is read if one of its last pages has an entry of the last hour.
const LAST_PAGES: i64 = 16;

/// The ledger, or its partitions, with the number of pages of each.
const STORED: &str = include_str!("stored.sql");

pub fn metrics(spi: &Spi) -> Result<Vec<Metric>> {
    let rows = spi.read_once(STORED, &[])?;
    let mut stored: Vec<(String, i64)> =
        rows.iter().map(|row| Ok((row.expect(1)?, row.expect(2)?))).collect::<Result<_>>()?;
    if stored.len() > 1 {
        let mut current = Vec::new();
        for (table, pages) in stored {
            if has_recent(spi, &table, pages)? {
                current.push((table, pages));
            }
        }
        stored = current;
    }
    let share = PAGES / (stored.len() as i64).max(1);
    let mut entries = Vec::new();
    let mut beginnings = Vec::new();
    for (table, pages) in &stored {
        let start = (pages - share).max(0);
        entries.push(format!(
            "SELECT operation, is_free, credits_used, entry, created_at FROM ONLY {table} WHERE ctid >= '({start},0)'"
        ));
        if start > 0 {
            beginnings.push(format!(
                "SELECT pg_catalog.percentile_disc(0.5) WITHIN GROUP (ORDER BY created_at) FROM ONLY {table} \
                  WHERE ctid >= '({start},0)' AND ctid < '({},0)'",
                start + FIRST_PAGES
            ));
        }
    }
    let or_none = |queries: Vec<String>, none: &str| {
        if queries.is_empty() { none.to_owned() } else { queries.join(" UNION ALL ") }
    };
    metrics_of(
        &spi.read_once(
            &include_str!("ledger.sql")
                .replace(
                    "ENTRIES",
                    &or_none(
                        entries,
                        "SELECT NULL::text, NULL::boolean, NULL::integer, NULL::bigint, NULL::timestamptz WHERE false",
                    ),
                )
                .replace("BEGINNINGS", &or_none(beginnings, "SELECT NULL::timestamptz")),
            &[],
        )?,
    )
}

fn has_recent(spi: &Spi, table: &str, pages: i64) -> Result<bool> {
    let start = (pages - LAST_PAGES).max(0);
    let recent = spi.read_once(
        &format!(
            "SELECT FROM ONLY {table} \
              WHERE ctid >= '({start},0)' AND created_at > now() - interval '1 hour' LIMIT 1"
        ),
        &[],
    )?;
    Ok(!recent.is_empty())
}
