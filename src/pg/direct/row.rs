//! A row: found, locked, read.

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::Open;
use super::outcome::{Direct, Reason, require};
use crate::error::{self, Result};
use crate::pg::compat;
use crate::pg::relation::Relation;
use crate::pg::spi::Arg;
use crate::pg::value::{Fields, Value};

/// The end of an index's order to begin at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    First,
    Last,
}

/// A row of an open table.
pub struct Row<'open> {
    pub(super) open: &'open Open<'open>,
    pub(super) slot: Slot,
}

impl Open<'_> {
    /// The first or last row with these values of the key at this place among the
    /// table's keys, as the active snapshot sees it. NULL equals nothing.
    pub fn find(&self, key: usize, values: &[Arg<'_>], from: End) -> Direct<Option<Row<'_>>> {
        let index = Relation::open(self.shape.index(key)?, pg_sys::AccessShareLock).ok_or(Reason::NoIndex)?;
        let mut equal = Vec::with_capacity(values.len());
        for (value, column) in values.iter().zip(self.table.keys[key].columns) {
            let Some(value) = value.datum() else {
                return Ok(None);
            };
            let function = equality(self.table.columns[*column as usize - 1].1).ok_or(Reason::NoIndex)?;
            equal.push(Equal { function, value });
        }
        let slot = Slot::found(&self.relation, &index, &equal, from);
        Ok(slot.map(|slot| Row { open: self, slot }))
    }
}

impl Row<'_> {
    /// Locks the row's newest version until the transaction ends, as FOR NO KEY
    /// UPDATE does, and reads that, which may have other values than it was found by.
    pub fn lock(&mut self) -> Direct<Locked> {
        let mode = pg_sys::LockTupleMode::LockTupleNoKeyExclusive;
        let locked = self.slot.lock(&self.open.relation, mode)?;
        self.check_references()?;
        Ok(locked)
    }
}

/// Types of a column are those of the table's description: it is not open
/// otherwise.
impl Fields for Row<'_> {
    fn get<T: Value>(&self, position: i32) -> Result<Option<T>> {
        let type_oid = self.open.table.columns[position as usize - 1].1;
        if !T::reads(type_oid) {
            return Err(error::unexpected_null("a column's type"));
        }
        let (datum, is_null) = self.slot.value(self.open.shape.attribute(position));
        // SAFETY: the column has the type that the description says, and it was
        // compared with T's.
        Ok(unsafe { T::read(datum, is_null, type_oid) })
    }

    fn null(&self, position: i32) -> error::Error {
        let table = self.open.table;
        let (column, table) = (table.columns[position as usize - 1].0.to_string_lossy(), table.name.to_string_lossy());
        error::column_of_other_shape(format!("column {column} of public.{table} is NULL and must not be"))
    }
}

/// A row that this transaction has locked.
pub struct Locked {
    /// Whether somebody changed it since the snapshot that found it.
    pub was_changed: bool,
}

/// A value that a column of an index is compared with.
pub(super) struct Equal {
    /// What compares them.
    pub function: u32,
    pub value: pg_sys::Datum,
}

/// The function behind `=` of a type; `None` for types that no key here has.
pub(super) fn equality(type_oid: pg_sys::Oid) -> Option<u32> {
    match type_oid {
        pg_sys::UUIDOID => Some(pg_sys::F_UUID_EQ),
        pg_sys::TEXTOID => Some(pg_sys::F_TEXTEQ),
        pg_sys::INT8OID => Some(pg_sys::F_INT8EQ),
        _ => None,
    }
}

/// A tuple table slot, dropped with what it pins.
pub(super) struct Slot(pub *mut pg_sys::TupleTableSlot);

impl Slot {
    /// The row that an index scan with the active snapshot comes to first.
    pub fn found(heap: &Relation, index: &Relation, equal: &[Equal], from: End) -> Option<Self> {
        const EQUAL: pg_sys::StrategyNumber = pg_sys::BTEqualStrategyNumber as _;
        let direction = match from {
            End::First => pg_sys::ScanDirection::ForwardScanDirection,
            End::Last => pg_sys::ScanDirection::BackwardScanDirection,
        };
        // SAFETY: both relations are open, and the caller's active snapshot
        // outlives the scan, which is ended here. Each key's value has the type of
        // the index's column, as the shape has seen. The slot keeps a pin of its own.
        unsafe {
            let mut keys: Vec<pg_sys::ScanKeyData> = Vec::with_capacity(equal.len());
            for (place, equal) in equal.iter().enumerate() {
                let mut key = std::mem::zeroed();
                pg_sys::ScanKeyEntryInitialize(
                    &mut key,
                    0,
                    place as pg_sys::AttrNumber + 1,
                    EQUAL,
                    pg_sys::InvalidOid,
                    *(*index.0).rd_indcollation.add(place),
                    equal.function.into(),
                    equal.value,
                );
                keys.push(key);
            }
            let slot = Self(pg_sys::table_slot_create(heap.0, std::ptr::null_mut()));
            let count = keys.len() as i32;
            let scan = compat::begin_index_scan(heap.0, index.0, count);
            pg_sys::index_rescan(scan, keys.as_mut_ptr(), count, std::ptr::null_mut(), 0);
            let is_found = pg_sys::index_getnext_slot(scan, direction, slot.0);
            pg_sys::index_endscan(scan);
            is_found.then_some(slot)
        }
    }

    /// Locks the newest version of the row, and puts that here.
    pub fn lock(&mut self, heap: &Relation, mode: pg_sys::LockTupleMode::Type) -> Result<Locked, Reason> {
        // SAFETY: the slot holds a row of the open heap, found with the active
        // snapshot. The access method's function is PostgreSQL's, and its errors
        // become an unwinding at the boundary.
        unsafe {
            let mut failure = pg_sys::TM_FailureData::default();
            let mut place = (*self.0).tts_tid;
            let lock = (*(*heap.0).rd_tableam).tuple_lock.ok_or(Reason::NoPlainHeap)?;
            let snapshot = pg_sys::GetActiveSnapshot();
            let command = pg_sys::GetCurrentCommandId(true);
            let slot = self.0;
            let outcome = pg_guard_ffi_boundary(|| {
                lock(
                    heap.0,
                    &mut place,
                    snapshot,
                    slot,
                    command,
                    mode,
                    pg_sys::LockWaitPolicy::LockWaitBlock,
                    (pg_sys::TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS | pg_sys::TUPLE_LOCK_FLAG_FIND_LAST_VERSION) as u8,
                    &mut failure,
                )
            });
            require(outcome == pg_sys::TM_Result::TM_Ok, Reason::RowChanged)?;
            Ok(Locked { was_changed: failure.traversed })
        }
    }

    /// Reads the row's columns up to this one.
    ///
    /// # Safety
    /// The slot must hold a row that has at least this many columns.
    pub unsafe fn deform(&self, last: pg_sys::AttrNumber) {
        // SAFETY: the caller's promise. PostgreSQL's function asks that one is missing.
        unsafe {
            if (*self.0).tts_nvalid < last {
                pg_sys::slot_getsomeattrs_int(self.0, last.into());
            }
        }
    }

    /// The value of a column, and whether it is NULL.
    pub fn value(&self, attribute: pg_sys::AttrNumber) -> (pg_sys::Datum, bool) {
        // SAFETY: the slot holds a row, and the attribute is one of its table's.
        unsafe {
            self.deform(attribute);
            let place = attribute as usize - 1;
            (*(*self.0).tts_values.add(place), *(*self.0).tts_isnull.add(place))
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // An error that is being raised releases what it pins by itself.
        if !std::thread::panicking() {
            // SAFETY: made by `table_slot_create` or `MakeSingleTupleTableSlot`,
            // dropped once.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.0) }
        }
    }
}
