//! Reading the columns of patient data, some rows at a time in the order of
//! the primary key.

use pgrx::datum::Date;
use uuid::Uuid;

use super::columns::{self, Column, EVALUATION_DRAFTS, EVALUATIONS, Kind, PATIENTS, Table};
use crate::error::Result;
use crate::pg::bytes::Stored;
use crate::pg::spi::{Arg, Row, Snapshot, Spi, Statement};
use crate::pg::transaction;
use crate::{args, statement};

/// Rows read at a time. A row has at most a block of 8 kB (32 kB where the
/// server was built so): what is larger lies out of line until it is read.
pub const PAGE: i32 = 100;

/// A row's patient data, not fetched yet.
pub struct Record<'rows> {
    pub id: Uuid,
    row: Row<'rows>,
    columns: &'static [Column],
}

/// A plain value and what lies beside it encrypted.
pub struct Value<'row> {
    pub plain: Plain<'row>,
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
        let position = place as i32 + 2;
        let plain = match self.columns[place].kind {
            Kind::Text | Kind::Jsonb => self.row.stored(position)?.map(Plain::Text),
            Kind::Date => self.row.get::<Date>(position)?.map(Plain::Date),
        };
        Ok(Value {
            plain: plain.unwrap_or(Plain::Null),
            encrypted: self.row.stored(position + self.columns.len() as i32)?,
        })
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }
}

type Kept = &'static std::thread::LocalKey<Statement>;

/// A table and the statements on it.
pub struct Source {
    pub table: &'static Table,
    page: Kept,
    lock_if_free: Kept,
    lock: Kept,
    store: Kept,
    count: Kept,
}

statement! {
    PATIENTS_PAGE = "SELECT id, name, phone, email, birth_date, notes, name_encrypted, \
               phone_encrypted, email_encrypted, birth_date_encrypted, notes_encrypted \
          FROM public.patients WHERE id >= $1 ORDER BY id LIMIT $2";
    PATIENTS_LOCK_IF_FREE = "SELECT id, name, phone, email, birth_date, notes, name_encrypted, \
               phone_encrypted, email_encrypted, birth_date_encrypted, notes_encrypted \
          FROM public.patients WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED";
    PATIENTS_LOCK = "SELECT id, name, phone, email, birth_date, notes, name_encrypted, \
               phone_encrypted, email_encrypted, birth_date_encrypted, notes_encrypted \
          FROM public.patients WHERE id = $1 FOR NO KEY UPDATE";
    PATIENTS_STORE = "UPDATE public.patients \
           SET name_encrypted = COALESCE($2, name_encrypted), \
               phone_encrypted = COALESCE($3, phone_encrypted), \
               email_encrypted = COALESCE($4, email_encrypted), \
               birth_date_encrypted = COALESCE($5, birth_date_encrypted), \
               notes_encrypted = COALESCE($6, notes_encrypted) \
         WHERE id = $1";
    PATIENTS_COUNT = "SELECT pg_catalog.count(*) FROM public.patients";
    EVALUATIONS_PAGE = "SELECT id, patient_name, patient_document, anamnesis, \
               patient_name_encrypted, patient_document_encrypted, anamnesis_encrypted \
          FROM public.evaluations WHERE id >= $1 ORDER BY id LIMIT $2";
    EVALUATIONS_LOCK_IF_FREE = "SELECT id, patient_name, patient_document, anamnesis, \
               patient_name_encrypted, patient_document_encrypted, anamnesis_encrypted \
          FROM public.evaluations WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED";
    EVALUATIONS_LOCK = "SELECT id, patient_name, patient_document, anamnesis, \
               patient_name_encrypted, patient_document_encrypted, anamnesis_encrypted \
          FROM public.evaluations WHERE id = $1 FOR NO KEY UPDATE";
    EVALUATIONS_STORE = "UPDATE public.evaluations \
           SET patient_name_encrypted = COALESCE($2, patient_name_encrypted), \
               patient_document_encrypted = COALESCE($3, patient_document_encrypted), \
               anamnesis_encrypted = COALESCE($4, anamnesis_encrypted) \
         WHERE id = $1";
    EVALUATIONS_COUNT = "SELECT pg_catalog.count(*) FROM public.evaluations";
    EVALUATION_DRAFTS_PAGE = "SELECT id, draft_data, draft_data_encrypted \
          FROM public.evaluation_drafts WHERE id >= $1 ORDER BY id LIMIT $2";
    EVALUATION_DRAFTS_LOCK_IF_FREE = "SELECT id, draft_data, draft_data_encrypted \
          FROM public.evaluation_drafts WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED";
    EVALUATION_DRAFTS_LOCK = "SELECT id, draft_data, draft_data_encrypted \
          FROM public.evaluation_drafts WHERE id = $1 FOR NO KEY UPDATE";
    EVALUATION_DRAFTS_STORE = "UPDATE public.evaluation_drafts \
           SET draft_data_encrypted = COALESCE($2, draft_data_encrypted) \
         WHERE id = $1";
    EVALUATION_DRAFTS_COUNT = "SELECT pg_catalog.count(*) FROM public.evaluation_drafts";
}

/// All tables with patient data.
pub const SOURCES: [Source; 3] = [
    Source {
        table: &PATIENTS,
        page: &PATIENTS_PAGE,
        lock_if_free: &PATIENTS_LOCK_IF_FREE,
        lock: &PATIENTS_LOCK,
        store: &PATIENTS_STORE,
        count: &PATIENTS_COUNT,
    },
    Source {
        table: &EVALUATIONS,
        page: &EVALUATIONS_PAGE,
        lock_if_free: &EVALUATIONS_LOCK_IF_FREE,
        lock: &EVALUATIONS_LOCK,
        store: &EVALUATIONS_STORE,
        count: &EVALUATIONS_COUNT,
    },
    Source {
        table: &EVALUATION_DRAFTS,
        page: &EVALUATION_DRAFTS_PAGE,
        lock_if_free: &EVALUATION_DRAFTS_LOCK_IF_FREE,
        lock: &EVALUATION_DRAFTS_LOCK,
        store: &EVALUATION_DRAFTS_STORE,
        count: &EVALUATION_DRAFTS_COUNT,
    },
];

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
        spi.query(self.store, Snapshot::New, &args)?;
        Ok(())
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
            row,
            columns: self.table.columns,
        })
    }
}

/// The id after this one, in the order of the type uuid; `None` after the last.
pub fn after(id: Uuid) -> Option<Uuid> {
    id.as_u128().checked_add(1).map(Uuid::from_u128)
}
