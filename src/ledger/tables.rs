//! The tables of charges, refunds and events: their columns and the indexes that rows are found by.

use crate::pg::direct::{IndexKey, Table, columns};
use crate::pg::relation;

/// Whether the schema is that of 0.4.0 or later. The library comes with a package, and each database is updated in its
/// own time: until then charges, refunds and purchases go on as in 0.3.
pub fn schema_has_months() -> bool {
    relation::find(c"public", c"subscriptions").is_some_and(|table| relation::has_column(table, c"month_ends_at"))
}

pub mod subscription {
    use super::*;

    // Those up to CREATED_AT are what `select_subscription.sql` gives, in that order.
    columns! { COLUMNS:
        ID = c"id" UUIDOID;
        STATUS = c"status" TEXTOID;
        PLAN = c"plan_id" TEXTOID;
        ROLLOVER = c"credits_rollover" INT4OID;
        BONUS = c"credits_bonus" INT4OID;
        USED = c"credits_used_this_month" INT4OID;
        HIDDEN = c"credits_used_hidden" INT4OID;
        SETTLED_ROLLOVER = c"settled_rollover" INT4OID;
        SETTLED_BONUS = c"settled_bonus" INT4OID;
        CASES = c"cases_used_this_month" INT4OID;
        SIMULATIONS = c"dsd_used_this_month" INT4OID;
        RESET_AT = c"usage_reset_at" TIMESTAMPTZOID;
        RESET_ENTRY = c"usage_reset_entry" INT8OID;
        PLAN_CHANGE_ENTRY = c"plan_change_entry" INT8OID;
        MONTH_ENDS_AT = c"month_ends_at" TIMESTAMPTZOID;
        CREATED_AT = c"created_at" TIMESTAMPTZOID;
        USER = c"user_id" UUIDOID;
        UPDATED_AT = c"updated_at" TIMESTAMPTZOID;
    }

    pub const BY_USER: usize = 0;

    thread_local! {
        pub static TABLE: Table = const { Table::new(
            c"public",
            c"subscriptions",
            COLUMNS,
            &[ROLLOVER, BONUS, USED, HIDDEN, SETTLED_ROLLOVER, SETTLED_BONUS, CASES, SIMULATIONS, UPDATED_AT],
            &[IndexKey { columns: &[USER], then: None }],
        ) };
    }
}

pub mod usage {
    use super::*;

    // Those up to REFERENCE are what `select_use.sql` gives, in that order.
    columns! { COLUMNS:
        ID = c"id" UUIDOID;
        ENTRY = c"entry" INT8OID;
        SUBSCRIPTION = c"subscription_id" UUIDOID;
        CREDITS = c"credits_used" INT4OID;
        FROM_ROLLOVER = c"from_rollover" INT4OID;
        FROM_BONUS = c"from_bonus" INT4OID;
        IS_FREE = c"is_free" BOOLOID;
        CREATED_AT = c"created_at" TIMESTAMPTZOID;
        COUNTERPART = c"counterpart" INT8OID;
        REFERENCE = c"reference_id" UUIDOID;
        USER = c"user_id" UUIDOID;
        OPERATION = c"operation" TEXTOID;
        FROM_HIDDEN = c"from_hidden" INT4OID;
    }

    /// The uses of an operation that are open, or were refunded by one entry, in the
    /// order of the ledger.
    pub const BY_OPERATION: usize = 0;
    /// The uses with a reference, the open one first.
    pub const BY_REFERENCE: usize = 1;

    thread_local! {
        pub static TABLE: Table = const { Table::new(
            c"public",
            c"credit_usage",
            COLUMNS,
            &[COUNTERPART],
            &[
                IndexKey { columns: &[USER, OPERATION, COUNTERPART], then: Some(ENTRY) },
                IndexKey { columns: &[USER, OPERATION, REFERENCE], then: Some(COUNTERPART) },
            ],
        ) };
    }
}

pub mod event {
    use super::*;

    columns! { COLUMNS:
        ENTRY = c"entry" INT8OID;
        KIND = c"kind" TEXTOID;
        USER = c"user_id" UUIDOID;
        SUBSCRIPTION = c"subscription_id" UUIDOID;
        PLAN = c"plan_id" TEXTOID;
        MADE_BY = c"made_by" TEXTOID;
        CHANGED_USED = c"changed_used" INT4OID;
        CHANGED_HIDDEN = c"changed_hidden" INT4OID;
        CHANGED_ROLLOVER = c"changed_rollover" INT4OID;
        CHANGED_BONUS = c"changed_bonus" INT4OID;
        CREDITS_PER_MONTH = c"credits_per_month" INT4OID;
        USED = c"used" INT4OID;
        HIDDEN = c"hidden" INT4OID;
        ROLLOVER = c"rollover" INT4OID;
        BONUS = c"bonus" INT4OID;
        SETTLED_ROLLOVER = c"settled_rollover" INT4OID;
        SETTLED_BONUS = c"settled_bonus" INT4OID;
        BEGINS_AT = c"begins_at" TIMESTAMPTZOID;
        GRANTED = c"granted" INT4OID;
        EXPIRED = c"expired" INT4OID;
        CARRIED_OVER = c"carried_over" INT4OID;
        SPENT_MONTHLY = c"spent_monthly" INT4OID;
        SPENT_ROLLOVER = c"spent_rollover" INT4OID;
        SPENT_BONUS = c"spent_bonus" INT4OID;
        IS_BY_HAND = c"is_by_hand" BOOLOID;
        CREATED_AT = c"created_at" TIMESTAMPTZOID;
    }

    thread_local! {
        pub static TABLE: Table = const { Table::new(c"public", c"credit_events", COLUMNS, &[], &[]) };
    }
}
