//! A row changed or inserted, with its constraints and indexes.

use std::cell::Cell;
use std::ops::Deref;
use std::ptr::NonNull;

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::outcome::{Direct, Reason, require};
use super::row::Slot;
use super::{Open, Row, expression};
use crate::pg::compat;
use crate::pg::relation::Relation;
use crate::pg::spi::Arg;

impl Open<'_> {
    /// The table, if its rows can be changed here.
    pub fn for_update(self) -> Direct<Self> {
        self.shape.is_for_updates()?;
        Ok(self)
    }

    /// The table, if rows can be inserted into it here.
    pub fn for_insert(self) -> Direct<Self> {
        self.shape.is_for_inserts()?;
        Ok(self)
    }

    /// Makes sure that a row to be inserted references what is there, and locks that
    /// until the transaction ends. `locked` is a row that is locked already, and the
    /// position of its key.
    pub fn lock_references(&self, values: &[(i32, Arg<'_>)], locked: Option<(&Row<'_>, i32)>) -> Direct<()> {
        let locked = locked.map(|(row, key)| (row.open.shape.table, row.open.shape.attribute(key)));
        let keys = self.shape.foreign_keys.as_ref().ok_or(Reason::NoReference)?;
        for key in keys {
            match values.iter().find(|(position, _)| self.shape.attribute(*position) == key.column) {
                Some((_, value)) => {
                    if let Some(value) = value.datum()
                        && !locked.is_some_and(|(table, column)| key.references(table, column))
                    {
                        key.lock(value)?;
                    }
                }
                // SQL looks for what a default references.
                None => require(!key.has_default, Reason::NoReference)?,
            }
        }
        Ok(())
    }

    /// Inserts a row of these values; every other column has its default. What it
    /// references must be locked.
    ///
    /// # Errors
    /// PostgreSQL's own, as for INSERT: 23505, 23514, 23502.
    pub fn insert(&self, values: &[(i32, Arg<'_>)]) {
        let executor = self.executor();
        // SAFETY: the slot has the table's descriptor, and a place for each column. A
        // value has the type of its column; the cached executor is used by
        // one row at a time.
        unsafe {
            let slot = virtual_slot(&self.relation);
            let given: Vec<_> = values.iter().map(|(p, _)| self.shape.attribute(*p)).collect();
            for (attribute, default) in (1..).zip(&executor.defaults) {
                if !given.contains(&attribute) {
                    let place = attribute as usize - 1;
                    let (value, is_null) = executor.evaluate(*default);
                    *(*slot.0).tts_values.add(place) = value;
                    *(*slot.0).tts_isnull.add(place) = is_null;
                }
            }
            self.put(&slot, values);
            pg_sys::ExecStoreVirtualTuple(slot.0);
            executor.check(&self.relation, &slot);
            pg_sys::simple_table_tuple_insert(self.relation.0, slot.0);
            executor.insert_into_indexes(&slot, None);
            executor.forget_row();
        }
    }

    /// # Safety
    /// The slot must have the table's descriptor.
    unsafe fn put(&self, slot: &Slot, values: &[(i32, Arg<'_>)]) {
        for (position, value) in values {
            let place = self.shape.attribute(*position) as usize - 1;
            let datum = value.datum();
            // SAFETY: the caller's promise.
            unsafe {
                *(*slot.0).tts_isnull.add(place) = datum.is_none();
                *(*slot.0).tts_values.add(place) = datum.unwrap_or(pg_sys::Datum::from(0));
            }
        }
    }

    fn executor(&self) -> InUse<'_> {
        InUse::of(&self.shape.executor, &self.relation)
    }
}

impl Row<'_> {
    /// Changes the row, which this transaction has locked: columns that the table's
    /// description says an update changes.
    ///
    /// # Errors
    /// PostgreSQL's own, as for UPDATE: 23514, 55000.
    pub fn update(&self, values: &[(i32, Arg<'_>)]) {
        let open = self.open;
        // SAFETY: the slot holds a row of the open table, whose values the new one
        // refers to until it is written.
        unsafe {
            let executor = open.executor();
            pg_sys::CheckCmdReplicaIdentity(open.relation.0, pg_sys::CmdType::CMD_UPDATE);
            let columns = (*open.relation.descriptor()).natts;
            self.slot.deform(columns as pg_sys::AttrNumber);
            let slot = virtual_slot(&open.relation);
            let count = columns as usize;
            std::ptr::copy_nonoverlapping((*self.slot.0).tts_values, (*slot.0).tts_values, count);
            std::ptr::copy_nonoverlapping((*self.slot.0).tts_isnull, (*slot.0).tts_isnull, count);
            open.put(&slot, values);
            pg_sys::ExecStoreVirtualTuple(slot.0);
            executor.check(&open.relation, &slot);
            let indexes = compat::update_row(open.relation.0, (*self.slot.0).tts_tid, slot.0);
            if indexes.any {
                executor.insert_into_indexes(&slot, Some(indexes.summarizing_only));
            }
            executor.forget_row();
        }
    }

    /// Makes sure that the row's references are checked. Those of a row that this
    /// transaction wrote may not have been yet, and would not be any more once it is
    /// replaced: then it is done here.
    pub(super) fn check_references(&self) -> Direct<()> {
        // SAFETY: the slot holds a row of the heap, on a page that it pins.
        let is_own = unsafe {
            let mut is_copy = false;
            let tuple = pg_sys::ExecFetchSlotHeapTuple(self.slot.0, false, &mut is_copy);
            pg_sys::TransactionIdIsCurrentTransactionId(pg_sys::htup::HeapTupleHeaderGetXmin((*tuple).t_data))
        };
        if is_own {
            for key in self.open.shape.foreign_keys.as_ref().ok_or(Reason::NoReference)? {
                let (value, is_null) = self.slot.value(key.column);
                if !is_null {
                    key.lock(value)?;
                }
            }
        }
        Ok(())
    }
}

/// An executor that writes one row. It is taken out of where it is cached, so that a
/// charge that something calls meanwhile makes its own; and an error discards it,
/// whatever it left half-made.
struct InUse<'cache> {
    cache: &'cache Cell<Option<Executor>>,
    executor: Option<Executor>,
}

impl<'cache> InUse<'cache> {
    fn of(cache: &'cache Cell<Option<Executor>>, relation: &Relation) -> Self {
        let executor = match cache.take() {
            Some(executor) => {
                executor.memory.end_with_transaction();
                executor
            }
            None => Executor::new(relation),
        };
        Self { cache, executor: Some(executor) }
    }
}

impl Deref for InUse<'_> {
    type Target = Executor;

    fn deref(&self) -> &Executor {
        match &self.executor {
            Some(executor) => executor,
            None => unreachable!("only the drop takes it away"),
        }
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        let Some(executor) = self.executor.take() else {
            return;
        };
        if std::thread::panicking() {
            executor.memory.leave_to_abort();
        } else {
            executor.memory.outlive_transaction();
            self.cache.set(Some(executor));
        }
    }
}

/// What the executor's functions need to write a row of a table, made once.
pub(super) struct Executor {
    state: *mut pg_sys::EState,
    result: *mut pg_sys::ResultRelInfo,
    indexes: Vec<pg_sys::Oid>,
    /// The default of each column; null is NULL.
    defaults: Vec<*mut pg_sys::ExprState>,
    memory: Memory,
}

impl Executor {
    fn new(relation: &Relation) -> Self {
        let memory = Memory::new();
        // SAFETY: everything is made in memory that lives as long as the value. The
        // indexes are opened to be described, and closed at once.
        unsafe {
            let outer = pg_sys::MemoryContextSwitchTo(memory.0.as_ptr());
            let state = pg_sys::CreateExecutorState();
            pg_sys::MemoryContextSwitchTo((*state).es_query_cxt);
            let result: *mut pg_sys::ResultRelInfo = pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()).cast();
            (*result).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            pg_sys::InitResultRelInfo(result, relation.0, 0, std::ptr::null_mut(), 0);
            pg_sys::ExecOpenIndices(result, false);
            let indexes = (0..(*result).ri_NumIndices as usize)
                .map(|place| (**(*result).ri_IndexRelationDescs.add(place)).rd_id)
                .collect();
            pg_sys::ExecCloseIndices(result);
            let defaults = expression::defaults_of(relation)
                .into_iter()
                .map(|default| match default.is_null() {
                    true => std::ptr::null_mut(),
                    false => pg_sys::ExecPrepareExpr(default.cast(), state),
                })
                .collect();
            pg_sys::MemoryContextSwitchTo(outer);
            Self { state, result, indexes, defaults, memory }
        }
    }

    /// Where expressions are evaluated, emptied by `forget_row`.
    unsafe fn context(&self) -> *mut pg_sys::ExprContext {
        // SAFETY: the state is alive as long as the value.
        unsafe {
            if (*self.state).es_per_tuple_exprcontext.is_null() {
                pg_sys::MakePerTupleExprContext(self.state)
            } else {
                (*self.state).es_per_tuple_exprcontext
            }
        }
    }

    unsafe fn evaluate(&self, expression: *mut pg_sys::ExprState) -> (pg_sys::Datum, bool) {
        let mut is_null = true;
        if expression.is_null() {
            return (pg_sys::Datum::from(0), true);
        }
        // SAFETY: prepared by `new`, in memory that is alive; its errors become an
        // unwinding at the boundary.
        unsafe {
            let context = self.context();
            let Some(evaluate) = (*expression).evalfunc else {
                return (pg_sys::Datum::from(0), true);
            };
            let outer = pg_sys::MemoryContextSwitchTo((*context).ecxt_per_tuple_memory);
            let value = pg_guard_ffi_boundary(|| evaluate(expression, context, &mut is_null));
            pg_sys::MemoryContextSwitchTo(outer);
            (value, is_null)
        }
    }

    /// Checks NOT NULL and CHECK.
    unsafe fn check(&self, relation: &Relation, slot: &Slot) {
        // SAFETY: the slot holds a row of the open table, to which the executor
        // belongs.
        unsafe {
            (*self.result).ri_RelationDesc = relation.0;
            if !(*relation.descriptor()).constr.is_null() {
                pg_sys::ExecConstraints(self.result, slot.0, self.state);
            }
        }
    }

    /// Enters the row into the indexes: a new one, or a new version with `Some` and
    /// whether indexes that only summarise are all that need it.
    unsafe fn insert_into_indexes(&self, slot: &Slot, update: Option<bool>) {
        // SAFETY: each index is opened for this row and closed after it; none can be
        // dropped while the table is locked. An error closes them by itself.
        unsafe {
            let relations = (*self.result).ri_IndexRelationDescs;
            let infos = (*self.result).ri_IndexRelationInfo;
            let lock = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
            for (place, oid) in self.indexes.iter().enumerate() {
                *relations.add(place) = pg_sys::index_open(*oid, lock);
                // An index caches in the memory of this call; after an error in the last one
                // its cache points to memory that is gone.
                (**infos.add(place)).ii_Context = pg_sys::CurrentMemoryContext;
                (**infos.add(place)).ii_AmCache = std::ptr::null_mut();
            }
            compat::insert_into_indexes(self.result, slot.0, self.state, update);
            for place in 0..self.indexes.len() {
                let index = *relations.add(place);
                compat::end_index_insertions(index, *infos.add(place));
                pg_sys::index_close(index, lock);
            }
        }
    }

    unsafe fn forget_row(&self) {
        // SAFETY: nothing refers to the memory of the row any more.
        unsafe {
            let context = (*self.state).es_per_tuple_exprcontext;
            if !context.is_null() {
                pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            }
        }
    }
}

/// An empty slot for a row of the table.
fn virtual_slot(relation: &Relation) -> Slot {
    // SAFETY: the descriptor belongs to the open table, and the slot pins it.
    unsafe { Slot(pg_sys::MakeSingleTupleTableSlot(relation.descriptor(), &pg_sys::TTSOpsVirtual)) }
}

/// Memory of an executor. It belongs to the (sub)transaction while that uses it, so
/// that an abort frees it, and to the backend in between.
struct Memory(NonNull<pg_sys::MemoryContextData>);

impl Memory {
    fn new() -> Self {
        // SAFETY: raises where there is no memory, else gives a context.
        Self(unsafe {
            NonNull::new_unchecked(pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurTransactionContext,
                c"auria table".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as pg_sys::Size,
                pg_sys::ALLOCSET_SMALL_INITSIZE as pg_sys::Size,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as pg_sys::Size,
            ))
        })
    }

    fn end_with_transaction(&self) {
        // SAFETY: the context is alive, as no transaction owned it.
        unsafe { pg_sys::MemoryContextSetParent(self.0.as_ptr(), pg_sys::CurTransactionContext) }
    }

    fn outlive_transaction(&self) {
        // SAFETY: the context is alive: what it belonged to since it was taken goes on.
        unsafe { pg_sys::MemoryContextSetParent(self.0.as_ptr(), pg_sys::TopMemoryContext) }
    }

    /// An error is on its way, and the current context may be inside of this one.
    fn leave_to_abort(self) {
        std::mem::forget(self);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // While an error unwinds the current context may be inside of it.
        if !std::thread::panicking() {
            // SAFETY: its own context, deleted once, with nothing left that refers to it.
            unsafe { pg_sys::MemoryContextDelete(self.0.as_ptr()) }
        }
    }
}
