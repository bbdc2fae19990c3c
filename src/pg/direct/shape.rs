//! What is kept about a table while its definition stays the same.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::{PgList, pg_sys};

use super::keys::{self, ForeignKey};
use super::write::Executor;
use super::{Key, Table, expression, row};
use crate::pg::compat::attribute;
use crate::pg::procedure;
use crate::pg::relation::Relation;
use crate::pg::relcache;

/// Our triggers that do nothing to an update of the columns that are changed here:
/// one sets `updated_at`, as the callers do, the other acts on another plan.
const HARMLESS: [&CStr; 2] = [c"update_updated_at_column_wrapper", c"settle_plan_change_wrapper"];

/// A table in the eyes of one role.
pub(super) struct Shape {
    pub table: pg_sys::Oid,
    pub user: pg_sys::Oid,
    pub generation: u64,
    /// None where the table is not ordinary.
    found: Option<Found>,
}

pub(super) struct Found {
    /// Where the description's columns are in the table.
    attributes: Vec<pg_sys::AttrNumber>,
    /// The index for each of the description's keys; none where no index finds every
    /// row by it, as on an adopted ledger with old duplicates.
    indexes: Vec<Option<pg_sys::Oid>>,
    /// None where a reference cannot be looked up here.
    pub foreign_keys: Option<Vec<ForeignKey>>,
    pub may_update: bool,
    pub may_insert: bool,
    /// Taken out while it is in use.
    pub executor: Cell<Option<Executor>>,
}

impl Shape {
    /// Looks at an open table. What changes meanwhile counts as changed after it.
    pub fn of(table: &Table, relation: &Relation, user: pg_sys::Oid) -> Self {
        // An index that is built or dropped concurrently changes by itself.
        let indexes = indexes_of(relation);
        for index in &indexes {
            relcache::watch(index.oid());
        }
        let generation = relcache::generation();
        Self { table: relation.oid(), user, generation, found: Found::of(table, relation, &indexes, user) }
    }

    pub fn is_ordinary(&self) -> bool {
        self.found.is_some()
    }

    /// What was found. The table is open, so it is ordinary.
    pub fn found(&self) -> &Found {
        match &self.found {
            Some(found) => found,
            None => unreachable!("only an ordinary table is opened"),
        }
    }

    pub fn index(&self, key: usize) -> Option<pg_sys::Oid> {
        self.found().indexes[key]
    }

    pub fn attribute(&self, position: i32) -> pg_sys::AttrNumber {
        self.found().attributes[position as usize - 1]
    }
}

impl Found {
    fn of(table: &Table, relation: &Relation, indexes: &[Relation], user: pg_sys::Oid) -> Option<Self> {
        if !relation.is_plain_heap() || !is_in_the_hands_of(relation, user) {
            return None;
        }
        let attributes =
            table.columns.iter().map(|column| relation.column(column.0, column.1)).collect::<Option<Vec<_>>>()?;
        let at = |position: &i32| attributes[*position as usize - 1];
        let changed: Vec<_> = table.changed.iter().map(at).collect();
        let is_writable = has_no_code_of_others(relation, indexes, &attributes);
        let triggers = triggers_of(relation);
        Some(Self {
            indexes: table
                .keys
                .iter()
                .map(|key| {
                    let index = indexes.iter().find(|index| serves(index, key, table, &at));
                    index.map(Relation::oid)
                })
                .collect(),
            foreign_keys: keys::of(relation, &triggers),
            may_update: is_writable
                && !keys::involves(relation, &changed)
                && triggers.iter().all(|trigger| {
                    !fires(trigger, pg_sys::TRIGGER_TYPE_UPDATE)
                        || !names_any(trigger, &changed)
                        || is_row_trigger(trigger) && (is_of_key(trigger) || is_harmless(trigger))
                }),
            may_insert: is_writable
                && triggers.iter().all(|trigger| {
                    !fires(trigger, pg_sys::TRIGGER_TYPE_INSERT) || is_row_trigger(trigger) && is_of_key(trigger)
                }),
            attributes,
            executor: Cell::new(None),
        })
    }
}

/// Whether the role in force owns the table and has all rights that an owner has,
/// row-level security does not hold for it, and no rule changes what a statement does.
fn is_in_the_hands_of(relation: &Relation, user: pg_sys::Oid) -> bool {
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
fn serves(index: &Relation, key: &Key, table: &Table, at: &impl Fn(&i32) -> pg_sys::AttrNumber) -> bool {
    // SAFETY: the entry is alive while it is open, and its arrays have as many places
    // as it has key columns.
    unsafe {
        let entry = &*(*index.0).rd_index;
        let columns = usize::try_from(entry.indnkeyatts).unwrap_or(0);
        let wanted: Vec<&i32> = key.columns.iter().chain(&key.then).collect();
        let begins = wanted.len() <= columns
            && wanted.iter().enumerate().all(|(place, column)| {
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

/// A trigger: a copy, as the relcache replaces its own whenever a catalogue is read.
pub(super) struct Trigger {
    pub function: pg_sys::Oid,
    events: u32,
    columns: Vec<pg_sys::AttrNumber>,
    is_internal: bool,
    pub is_deferrable: bool,
    pub constraint: pg_sys::Oid,
    /// The index of the referenced row.
    pub index: pg_sys::Oid,
}

/// The triggers that fire in a session of the usual `session_replication_role`.
fn triggers_of(relation: &Relation) -> Vec<Trigger> {
    // SAFETY: the triggers belong to the entry, which is alive while it is open, and
    // nothing is looked up before all are copied; a trigger has as many columns as it
    // says.
    unsafe {
        let triggers = (*relation.0).trigdesc;
        if triggers.is_null() {
            return Vec::new();
        }
        let count = usize::try_from((*triggers).numtriggers).unwrap_or(0);
        std::slice::from_raw_parts((*triggers).triggers, count)
            .iter()
            .filter(|trigger| ![b'D', b'R'].contains(&(trigger.tgenabled as u8)))
            .map(|trigger| Trigger {
                function: trigger.tgfoid,
                events: trigger.tgtype as u32,
                columns: match usize::try_from(trigger.tgnattr).unwrap_or(0) {
                    0 => Vec::new(),
                    count => std::slice::from_raw_parts(trigger.tgattr, count).to_vec(),
                },
                is_internal: trigger.tgisinternal,
                is_deferrable: trigger.tgdeferrable,
                constraint: trigger.tgconstraint,
                index: trigger.tgconstrindid,
            })
            .collect()
    }
}

pub(super) fn fires(trigger: &Trigger, event: u32) -> bool {
    trigger.events & event != 0
}

fn is_row_trigger(trigger: &Trigger) -> bool {
    fires(trigger, pg_sys::TRIGGER_TYPE_ROW)
}

/// Whether an update of these columns calls the trigger.
fn names_any(trigger: &Trigger, changed: &[pg_sys::AttrNumber]) -> bool {
    trigger.columns.is_empty() || trigger.columns.iter().any(|column| changed.contains(column))
}

/// Whether it is one of the triggers that PostgreSQL makes for a foreign key.
fn is_of_key(trigger: &Trigger) -> bool {
    // SAFETY: compares a number.
    trigger.is_internal && unsafe { pg_sys::RI_FKey_trigger_type(trigger.function) } != pg_sys::RI_TRIGGER_NONE as i32
}

fn is_harmless(trigger: &Trigger) -> bool {
    HARMLESS.iter().any(|symbol| procedure::is_ours(trigger.function, symbol))
}
