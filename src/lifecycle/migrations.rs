//! The migration files, compiled into the library.

/// One file of `sql/migrations/`.
pub struct Migration {
    /// Its place in the order, from 1.
    pub number: i32,
    /// The file's name without `.sql`.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($($number:literal => $name:literal,)+) => {
        /// All migrations, in order. What was released never changes: later
        /// releases append.
        pub const MIGRATIONS: &[Migration] = &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../../sql/migrations/", $name, ".sql")),
        },)+];
    };
}

migrations! {
    1 => "001_initial_schema",
    2 => "002_storage_buckets",
    3 => "003_rate_limiting",
    4 => "004_patient_search",
    5 => "005_billing_v1",
    6 => "006_credit_system",
    7 => "007_stripe_mapping",
    8 => "008_shared_links",
    9 => "009_prompt_metrics",
    10 => "010_evaluation_enhancements",
    11 => "011_invoice_uniqueness",
    12 => "012_credit_packs",
    13 => "013_dsd_layers",
    14 => "014_atomic_credits",
    15 => "015_phi_encryption",
    16 => "016_prompt_metrics_rls",
    17 => "017_resin_catalog",
    18 => "018_catalog_expansion",
}
