//! What is cached about a table while its definition stays the same.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use pgrx::{PgList, pg_sys};

use super::keys::{self, ForeignKey};
use super::outcome::{Direct, Reason, require};
use super::triggers::Trigger;
use super::write::Executor;
use super::{IndexKey, Table, expression, row, triggers};
use crate::pg::compat::attribute;
use crate::pg::relation::Relation;
use crate::pg::relcache;

/// A table in the eyes of one role, as it was when it was last looked at.
#[derive(Clone)]
pub(super) struct Cached {
    pub table: pg_sys::Oid,
    pub user: pg_sys::Oid,
    pub generation: u64,
    /// The reason where the table is not ordinary.
    pub shape: Result<Rc<Shape>, Reason>,
}

/// An ordinary table.
pub(super) struct Shape {
    pub table: pg_sys::Oid,
    /// Where the description's columns are in the table.
    attributes: Vec<pg_sys::AttrNumber>,
    /// The index for each of the description's keys; none where no index finds every
    /// row by it, as on an adopted ledger with old duplicates.
    indexes: Vec<Option<pg_sys::Oid>>,
    /// None where a reference cannot be looked up here.
    pub foreign_keys: Option<Vec<ForeignKey>>,
    pub update: Result<(), Obstacle>,
    pub insert: Result<(), Obstacle>,
    /// Taken out while it is in use.
    pub executor: Cell<Option<Executor>>,
}

/// What a statement may do more than to write the row.
#[derive(Clone)]
pub(super) enum Obstacle {
    /// A default, constraint, type or index that may run code which is not PostgreSQL's own.
    Code,
    /// A changed column is part of a key.
    Key,
    /// A foreign key whose row cannot be looked up here.
    Reference,
    /// The trigger of this name.
    Trigger(String),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code => f.write_str("a default, constraint, column or index of it may do more than to hold a value"),
            Self::Key => f.write_str("a counter of it is part of a key"),
            Self::Reference => f.write_str("a foreign key of it is not looked up directly"),
            Self::Trigger(name) => write!(f, "its trigger {name}"),
        }
    }
}

impl Cached {
    /// Looks at an open table. What changes meanwhile counts as changed after it.
    pub fn of(table: &Table, relation: &Relation, user: pg_sys::Oid) -> Self {
        // An index that is built or dropped concurrently changes by itself.
        let indexes = indexes_of(relation);
        for index in &indexes {
            relcache::watch(index.oid());
        }
        let generation = relcache::generation();
        let shape = Shape::of(table, relation, &indexes, user).map(Rc::new);
        Self { table: relation.oid(), user, generation, shape }
    }
}

impl Shape {
    fn of(table: &Table, relation: &Relation, indexes: &[Relation], user: pg_sys::Oid) -> Result<Self, Reason> {
        require(relation.is_plain_heap(), Reason::NoPlainHeap)?;
        require(belongs_to(relation, user), Reason::NotTheOwners)?;
        let attributes: Option<Vec<_>> =
            table.columns.iter().map(|column| relation.column(column.0, column.1)).collect();
        let attributes = attributes.ok_or(Reason::NoTable)?;
        let at = |position: &i32| attributes[*position as usize - 1];
        let changed: Vec<_> = table.changed.iter().map(at).collect();
        let is_writable = unless(has_no_code_of_others(relation, indexes, &attributes), || Obstacle::Code);
        let triggers = triggers::of(relation);
        let unless_one = |does_more: &dyn Fn(&&Trigger) -> bool| match triggers.iter().find(does_more) {
            Some(trigger) => Err(Obstacle::Trigger(trigger.name.clone())),
            None => Ok(()),
        };
        let foreign_keys = keys::of(relation, &triggers);
        Ok(Self {
            table: relation.oid(),
            indexes: table
                .keys
                .iter()
                .map(|key| indexes.iter().find(|index| serves(index, key, table, &at)).map(Relation::oid))
                .collect(),
            update: is_writable
                .clone()
                .and(unless(!keys::involves(relation, &changed), || Obstacle::Key))
                .and(unless_one(&|trigger| !trigger.leaves_updates_alone(&changed))),
            insert: is_writable
                .and(unless(foreign_keys.is_some(), || Obstacle::Reference))
                .and(unless_one(&|trigger| !trigger.leaves_inserts_alone())),
            foreign_keys,
            attributes,
            executor: Cell::new(None),
        })
    }

    pub fn is_for_updates(&self) -> Direct<()> {
        Ok(require(self.update.is_ok(), Reason::UpdateDoesMore)?)
    }

    pub fn is_for_inserts(&self) -> Direct<()> {
        Ok(require(self.insert.is_ok(), Reason::InsertDoesMore)?)
    }

    pub fn index(&self, key: usize) -> Direct<pg_sys::Oid> {
        Ok(self.indexes[key].ok_or(Reason::NoIndex)?)
    }

    pub fn attribute(&self, position: i32) -> pg_sys::AttrNumber {
        self.attributes[position as usize - 1]
    }
}

fn unless(condition: bool, obstacle: impl FnOnce() -> Obstacle) -> Result<(), Obstacle> {
    if condition { Ok(()) } else { Err(obstacle()) }
}

/// Whether the role in force owns the table and has all of an owner's rights,
/// row-level security does not hold for it, and no rule changes what a statement does.
fn belongs_to(relation: &Relation, user: pg_sys::Oid) -> bool {
    const RIGHTS: pg_sys::AclMode = (pg_sys::ACL_SELECT | pg_sys::ACL_INSERT | pg_sys::ACL_UPDATE) as pg_sys::AclMode;
    let class = relation.class();
    // SAFETY: catalogue look-ups inside a transaction; the entry is alive.
    class.relowner == user
        && !class.relforcerowsecurity
        && unsafe {
            (*relation.0).rd_rules.is_null()
                && pg_sys::pg_class_aclmask(relation.oid(), user, RIGHTS, pg_sys::AclMaskHow::ACLMASK_ALL) == RIGHTS
        }
}

/// The indexes of a table, open.
fn indexes_of(relation: &Relation) -> Vec<Relation> {
    // SAFETY: the list is a copy; what is on it cannot be dropped while the table is
    // locked.
    let oids: Vec<pg_sys::Oid> = unsafe {
        let list = PgList::<pg_sys::Oid>::from_pg(pg_sys::RelationGetIndexList(relation.0));
        list.iter_oid().collect()
    };
    oids.into_iter().filter_map(|oid| Relation::open(oid, pg_sys::AccessShareLock)).collect()
}

/// Whether an index begins with the key's columns and finds every row with values
/// there: with no predicate, or one that says no more than IS NOT NULL of one of them.
fn serves(index: &Relation, key: &IndexKey, table: &Table, at: &impl Fn(&i32) -> pg_sys::AttrNumber) -> bool {
    // SAFETY: the entry is alive while it is open, and its arrays have as many places
    // as it has key columns.
    unsafe {
        let entry = &*(*index.0).rd_index;
        let columns = usize::try_from(entry.indnkeyatts).unwrap_or(0);
        let expected: Vec<&i32> = key.columns.iter().chain(&key.then).collect();
        let begins = expected.len() <= columns
            && expected.iter().enumerate().all(|(place, column)| {
                let type_oid = table.columns[**column as usize - 1].1;
                *entry.indkey.values.as_ptr().add(place) == at(column)
                    && *(*index.0).rd_opcintype.add(place) == type_oid
                    && *(*index.0).rd_indoption.add(place) == 0
                    && row::equality(type_oid).is_some()
            });
        let is_alone = key.then.is_some() || entry.indisunique && entry.indimmediate && columns == key.columns.len();
        let attributes: Vec<_> = key.columns.iter().map(at).collect();
        index.class().relam == pg_sys::BTREE_AM_OID
            && entry.indisvalid
            && entry.indisready
            // Older snapshots would not find every row by it.
            && !entry.indcheckxmin
            && begins
            && is_alone
            && finds_all(index, &attributes)
    }
}

fn finds_all(index: &Relation, given: &[pg_sys::AttrNumber]) -> bool {
    // SAFETY: both lists are copies. A node is taken for what its tag says.
    unsafe {
        let expressions = pg_sys::RelationGetIndexExpressions(index.0);
        let predicate = PgList::<pg_sys::Node>::from_pg(pg_sys::RelationGetIndexPredicate(index.0));
        expressions.is_null()
            && predicate.iter_ptr().all(|node| {
                let test: *const pg_sys::NullTest = node.cast();
                if (*node).type_ != pg_sys::NodeTag::T_NullTest
                    || (*test).nulltesttype != pg_sys::NullTestType::IS_NOT_NULL
                {
                    return false;
                }
                let column: *const pg_sys::Var = (*test).arg.cast();
                (*column).xpr.type_ == pg_sys::NodeTag::T_Var && given.contains(&(*column).varattno)
            })
    }
}

/// Whether writing a row runs PostgreSQL's own functions only (`expression`), no column
/// is generated or of a domain, none of `written` has a value cut or rounded to its
/// type's modifier, and no index has to be looked at again at the end of a statement.
fn has_no_code_of_others(relation: &Relation, indexes: &[Relation], written: &[pg_sys::AttrNumber]) -> bool {
    // SAFETY: the descriptor belongs to the open table, and each position is in it.
    let columns_are_plain = unsafe {
        let descriptor = relation.descriptor();
        (1..=(*descriptor).natts).all(|place| {
            let column = attribute(descriptor, place);
            column.attisdropped
                || column.attgenerated == 0 && pg_sys::get_typtype(column.atttypid) as u8 != pg_sys::TYPTYPE_DOMAIN
        }) && written.iter().all(|place| attribute(descriptor, (*place).into()).atttypmod == -1)
    };
    let is_immediate = |index: &Relation| {
        // SAFETY: the entry is alive while it is open.
        let entry = unsafe { &*(*index.0).rd_index };
        entry.indimmediate && !entry.indisexclusion
    };
    columns_are_plain && indexes.iter().all(is_immediate) && expression::all_are_harmless(relation, indexes)
}
