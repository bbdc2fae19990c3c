//! Reading the columns of patient data, some rows at a time in the order of
//! the primary key, in either layout. The statements follow from
//! [`columns`](super::columns).

use uuid::Uuid;

use super::columns::{PATIENTS, PhiColumn, PhiTable, TABLES};
use super::layout;
use super::plain::Plain;
use crate::args;
use crate::error::Result;
use crate::pg::bytes::Stored;
use crate::pg::spi::{Arg, Row, Snapshot, Spi, Statement};
use crate::pg::transaction;

/// Rows read at a time. A row has at most a block of 8 kB (32 kB where the
/// server was built so): what is larger lies out of line until it is read.
pub const PAGE: i32 = 100;

/// A row's patient data, not fetched yet.
pub struct Record<'rows> {
    pub id: Uuid,
    /// The user whose row it is.
    pub owner: Uuid,
    row: Row<'rows>,
    columns: &'static [PhiColumn],
    is_sealed: bool,
}

/// A plain value and what lies beside it encrypted.
pub struct Pair<'row> {
    /// `None` is NULL; the sealed layout has no plain columns.
    pub plain: Option<Plain<'row>>,
    pub encrypted: Option<Stored<'row>>,
    /// Whom the encrypted value must name: in the sealed layout the row's user, in the open
    /// one nobody.
    pub owner: Option<Uuid>,
}

impl Record<'_> {
    const ID: i32 = 1;
    const OWNER: i32 = 2;
    const DIGEST: i32 = 3;
    const FIRST_VALUE: i32 = 4;

    /// The values of the column at this place among the table's columns.
    pub fn pair(&self, place: usize) -> Result<Pair<'_>> {
        let position = Self::FIRST_VALUE + place as i32;
        if self.is_sealed {
            return Ok(Pair { plain: None, encrypted: self.row.stored(position)?, owner: Some(self.owner) });
        }
        Ok(Pair {
            plain: Plain::read(&self.row, position, self.columns[place].kind)?,
            encrypted: self.row.stored(position + self.columns.len() as i32)?,
            owner: None,
        })
    }

    /// The digest of the name, where the table has one.
    pub fn digest(&self) -> Result<Option<Stored<'_>>> {
        self.row.stored(Self::DIGEST)
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }
}

/// A table with patient data, in the layout that it has.
pub struct Source {
    pub table: &'static PhiTable,
    /// Whether its plain columns are gone.
    pub is_sealed: bool,
    relation: String,
    page: Statement,
    lock_if_free: Statement,
    lock: Statement,
    store: Statement,
    count: Statement,
}

/// All tables with patient data.
pub fn sources(spi: &Spi) -> Result<Vec<Source>> {
    let sealed = layout::sealed(spi)?;
    TABLES.iter().map(|&table| Source::new(table, sealed.iter().any(|one| one.name == table.name))).collect()
}

impl Source {
    fn new(table: &'static PhiTable, is_sealed: bool) -> Result<Self> {
        let relation = if is_sealed { layout::stored_name(table) } else { format!("public.{}", table.name) };
        let plain = table.columns.iter().map(PhiColumn::plain_name);
        let encrypted = table.columns.iter().map(PhiColumn::encrypted_name);
        let read: Vec<_> = plain.filter(|_| !is_sealed).chain(encrypted.clone()).collect();
        let has_digest = is_sealed && table.name == PATIENTS.name;
        let digest = if has_digest { "name_digest" } else { "NULL::pg_catalog.bytea" };
        let select = format!("SELECT id, user_id, {digest}, {} FROM {relation}", read.join(", "));
        let mut settings: Vec<String> =
            (2..).zip(encrypted).map(|(place, name)| format!("{name} = COALESCE(${place}, {name})")).collect();
        if has_digest {
            let place = settings.len() + 2;
            settings.push(format!("name_digest = COALESCE(${place}, name_digest)"));
        }
        Ok(Self {
            table,
            is_sealed,
            page: Statement::of(&format!("{select} WHERE id >= $1 ORDER BY id LIMIT $2"))?,
            lock_if_free: Statement::of(&format!("{select} WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED"))?,
            lock: Statement::of(&format!("{select} WHERE id = $1 FOR NO KEY UPDATE"))?,
            store: Statement::of(&format!("UPDATE {relation} SET {} WHERE id = $1", settings.join(", ")))?,
            count: Statement::of(&format!("SELECT pg_catalog.count(*) FROM {relation}"))?,
            relation,
        })
    }

    /// The table that has the rows, with its schema.
    pub fn relation(&self) -> &str {
        &self.relation
    }

    /// Whether the place among the columns is that of a name with a digest.
    pub fn is_digested(&self, place: usize) -> bool {
        self.is_sealed && self.table.name == PATIENTS.name && self.table.columns[place].plain == c"name"
    }

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
        let args = args![first, i64::from(limit.min(PAGE))];
        let rows = spi.query(&self.page, snapshot, args)?;
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
        let statement = if wait { &self.lock } else { &self.lock_if_free };
        let rows = spi.query(statement, Snapshot::New, args![id])?;
        match rows.first() {
            Some(row) => work(&self.record(row)?).map(Some),
            None => Ok(None),
        }
    }

    /// Stores the encrypted values, and the digest of the name, that are given;
    /// where there is none, the row keeps its own.
    pub fn store(&self, spi: &Spi, id: Uuid, encrypted: &[Option<Vec<u8>>], digest: Option<&[u8]>) -> Result<()> {
        let mut args = vec![Arg::from(id)];
        args.extend(encrypted.iter().map(|value| Arg::from(value.as_deref())));
        if self.is_sealed && self.table.name == PATIENTS.name {
            args.push(Arg::from(digest));
        }
        spi.query(&self.store, Snapshot::New, &args)?;
        Ok(())
    }

    /// How many rows there are.
    pub fn count(&self, spi: &Spi) -> Result<u64> {
        let rows = spi.query(&self.count, Snapshot::New, &[])?;
        Ok(rows.one::<i64>()?.unwrap_or(0).unsigned_abs())
    }

    fn record<'rows>(&self, row: Row<'rows>) -> Result<Record<'rows>> {
        Ok(Record {
            id: row.expect(Record::ID)?,
            owner: row.expect(Record::OWNER)?,
            row,
            columns: self.table.columns,
            is_sealed: self.is_sealed,
        })
    }
}

/// The id after this one, in the order of the type uuid; `None` after the last.
pub fn after(id: Uuid) -> Option<Uuid> {
    id.as_u128().checked_add(1).map(Uuid::from_u128)
}
