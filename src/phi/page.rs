//! Reading the columns of patient data, some rows at a time in the order of
//! the primary key.

use pgrx::datum::Date;
use uuid::Uuid;

use zeroize::Zeroizing;

use super::columns::{self, Column, EVALUATION_DRAFTS, EVALUATIONS, Kind, PATIENTS, Table};
use super::keyring;
use crate::error::{self, Result};
use crate::pg::bytes::Stored;
use crate::pg::spi::{Arg, Row, Snapshot, Spi, Statement};
use crate::pg::transaction;
use crate::sealed::layout;
use crate::{args, statement};

/// Rows read at a time. A row has at most a block of 8 kB (32 kB where the
/// server was built so): what is larger lies out of line until it is read.
pub const PAGE: i32 = 100;

/// A row's patient data, not fetched yet.
pub struct Record<'rows> {
    pub id: Uuid,
    /// Whom the values have to name: the row's user, in the sealed layout.
    owner: Option<Uuid>,
    row: Row<'rows>,
    columns: &'static [Column],
}

/// A plain value and what lies beside it encrypted.
pub struct Value<'row> {
    pub plain: Plain<'row>,
    /// Whom the encrypted value has to name; `None` in the open layout.
    pub owner: Option<Uuid>,
    pub encrypted: Option<Stored<'row>>,
}

/// The value of a plain column.
pub enum Plain<'row> {
    Null,
    /// A text, or jsonb as PostgreSQL writes it.
    Text(Stored<'row>),
    Date(Date),
}

impl Plain<'_> {
    /// Whether it is this text. NULL is none.
    pub fn says(&self, text: &str) -> bool {
        match self {
            Self::Null => false,
            Self::Text(stored) => stored.says(text.as_bytes()),
            Self::Date(date) => columns::iso(*date) == text,
        }
    }
}

impl Record<'_> {
    /// The values of the column at this place among the table's columns.
    pub fn value(&self, place: usize) -> Result<Value<'_>> {
        let position = place as i32 + 3;
        let plain = match self.columns[place].kind {
            Kind::Text | Kind::Jsonb => self.row.stored(position)?.map(Plain::Text),
            Kind::Date => self.row.get::<Date>(position)?.map(Plain::Date),
        };
        Ok(Value {
            plain: plain.unwrap_or(Plain::Null),
            owner: self.owner,
            encrypted: self.row.stored(position + self.columns.len() as i32)?,
        })
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }
}

type Kept = &'static std::thread::LocalKey<Statement>;

/// A table in one layout, and the statements on it.
pub struct Source {
    pub table: &'static Table,
    /// Whether it is a stored table: it has no plain columns, and each value
    /// names its owner.
    pub is_sealed: bool,
    /// Its name, with its schema.
    pub relation: &'static str,
    page: Kept,
    lock_if_free: Kept,
    lock: Kept,
    store: Kept,
    count: Kept,
}

/// The statements on a table in one layout: what stands for its plain columns,
/// and its encrypted ones.
macro_rules! source {
    ($module:ident, $table:expr, $relation:literal, $sealed:literal, [$($plain:literal),+], [$($encrypted:literal = $place:literal),+]
     $(, also $digest:literal)?) => {
        mod $module {
            use super::*;

            statement! {
                PAGE = concat!("SELECT id, user_id", $(", ", $plain,)+ $(", ", $encrypted,)+
                    " FROM ", $relation, " WHERE id >= $1 ORDER BY id LIMIT $2");
                LOCK_IF_FREE = concat!("SELECT id, user_id", $(", ", $plain,)+ $(", ", $encrypted,)+
                    " FROM ", $relation, " WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED");
                LOCK = concat!("SELECT id, user_id", $(", ", $plain,)+ $(", ", $encrypted,)+
                    " FROM ", $relation, " WHERE id = $1 FOR NO KEY UPDATE");
                STORE = concat!("UPDATE ", $relation, " SET id = id",
                    $(", ", $encrypted, " = COALESCE(", $place, ", ", $encrypted, ")",)+
                    $(", ", $digest,)? " WHERE id = $1");
                COUNT = concat!("SELECT pg_catalog.count(*) FROM ", $relation);
            }

            pub(super) const SOURCE: Source = Source {
                table: $table,
                is_sealed: $sealed,
                relation: $relation,
                page: &PAGE,
                lock_if_free: &LOCK_IF_FREE,
                lock: &LOCK,
                store: &STORE,
                count: &COUNT,
            };
        }
    };
}

source!(
    open_patients,
    &PATIENTS,
    "public.patients",
    false,
    ["name", "phone", "email", "birth_date", "notes"],
    [
        "name_encrypted" = "$2",
        "phone_encrypted" = "$3",
        "email_encrypted" = "$4",
        "birth_date_encrypted" = "$5",
        "notes_encrypted" = "$6"
    ]
);
source!(
    open_evaluations,
    &EVALUATIONS,
    "public.evaluations",
    false,
    ["patient_name", "patient_document", "anamnesis"],
    [
        "patient_name_encrypted" = "$2",
        "patient_document_encrypted" = "$3",
        "anamnesis_encrypted" = "$4"
    ]
);
source!(
    open_evaluation_drafts,
    &EVALUATION_DRAFTS,
    "public.evaluation_drafts",
    false,
    ["draft_data"],
    ["draft_data_encrypted" = "$2"]
);
source!(sealed_patients, &PATIENTS, "auria_raw.patients_raw", true, ["NULL::pg_catalog.text", "NULL::pg_catalog.text", "NULL::pg_catalog.text", "NULL::pg_catalog.date", "NULL::pg_catalog.text"],
    ["name_encrypted" = "$2", "phone_encrypted" = "$3", "email_encrypted" = "$4", "birth_date_encrypted" = "$5", "notes_encrypted" = "$6"], also "name_digest = COALESCE($7, name_digest)");
source!(
    sealed_evaluations,
    &EVALUATIONS,
    "auria_raw.evaluations_raw",
    true,
    [
        "NULL::pg_catalog.text",
        "NULL::pg_catalog.jsonb",
        "NULL::pg_catalog.text"
    ],
    [
        "patient_name_encrypted" = "$2",
        "patient_document_encrypted" = "$3",
        "anamnesis_encrypted" = "$4"
    ]
);
source!(
    sealed_evaluation_drafts,
    &EVALUATION_DRAFTS,
    "auria_raw.evaluation_drafts_raw",
    true,
    ["NULL::pg_catalog.jsonb"],
    ["draft_data_encrypted" = "$2"]
);

/// The tables with patient data as the open layout has them.
const OPEN: [Source; 3] = [
    open_patients::SOURCE,
    open_evaluations::SOURCE,
    open_evaluation_drafts::SOURCE,
];

/// The same in the sealed layout.
const SEALED: [Source; 3] = [
    sealed_patients::SOURCE,
    sealed_evaluations::SOURCE,
    sealed_evaluation_drafts::SOURCE,
];

/// All tables with patient data, each in the layout that it has now.
pub fn sources(spi: &Spi) -> Result<Vec<Source>> {
    let sealed = layout::sealed(spi)?;
    let pairs = OPEN.into_iter().zip(SEALED);
    Ok(pairs
        .map(|(open, stored)| {
            let is_sealed = sealed.iter().any(|table| table.name == open.table.name);
            if is_sealed { stored } else { open }
        })
        .collect())
}

impl Source {
    /// At most a page of rows from `first` on, and no more than `limit`. Calls
    /// `each` with every one, and gives how many there were and where to go on.
    pub fn page(
        &self,
        spi: &Spi,
        snapshot: Snapshot,
        first: Uuid,
        limit: i32,
        mut each: impl FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<(usize, Option<Uuid>)> {
        transaction::check_for_interrupts();
        let rows = limit.min(PAGE);
        let args = args![first, i64::from(rows)];
        let rows = spi.query(self.page, snapshot, args)?;
        let mut next = None;
        for row in rows.iter() {
            transaction::check_for_interrupts();
            let record = self.record(row)?;
            next = after(record.id);
            each(&record)?;
        }
        Ok((rows.len(), next))
    }

    /// Calls `work` with the row as it is now, locked until the transaction
    /// ends; `None` when it is gone, or locked by somebody else and not to be
    /// waited for.
    pub fn with_locked<T>(
        &self,
        spi: &Spi,
        id: Uuid,
        wait: bool,
        work: impl FnOnce(&Record<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let statement = if wait { self.lock } else { self.lock_if_free };
        let rows = spi.query(statement, Snapshot::New, args![id])?;
        match rows.first() {
            Some(row) => work(&self.record(row)?).map(Some),
            None => Ok(None),
        }
    }

    /// Stores the encrypted values that are given; where there is none, the
    /// row keeps its own.
    pub fn store(&self, spi: &Spi, id: Uuid, encrypted: &[Option<Vec<u8>>]) -> Result<()> {
        let mut args = vec![Arg::from(id)];
        args.extend(encrypted.iter().map(|value| Arg::from(value.as_deref())));
        let digest;
        if self.is_sealed && self.table.name == PATIENTS.name {
            digest = self.digest(encrypted)?;
            args.push(Arg::from(digest.as_ref().map(|digest| &digest[..])));
        }
        spi.query(self.store, Snapshot::New, &args)?;
        Ok(())
    }

    /// The digest of a name that is stored anew: it is under the key of that
    /// name.
    fn digest(&self, encrypted: &[Option<Vec<u8>>]) -> Result<Option<[u8; 16]>> {
        let Some(Some(name)) = encrypted.first() else {
            return Ok(None);
        };
        let (owner, text) = keyring::decrypt_bound(name, |text, origin| {
            (origin.owner, Zeroizing::new(text.as_bytes().to_vec()))
        })?;
        let owner = owner.ok_or_else(|| error::unexpected_null("the owner of a name"))?;
        keyring::name_digest(owner, &text).map(Some)
    }

    /// How many rows there are.
    pub fn count(&self, spi: &Spi) -> Result<u64> {
        let rows = spi.query(self.count, Snapshot::New, &[])?;
        let count: i64 = rows.one()?.unwrap_or(0);
        Ok(count.unsigned_abs())
    }

    fn record<'rows>(&self, row: Row<'rows>) -> Result<Record<'rows>> {
        Ok(Record {
            id: row.expect(1)?,
            owner: if self.is_sealed { row.get(2)? } else { None },
            row,
            columns: self.table.columns,
        })
    }
}

/// The id after this one, in the order of the type uuid; `None` after the last.
pub fn after(id: Uuid) -> Option<Uuid> {
    id.as_u128().checked_add(1).map(Uuid::from_u128)
}
