//! Rows found and written without the executor: for the few statements that
//! every paid operation runs.
//!
//! A charge does not pay for planning, as plans are cached, but for starting and
//! ending the executor three times, and parsing each CHECK constraint again. Here a
//! row is found by an index scan, locked, changed and inserted by the functions
//! that the executor itself calls, and what they need is cached while the table's
//! definition stays the same. A charge costs half of what it costs by SQL (`make
//! bench`: use_credits).
//!
//! This is right only where a statement would do nothing else. A table is
//! *ordinary* ([`shape`]) if it is a heap of its own, owned by the role in force,
//! without rules, generated columns, and triggers that are not known to do nothing
//! here. Everything else, and every isolation level above READ COMMITTED, is for
//! SQL: what is tried here then ends with a [`Reason`] instead, and [`or_by_sql`] runs
//! the caller's statement. `tests/credits/direct.rs` runs both on one history and
//! compares every row.
//!
//! | file | what |
//! |---|---|
//! | `outcome` | done, failed, or for SQL to do, and why |
//! | `shape` | what is cached about a table, and whether it is ordinary |
//! | `expression` | which constraints and defaults run PostgreSQL's own code alone |
//! | `triggers` | which triggers do nothing here |
//! | `keys` | foreign keys: the row that is referenced is there, and stays |
//! | `row` | a row: found, locked, read |
//! | `write` | a row changed or inserted, with constraints and indexes |

mod expression;
mod keys;
mod outcome;
mod row;
mod shape;
mod triggers;
mod write;

use std::cell::RefCell;
use std::ffi::CStr;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use pgrx::pg_sys;

use self::shape::{Cached, Shape};
use super::relation::{self, Relation};
use super::{audit, relcache, roles, transaction};

pub use self::outcome::{Direct, Reason, Undone, or_by_sql, require};
pub use self::row::{End, Row};

/// A table as the library knows it; whether the database has it so is seen when it
/// is opened.
pub struct Table {
    pub schema: &'static CStr,
    pub name: &'static CStr,
    /// What is read or written. Positions, here and elsewhere, count from 1.
    pub columns: &'static [Column],
    /// What an update changes.
    pub changed: &'static [i32],
    /// The indexes that rows are found by.
    pub keys: &'static [IndexKey],
    cached: RefCell<Option<Cached>>,
}

/// Names the columns of a [`Table`]: a constant for the position of each, and the
/// list of all.
macro_rules! columns {
    ($list:ident: $($position:ident = $name:literal $type_oid:ident;)+) => {
        $crate::pg::direct::columns!(@number 1; $($position)+);

        pub const $list: &[$crate::pg::direct::Column] = &[$($crate::pg::direct::Column($name, pgrx::pg_sys::$type_oid)),+];
    };
    (@number $number:expr; $position:ident $($rest:ident)*) => {
        pub const $position: i32 = $number;
        $crate::pg::direct::columns!(@number $number + 1; $($rest)*);
    };
    (@number $number:expr;) => {};
}
pub(crate) use columns;

/// A column's name, and its type, without which nothing is direct.
pub struct Column(pub &'static CStr, pub pg_sys::Oid);

/// A B-tree index that begins with these columns.
pub struct IndexKey {
    /// The columns whose values are given.
    pub columns: &'static [i32],
    /// The column that orders the rows found; none where there is at most one, because
    /// the index is unique.
    pub then: Option<i32>,
}

impl Table {
    pub const fn new(
        schema: &'static CStr,
        name: &'static CStr,
        columns: &'static [Column],
        changed: &'static [i32],
        keys: &'static [IndexKey],
    ) -> Self {
        Self { schema, name, columns, changed, keys, cached: RefCell::new(None) }
    }

    /// Opens the table to read it with the caller's snapshot.
    pub fn open_to_read(&self) -> Direct<Open<'_>> {
        // A SERIALIZABLE transaction has to leave a predicate lock on what it reads.
        // SAFETY: reads the state of the backend.
        let has_snapshot = unsafe { pg_sys::ActiveSnapshotSet() };
        require(has_snapshot && !transaction::is_serializable(), Reason::IsolationLevel)?;
        require(audit::recorder().is_none(), Reason::Audited)?;
        self.open(pg_sys::AccessShareLock)
    }

    /// Opens the table to change it.
    pub fn open_to_write(&self, _writing: &Writing) -> Direct<Open<'_>> {
        self.open(pg_sys::RowExclusiveLock)
    }

    /// Why SQL updates rows of this table, inserts them, or finds them by one of its keys,
    /// for a person to read; `None` where it does none of it.
    pub fn obstacle(&self, to_insert: bool) -> Option<String> {
        let named = |why: &dyn fmt::Display| {
            format!("{}.{}: {why}", self.schema.to_string_lossy(), self.name.to_string_lossy())
        };
        let shape = match self.open(pg_sys::AccessShareLock) {
            Ok(open) => open.shape,
            Err(Undone::BySql(reason)) => return Some(named(&reason)),
            Err(Undone::Failed(error)) => return Some(named(&error.summary())),
        };
        let inserted = if to_insert { shape.insert.as_ref() } else { Ok(&()) };
        if let Err(obstacle) = shape.update.as_ref().and(inserted) {
            return Some(named(obstacle));
        }
        let has_no_index = (0..self.keys.len()).any(|key| shape.index(key).is_err());
        has_no_index.then(|| named(&Reason::NoIndex))
    }

    fn open(&self, lock: u32) -> Direct<Open<'_>> {
        let user = roles::effective();
        let is_current = |cached: &Cached| cached.user == user && cached.generation == relcache::generation();
        let cached = self.cached.borrow().clone();
        let oid = match cached.as_ref().filter(|cached| is_current(cached)) {
            Some(cached) => cached.table,
            None => relation::find(self.schema, self.name).ok_or(Reason::NoTable)?,
        };
        let relation = Relation::open(oid, lock).ok_or(Reason::NoTable)?;
        // Taking the lock delivered the changes of definitions that others committed.
        let cached = match cached.filter(|cached| cached.table == oid && is_current(cached)) {
            Some(cached) => cached,
            None => {
                require(relation::find(self.schema, self.name) == Some(oid), Reason::NoTable)?;
                relcache::watch(oid);
                let cached = Cached::of(self, &relation, user);
                self.cached.replace(Some(cached.clone()));
                cached
            }
        };
        Ok(Open { table: self, shape: cached.shape?, relation })
    }
}

/// A table that is ordinary, open and locked until the transaction ends.
pub struct Open<'table> {
    table: &'table Table,
    shape: Rc<Shape>,
    relation: Relation,
}

/// The counterpart of a statement that writes: it sees everything committed by now (by the
/// first statement where the transaction keeps its snapshot), and all that the transaction did before.
pub struct Writing {
    _not_send: PhantomData<*const ()>,
}

impl Writing {
    /// Begins one, unless the transaction keeps its snapshot.
    pub fn begin() -> Direct<Self> {
        require(!transaction::keeps_its_snapshot(), Reason::IsolationLevel)?;
        Self::begin_with_any_snapshot()
    }

    /// [`Writing::begin`] for work that leaves to SQL what others changed since the snapshot.
    /// SERIALIZABLE has to see what each transaction reads, and is always for SQL.
    pub fn begin_with_any_snapshot() -> Direct<Self> {
        require(!transaction::is_serializable(), Reason::IsolationLevel)?;
        require(!transaction::is_parallel(), Reason::Parallel)?;
        require(audit::recorder().is_none(), Reason::Audited)?;
        // SAFETY: inside a transaction. The snapshot is popped by the drop, or by
        // the abort.
        unsafe {
            let is_origin = pg_sys::SessionReplicationRole == pg_sys::SESSION_REPLICATION_ROLE_ORIGIN as i32;
            require(is_origin, Reason::Replication)?;
            pg_sys::CommandCounterIncrement();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        Ok(Self { _not_send: PhantomData })
    }

    /// Takes a new snapshot, after a wait for a lock.
    pub fn look_again(&self) {
        // SAFETY: the snapshot on top is the one pushed by `begin`.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: pops what was pushed above; what was written is for the next
            // statement to see.
            unsafe {
                pg_sys::PopActiveSnapshot();
                pg_sys::CommandCounterIncrement();
            }
        }
    }
}
