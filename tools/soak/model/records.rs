//! The rows of one user, column by column.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A table that the model follows: the column that finds a row, and those that it knows.
pub struct Tracked {
    pub table: &'static str,
    pub key: &'static str,
    pub columns: &'static [&'static str],
}

pub const TRACKED: [Tracked; 9] = [
    Tracked {
        table: "patients",
        key: "id",
        columns: &["id", "user_id", "name", "phone", "email", "birth_date", "notes"],
    },
    Tracked {
        table: "evaluations",
        key: "id",
        columns: &[
            "id",
            "user_id",
            "patient_id",
            "patient_name",
            "tooth",
            "status",
            "session_id",
            "anamnesis",
            "patient_document",
        ],
    },
    Tracked { table: "evaluation_drafts", key: "user_id", columns: &["user_id", "draft_data"] },
    Tracked { table: "shared_links", key: "id", columns: &["id", "user_id", "session_id", "token"] },
    Tracked { table: "session_detected_teeth", key: "id", columns: &["id", "user_id", "session_id", "tooth"] },
    Tracked { table: "profiles", key: "user_id", columns: &["user_id", "full_name", "clinic_name"] },
    Tracked {
        table: "payment_history",
        key: "id",
        columns: &["id", "user_id", "stripe_invoice_id", "amount", "status"],
    },
    Tracked {
        table: "credit_pack_purchases",
        key: "id",
        columns: &["id", "user_id", "pack_id", "credits", "amount", "stripe_session_id", "status"],
    },
    Tracked {
        table: "credit_transactions",
        key: "id",
        columns: &["id", "user_id", "operation_id", "operation", "type"],
    },
];

pub fn tracked(table: &str) -> &'static Tracked {
    TRACKED.iter().find(|tracked| tracked.table == table).expect("a table that the model follows")
}

impl Tracked {
    /// A row as the model keeps it: every followed column, NULL where nothing was given.
    pub fn row(&self, before: Option<&Value>, given: &Value) -> Value {
        let of = |row: Option<&Value>, column: &str| row.and_then(|row| row.get(column)).cloned();
        let row: Map<String, Value> = self
            .columns
            .iter()
            .map(|column| {
                let value = of(Some(given), column).or_else(|| of(before, column));
                ((*column).to_owned(), value.unwrap_or(Value::Null))
            })
            .collect();
        Value::Object(row)
    }

    /// The row as an SQL expression of the same form.
    pub fn expression(&self) -> String {
        let pairs: Vec<String> = self.columns.iter().map(|column| format!("'{column}', {column}")).collect();
        format!("jsonb_build_object({})", pairs.join(", "))
    }
}

#[derive(Default)]
pub struct Records(BTreeMap<(&'static str, String), Value>);

impl Records {
    pub fn get(&self, table: &'static str, key: &str) -> Option<&Value> {
        self.0.get(&(table, key.to_owned()))
    }

    pub fn set(&mut self, table: &'static str, key: &str, row: Option<Value>) {
        match row {
            Some(row) => self.0.insert((table, key.to_owned()), row),
            None => self.0.remove(&(table, key.to_owned())),
        };
    }

    pub fn of(&self, table: &'static str) -> BTreeMap<&str, &Value> {
        self.0.iter().filter(|((of, _), _)| *of == table).map(|((_, key), row)| (key.as_str(), row)).collect()
    }

    pub fn keys(&self, table: &'static str) -> Vec<String> {
        self.of(table).keys().map(|key| (*key).to_owned()).collect()
    }

    /// A patient was deleted: evaluations of it stay, without it.
    pub fn forget_patient(&mut self, id: &str) {
        for ((table, _), row) in &mut self.0 {
            if *table == "evaluations" && row["patient_id"] == id {
                row["patient_id"] = Value::Null;
            }
        }
    }
}
