//! Reading the columns of patient data, some rows at a time in the order of
//! the primary key.

use pgrx::datum::Date;
use uuid::Uuid;

use super::columns::{self, EVALUATIONS, Kind, PATIENTS, Table};
use crate::error::{Result, unexpected_null};
use crate::pg::spi::{Arg, Row, Sees, Spi, Statement};
use crate::statement;

/// A row's patient data.
pub struct Record {
    pub id: Uuid,
    /// In the order of the table's columns.
    pub values: Vec<Value>,
}

/// A plain value and what lies beside it encrypted.
pub struct Value {
    pub plain: Option<String>,
    pub encrypted: Option<Vec<u8>>,
}

type Kept = &'static std::thread::LocalKey<Statement>;

/// A table and the statements on it.
pub struct Source {
    pub table: &'static Table,
    page: Kept,
    lock_if_free: Kept,
    lock: Kept,
    store: Kept,
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
           SET name_encrypted = $2, phone_encrypted = $3, email_encrypted = $4, \
               birth_date_encrypted = $5, notes_encrypted = $6 \
         WHERE id = $1";
    EVALUATIONS_PAGE = "SELECT id, patient_name, patient_name_encrypted \
          FROM public.evaluations WHERE id >= $1 ORDER BY id LIMIT $2";
    EVALUATIONS_LOCK_IF_FREE = "SELECT id, patient_name, patient_name_encrypted \
          FROM public.evaluations WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED";
    EVALUATIONS_LOCK = "SELECT id, patient_name, patient_name_encrypted \
          FROM public.evaluations WHERE id = $1 FOR NO KEY UPDATE";
    EVALUATIONS_STORE = "UPDATE public.evaluations SET patient_name_encrypted = $2 WHERE id = $1";
}

/// All tables with patient data.
pub const SOURCES: [Source; 2] = [
    Source {
        table: &PATIENTS,
        page: &PATIENTS_PAGE,
        lock_if_free: &PATIENTS_LOCK_IF_FREE,
        lock: &PATIENTS_LOCK,
        store: &PATIENTS_STORE,
    },
    Source {
        table: &EVALUATIONS,
        page: &EVALUATIONS_PAGE,
        lock_if_free: &EVALUATIONS_LOCK_IF_FREE,
        lock: &EVALUATIONS_LOCK,
        store: &EVALUATIONS_STORE,
    },
];

impl Source {
    /// At most `rows` rows from `first` on.
    pub fn page(&self, spi: &Spi, sees: Sees, first: Uuid, rows: i32) -> Result<Vec<Record>> {
        let args = [Arg::Uuid(Some(first)), Arg::BigInt(i64::from(rows))];
        spi.query(self.page, sees, &args)?
            .iter()
            .map(|row| self.record(&row))
            .collect()
    }

    /// The row as it is now, locked until the transaction ends; `None` when it
    /// is gone, or locked by somebody else and not to be waited for.
    pub fn lock(&self, spi: &Spi, id: Uuid, wait: bool) -> Result<Option<Record>> {
        let statement = if wait { self.lock } else { self.lock_if_free };
        spi.query(statement, Sees::OwnSnapshot, &[Arg::Uuid(Some(id))])?
            .first()
            .map(|row| self.record(&row))
            .transpose()
    }

    /// Stores the encrypted values of a row.
    pub fn store(&self, spi: &Spi, record: &Record) -> Result<()> {
        let mut args = vec![Arg::Uuid(Some(record.id))];
        args.extend(
            record
                .values
                .iter()
                .map(|value| Arg::Bytes(value.encrypted.as_deref())),
        );
        spi.query(self.store, Sees::OwnSnapshot, &args)?;
        Ok(())
    }

    fn record(&self, row: &Row<'_>) -> Result<Record> {
        let columns = self.table.columns;
        let count = columns.len() as i32;
        let values = (2..)
            .zip(columns)
            .map(|(position, column)| {
                let plain = match column.kind {
                    Kind::Text => row.get::<String>(position)?,
                    Kind::Date => row.get::<Date>(position)?.map(columns::iso),
                };
                Ok(Value {
                    plain,
                    encrypted: row.get::<Vec<u8>>(position + count)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Record {
            id: row
                .uuid(1)?
                .ok_or_else(|| unexpected_null("a primary key"))?,
            values,
        })
    }
}

/// The id after this one, in the order of the type uuid; `None` after the last.
pub fn after(id: Uuid) -> Option<Uuid> {
    id.as_u128().checked_add(1).map(Uuid::from_u128)
}
