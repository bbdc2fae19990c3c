//! Foreign keys: the row that is referenced is there, and stays.
//!
//! PostgreSQL's trigger for this runs a query, SELECT … FOR KEY SHARE. The same row
//! is locked in the same way here, found by the index that the constraint names.

use pgrx::{PgList, pg_sys};

use super::outcome::{Direct, Reason, require};
use super::row::{End, Equal, Slot, equality};
use super::triggers::Trigger;
use crate::pg::compat::attribute;
use crate::pg::relation::Relation;

/// A foreign key of one column.
pub(super) struct ForeignKey {
    pub column: pg_sys::AttrNumber,
    /// Whether a row that does not name the column may have a value there.
    pub has_default: bool,
    type_oid: pg_sys::Oid,
    equality: u32,
    table: pg_sys::Oid,
    referenced: pg_sys::AttrNumber,
    index: pg_sys::Oid,
}

/// The foreign keys that the table's triggers look after; `None` where one of them
/// cannot be looked after here.
pub(super) fn of(relation: &Relation, triggers: &[Trigger]) -> Option<Vec<ForeignKey>> {
    let constraints = constraints_of(relation);
    triggers
        .iter()
        .filter(|trigger| trigger.checks_reference())
        .map(|trigger| {
            let constraint = constraints.iter().find(|c| c.oid == trigger.constraint)?;
            let [column] = constraint.columns[..] else {
                return None;
            };
            // SAFETY: the column's position is within the descriptor.
            let attribute = unsafe { attribute(relation.descriptor(), column.into()) };
            let type_oid = attribute.atttypid;
            let equality = equality(type_oid)?;
            if trigger.is_deferrable || !constraint.compares_by(equality) {
                return None;
            }
            Some(ForeignKey {
                column,
                has_default: attribute.atthasdef || attribute.attidentity != 0,
                type_oid,
                equality,
                table: constraint.table,
                referenced: *constraint.referenced.first()?,
                index: trigger.index,
            })
        })
        .collect()
}

/// Whether one of these columns is part of a foreign key, or of an index that another
/// table's key can reference.
pub(super) fn involves(relation: &Relation, changed: &[pg_sys::AttrNumber]) -> bool {
    constraints_of(relation).iter().any(|constraint| constraint.columns.iter().any(|c| changed.contains(c))) || {
        // SAFETY: the set is a copy; its members are offset so that none is negative.
        unsafe {
            let keys =
                pg_sys::RelationGetIndexAttrBitmap(relation.0, pg_sys::IndexAttrBitmapKind::INDEX_ATTR_BITMAP_KEY);
            changed.iter().any(|column| {
                let offset = pg_sys::FirstLowInvalidHeapAttributeNumber;
                pg_sys::bms_is_member(i32::from(*column) - offset, keys)
            })
        }
    }
}

impl ForeignKey {
    pub fn references(&self, table: pg_sys::Oid, column: pg_sys::AttrNumber) -> bool {
        (self.table, self.referenced) == (table, column)
    }

    /// Locks the row that the value references until the transaction ends.
    pub fn lock(&self, value: pg_sys::Datum) -> Direct<()> {
        let table = Relation::open(self.table, pg_sys::RowShareLock).ok_or(Reason::NoReference)?;
        let index = Relation::open(self.index, pg_sys::AccessShareLock).ok_or(Reason::NoReference)?;
        // SAFETY: the entry is alive while it is open.
        let fits = table.is_plain_heap()
            && unsafe { *(*index.0).rd_opcintype == self.type_oid && (*(*index.0).rd_index).indnkeyatts == 1 };
        require(fits, Reason::NoReference)?;
        let equal = Equal { function: self.equality, value };
        let mut row = Slot::found(&table, &index, &[equal], End::First).ok_or(Reason::NoReference)?;
        // A row that was changed meanwhile still has its key: only FOR UPDATE could
        // have taken that away, and then the row is looked for again, by SQL.
        let locked = row.lock(&table, pg_sys::LockTupleMode::LockTupleKeyShare)?;
        Ok(require(!locked.was_changed, Reason::RowChanged)?)
    }
}

/// A foreign key as the relcache has it.
struct Constraint {
    oid: pg_sys::Oid,
    table: pg_sys::Oid,
    columns: Vec<pg_sys::AttrNumber>,
    referenced: Vec<pg_sys::AttrNumber>,
    operators: Vec<pg_sys::Oid>,
}

impl Constraint {
    /// Whether its columns are compared by this function.
    fn compares_by(&self, equality: u32) -> bool {
        self.operators.iter().all(|operator| {
            // SAFETY: a catalogue look-up inside a transaction.
            unsafe { pg_sys::get_opcode(*operator) }.to_u32() == equality
        })
    }
}

fn constraints_of(relation: &Relation) -> Vec<Constraint> {
    // SAFETY: the list belongs to the entry, which is alive while it is open, and is
    // copied before anything else happens.
    unsafe {
        let list = PgList::<pg_sys::ForeignKeyCacheInfo>::from_pg(pg_sys::RelationGetFKeyList(relation.0));
        list.iter_ptr()
            .map(|key| {
                let key = &*key;
                let count = usize::try_from(key.nkeys).unwrap_or(0);
                Constraint {
                    oid: key.conoid,
                    table: key.confrelid,
                    columns: key.conkey[..count].to_vec(),
                    referenced: key.confkey[..count].to_vec(),
                    operators: key.conpfeqop[..count].to_vec(),
                }
            })
            .collect()
    }
}
