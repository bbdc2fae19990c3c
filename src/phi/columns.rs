//! Which columns hold patient data, and beside which they lie encrypted.

use std::ffi::CStr;

use pgrx::datum::Date;

use crate::pg::calendar;

/// A table with patient data.
pub struct PhiTable {
    /// Its name in schema `public`; its primary key is `id uuid`.
    pub name: &'static str,
    /// Its columns with patient data.
    pub columns: &'static [PhiColumn],
}

/// A plain column and its encrypted one.
pub struct PhiColumn {
    /// The plain column.
    pub plain: &'static CStr,
    /// The column that holds it encrypted.
    pub encrypted: &'static CStr,
    /// What the plain column holds.
    pub kind: Kind,
    /// The column before the plain one in a new database.
    pub after: &'static CStr,
}

impl PhiTable {
    /// The table of this name, in schema `public`.
    pub fn named(name: &str) -> Option<&'static Self> {
        TABLES.into_iter().find(|table| table.name == name)
    }

    /// The column whose plain form has this name.
    pub fn with_plain(&self, name: &str) -> Option<&'static PhiColumn> {
        self.columns.iter().find(|column| column.plain_name() == name)
    }

    /// The column whose encrypted form has this name.
    pub fn with_encrypted(&self, name: &str) -> Option<&'static PhiColumn> {
        self.columns.iter().find(|column| column.encrypted_name() == name)
    }
}

impl PhiColumn {
    /// The name of the plain column.
    pub fn plain_name(&self) -> &'static str {
        self.plain.to_str().unwrap_or_default()
    }

    /// The name of the column that holds it encrypted.
    pub fn encrypted_name(&self) -> &'static str {
        self.encrypted.to_str().unwrap_or_default()
    }
}

/// The type of a plain column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `text`.
    Text,
    /// `date`, encrypted as `YYYY-MM-DD` whatever DateStyle says.
    Date,
    /// `jsonb`, encrypted as PostgreSQL writes it.
    Jsonb,
}

impl Kind {
    /// The type's name in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Date => "date",
            Self::Jsonb => "jsonb",
        }
    }
}

const fn column(plain: &'static CStr, encrypted: &'static CStr, kind: Kind, after: &'static CStr) -> PhiColumn {
    PhiColumn { plain, encrypted, kind, after }
}

/// `public.patients`.
pub const PATIENTS: PhiTable = PhiTable {
    name: "patients",
    columns: &[
        column(c"name", c"name_encrypted", Kind::Text, c"user_id"),
        column(c"phone", c"phone_encrypted", Kind::Text, c"name"),
        column(c"email", c"email_encrypted", Kind::Text, c"phone"),
        column(c"birth_date", c"birth_date_encrypted", Kind::Date, c"email"),
        column(c"notes", c"notes_encrypted", Kind::Text, c"email"),
    ],
};

/// `public.evaluations`.
pub const EVALUATIONS: PhiTable = PhiTable {
    name: "evaluations",
    columns: &[
        column(c"patient_name", c"patient_name_encrypted", Kind::Text, c"patient_id"),
        column(c"patient_document", c"patient_document_encrypted", Kind::Jsonb, c"dsd_image_hash"),
        column(c"anamnesis", c"anamnesis_encrypted", Kind::Text, c"patient_document_encrypted"),
    ],
};

/// `public.evaluation_drafts`.
pub const EVALUATION_DRAFTS: PhiTable = PhiTable {
    name: "evaluation_drafts",
    columns: &[column(c"draft_data", c"draft_data_encrypted", Kind::Jsonb, c"user_id")],
};

/// All tables with patient data.
pub const TABLES: [&PhiTable; 3] = [&PATIENTS, &EVALUATIONS, &EVALUATION_DRAFTS];

/// A date as ISO 8601 writes it, and as PostgreSQL does under DateStyle ISO
/// where ISO 8601 has no form: `infinity`, years before Christ.
pub fn iso(date: Date) -> String {
    if date.is_infinity() {
        return "infinity".to_owned();
    }
    if date.is_neg_infinity() {
        return "-infinity".to_owned();
    }
    let (year, month, day) = calendar::year_month_day(date);
    if year > 0 { format!("{year:04}-{month:02}-{day:02}") } else { format!("{:04}-{month:02}-{day:02} BC", 1 - year) }
}
