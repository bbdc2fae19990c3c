//! Tables and views as the catalogue has them.

use std::ffi::CStr;

use pgrx::{PgList, pg_sys};

use super::caught::{Caught, Text};

/// A relation that is open, closed by its drop; the lock stays until the
/// transaction ends.
pub(super) struct Relation(pub(super) pg_sys::Relation);

impl Relation {
    /// `None` if it is gone.
    pub fn open(oid: pg_sys::Oid, lock: u32) -> Option<Self> {
        // SAFETY: a catalogue look-up gave the oid; if it is gone, nothing is opened.
        let opened = unsafe { pg_sys::try_relation_open(oid, lock as pg_sys::LOCKMODE) };
        (!opened.is_null()).then_some(Self(opened))
    }

    pub fn oid(&self) -> pg_sys::Oid {
        // SAFETY: the entry is alive while it is open.
        unsafe { (*self.0).rd_id }
    }

    pub fn class(&self) -> &pg_sys::FormData_pg_class {
        // SAFETY: as above.
        unsafe { &*(*self.0).rd_rel }
    }

    pub fn descriptor(&self) -> pg_sys::TupleDesc {
        // SAFETY: as above.
        unsafe { (*self.0).rd_att }
    }

    /// Whether it is a heap by itself, with no children and no parent: reading it
    /// is reading its pages.
    pub fn is_plain_heap(&self) -> bool {
        let class = self.class();
        class.relkind as u8 == pg_sys::RELKIND_RELATION
            && class.relpersistence as u8 == pg_sys::RELPERSISTENCE_PERMANENT
            && class.relam == pg_sys::HEAP_TABLE_AM_OID
            && !class.relhassubclass
            && !class.relispartition
    }

    /// The position of a column, if it is there and has this type.
    pub fn column(&self, name: &CStr, type_oid: pg_sys::Oid) -> Option<pg_sys::AttrNumber> {
        let descriptor = self.descriptor();
        // SAFETY: the descriptor belongs to the open relation; `name` is a C string.
        unsafe {
            let position = pg_sys::SPI_fnumber(descriptor, name.as_ptr());
            (position > 0 && pg_sys::SPI_gettypeid(descriptor, position) == type_oid)
                .then_some(position as pg_sys::AttrNumber)
        }
    }
}

impl Drop for Relation {
    fn drop(&mut self) {
        // An error that is being raised closes it by itself.
        if !std::thread::panicking() {
            // SAFETY: opened by `open`, closed once.
            unsafe { pg_sys::relation_close(self.0, pg_sys::NoLock as pg_sys::LOCKMODE) }
        }
    }
}

/// A relation that stays what it is until the transaction ends: it is locked
/// as by a SELECT, so that it cannot be dropped, renamed or replaced.
pub struct Locked {
    /// Who owns it.
    pub owner: pg_sys::Oid,
    /// Who owns its schema.
    pub schema_owner: pg_sys::Oid,
}

/// Holds the relation of this name, if there is one.
pub fn lock(schema: &CStr, name: &CStr) -> Option<Locked> {
    loop {
        let (namespace, relation) = named(schema, name)?;
        let Some(opened) = Relation::open(relation, pg_sys::AccessShareLock) else {
            continue;
        };
        let owner = opened.class().relowner;
        // Locked now: the name must still mean it.
        if named(schema, name) == Some((namespace, relation)) {
            return Some(Locked { owner, schema_owner: owner_of_schema(namespace)? });
        }
    }
}

/// The relation of this name, if there is one.
pub fn find(schema: &CStr, name: &CStr) -> Option<pg_sys::Oid> {
    named(schema, name).map(|(_, relation)| relation)
}

fn named(schema: &CStr, name: &CStr) -> Option<(pg_sys::Oid, pg_sys::Oid)> {
    let valid = |oid: pg_sys::Oid| (oid != pg_sys::InvalidOid).then_some(oid);
    // SAFETY: catalogue look-ups inside a transaction; both are C strings.
    unsafe {
        let namespace = valid(pg_sys::get_namespace_oid(schema.as_ptr(), true))?;
        let relation = valid(pg_sys::get_relname_relid(name.as_ptr(), namespace))?;
        Some((namespace, relation))
    }
}

/// Who owns the relation of this name, if there is one. From PostgreSQL's cache of the catalogue: a query for it takes a
/// fresh connection as long as opening a hundred values.
pub fn owner(schema: &CStr, name: &CStr) -> Option<pg_sys::Oid> {
    let relation = find(schema, name)?;
    // SAFETY: a catalogue look-up inside a transaction; the tuple is read before it is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as i32, pg_sys::Datum::from(relation));
        if tuple.is_null() {
            return None;
        }
        let entry: *const pg_sys::FormData_pg_class = pg_sys::heap_tuple_get_struct(tuple);
        let owner = (*entry).relowner;
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}

/// Whether a relation has a column of this name.
pub fn has_column(relation: pg_sys::Oid, name: &CStr) -> bool {
    // SAFETY: a look-up in the catalogue's cache, inside a transaction; the name is a C string.
    unsafe { pg_sys::get_attnum(relation, name.as_ptr()) != 0 }
}

/// Whether it is a view.
pub fn is_view(relation: pg_sys::Oid) -> bool {
    // SAFETY: a catalogue look-up inside a transaction.
    unsafe { pg_sys::get_rel_relkind(relation) as u8 == pg_sys::RELKIND_VIEW }
}

/// The foreign keys by which one column of a table refers to another table.
pub struct ForeignKeys {
    table: String,
    names: Vec<String>,
    /// An error names the partition.
    is_partitioned: bool,
}

impl ForeignKeys {
    /// Those of this table of schema public.
    pub fn of(table: &CStr, column: &CStr, referenced: (&CStr, &CStr)) -> Self {
        let mut keys = Self { table: table.to_string_lossy().into_owned(), names: Vec::new(), is_partitioned: false };
        let referenced = find(referenced.0, referenced.1);
        let opened = find(c"public", table).and_then(|oid| Relation::open(oid, pg_sys::AccessShareLock));
        let (Some(referenced), Some(table)) = (referenced, opened) else {
            return keys;
        };
        keys.is_partitioned = table.class().relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE;
        // SAFETY: the list belongs to the entry, which is alive while it is open; a name is a C string, or null.
        unsafe {
            let position = pg_sys::SPI_fnumber(table.descriptor(), column.as_ptr());
            let list = PgList::<pg_sys::ForeignKeyCacheInfo>::from_pg(pg_sys::RelationGetFKeyList(table.0));
            let found = list.iter_ptr().filter(|key| {
                let key = &**key;
                key.confrelid == referenced && key.nkeys == 1 && i32::from(key.conkey[0]) == position
            });
            for key in found {
                let name = pg_sys::get_constraint_name((*key).conoid);
                if !name.is_null() {
                    keys.names.push(CStr::from_ptr(name).to_string_lossy().into_owned());
                }
            }
        }
        keys
    }

    /// Whether it is one of these that the error names.
    pub fn are_named_by(&self, error: &Caught) -> bool {
        let says = |text, name: &str| error.text(text).is_some_and(|said| said == name);
        let of_table = self.is_partitioned || (says(Text::Schema, "public") && says(Text::Table, &self.table));
        of_table && self.names.iter().any(|name| says(Text::Constraint, name))
    }
}

fn owner_of_schema(namespace: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: a catalogue look-up inside a transaction; the tuple is read
    // before it is released.
    unsafe {
        let tuple =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::NAMESPACEOID as i32, pg_sys::Datum::from(namespace));
        if tuple.is_null() {
            return None;
        }
        let entry: *const pg_sys::FormData_pg_namespace = pg_sys::heap_tuple_get_struct(tuple);
        let owner = (*entry).nspowner;
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}
