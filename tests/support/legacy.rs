//! Databases from AURIA's own history, and whether their rows are as they were.

pub use auria_tests::LAST_LEGACY_STATE as LAST;
use auria_tests::{Cluster, Database, Session};

/// The dentists of every legacy database.
pub const ANA: &str = "00000000-0000-4000-8000-00000000000a";
pub const BIA: &str = "00000000-0000-4000-8000-00000000000b";

/// Tables that an adoption adds rows to.
const SEEDED: [&str; 6] = [
    "public.credit_costs",
    "public.credit_packs",
    "public.resin_catalog",
    "public.resins",
    "public.subscription_plans",
    "storage.buckets",
];

/// A database that stopped at this migration, on the server all tests share.
pub fn database_at(state: usize) -> Database<'static> {
    Cluster::shared().legacy_database(state)
}

/// A checksum of each row of a database, over the columns that its tables had at one moment.
pub struct Rows {
    columns: Vec<(String, String)>,
    checksums: Vec<Vec<String>>,
}

impl Rows {
    pub fn of(session: &mut Session) -> Self {
        let columns: Vec<(String, String)> = session
            .query(
                "SELECT format('%I.%I', n.nspname, c.relname), string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) \
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
                  WHERE n.nspname IN ('public', 'auth', 'storage', 'vault') AND c.relkind = 'r' \
                    AND a.attnum > 0 AND NOT a.attisdropped \
                  GROUP BY 1 ORDER BY 1",
                &[],
            )
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let checksums = checksums(session, &columns);
        Rows { columns, checksums }
    }

    /// Fails when a row is gone or not as it was byte for byte, or when one came where none is seeded.
    #[track_caller]
    pub fn assert_unchanged(&self, session: &mut Session) {
        let now = checksums(session, &self.columns);
        for (((table, _), before), now) in self.columns.iter().zip(&self.checksums).zip(&now) {
            if SEEDED.contains(&table.as_str()) {
                assert!(before.iter().all(|row| now.contains(row)), "a row of {table} changed");
            } else {
                assert_eq!(before, now, "the rows of {table}");
            }
        }
    }
}

fn checksums(session: &mut Session, columns: &[(String, String)]) -> Vec<Vec<String>> {
    columns
        .iter()
        .map(|(table, list)| {
            session
                .query(&format!("SELECT md5(row::text) FROM (SELECT {list} FROM {table}) AS row ORDER BY 1"), &[])
                .unwrap()
                .iter()
                .map(|row| row.get(0))
                .collect()
        })
        .collect()
}
