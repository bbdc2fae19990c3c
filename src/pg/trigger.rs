//! Row triggers: the row that is written, compared with the row that was.

use std::ffi::CStr;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::{Datum, Timestamp, TimestampWithTimeZone};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{IntoDatum, PgSqlErrorCode, pg_sys};

use super::boundary;
use super::bytes::Stored;
use super::compat::attribute;
use super::image;
use super::roles;
use super::running;
use super::spi;
use super::value::{Value, underlying};
use crate::error::{self, Error, Result};

/// A column's position in the trigger's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column(i32);

/// The row a trigger was fired for.
pub struct RowTrigger<'call> {
    data: &'call pg_sys::TriggerData,
    replaced: Replaced,
    skipped: bool,
}

/// The columns that are written instead of what the statement gave, as PostgreSQL takes them: of a
/// column that is there twice, the last value counts.
#[derive(Default)]
struct Replaced {
    columns: Vec<i32>,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl Replaced {
    fn by(&mut self, column: Column, value: Option<pg_sys::Datum>) {
        self.columns.push(column.0);
        self.values.push(value.unwrap_or(pg_sys::Datum::null()));
        self.nulls.push(value.is_none());
    }
}

/// What a trigger function returns: the row to store.
pub struct TriggeredRow(pg_sys::HeapTuple);

// SAFETY: a trigger function returns a pointer to a tuple, which this is.
unsafe impl BoxRet for TriggeredRow {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: the tuple is PostgreSQL's own or made in its memory.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::from(self.0)) }
    }
}

// SAFETY: names the SQL type that PostgreSQL demands of trigger functions.
unsafe impl SqlTranslatable for TriggeredRow {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(TriggeredRow);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("trigger"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("trigger")));
}

/// Runs the body of a row trigger and gives PostgreSQL the row as the body
/// left it. An error of the body is raised: the statement fails.
///
/// `fcinfo` is what PostgreSQL called the trigger function with.
#[allow(clippy::not_unsafe_ptr_arg_deref)] // only PostgreSQL makes an fcinfo
pub fn fire(
    fcinfo: pg_sys::FunctionCallInfo,
    function: &str,
    body: impl FnOnce(&mut RowTrigger<'_>) -> Result<()>,
) -> TriggeredRow {
    // SAFETY: PostgreSQL passes a valid fcinfo; its context is a TriggerData
    // exactly when the node's tag says so. The data live until we return.
    let data = unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            None
        } else {
            (context as *const pg_sys::TriggerData).as_ref()
        }
    };
    let Some(data) = data.filter(|data| data.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0) else {
        Error::new(
            PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
            format!("{function}() can only be called as a row trigger"),
        )
        .hint("Use it in CREATE TRIGGER with FOR EACH ROW EXECUTE FUNCTION.")
        .raise()
    };
    let mut row = RowTrigger { data, replaced: Replaced::default(), skipped: false };
    match boundary::guarded(|| body(&mut row)) {
        Ok(()) => row.into_result(),
        Err(error) => error.raise(),
    }
}

impl RowTrigger<'_> {
    /// Whether the statement is an UPDATE (else an INSERT or DELETE).
    pub fn is_update(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_UPDATE
    }

    /// Whether the statement is an INSERT (else an UPDATE or DELETE).
    pub fn is_insert(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_INSERT
    }

    /// Whether the trigger runs before the row is stored, so that it can still
    /// change it.
    pub fn is_before(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_BEFORE
    }

    /// Whether the trigger runs in place of the statement, on a view.
    pub fn is_instead(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_INSTEAD
    }

    /// The columns, in order.
    pub fn columns(&self) -> Vec<(Column, String)> {
        // SAFETY: the descriptor is that of the trigger's open relation; it has
        // `natts` columns, whose names are C strings.
        unsafe {
            let descriptor = self.descriptor();
            (1..=(*descriptor).natts)
                .filter_map(|number| {
                    let name = pg_sys::SPI_fname(descriptor, number);
                    if name.is_null() {
                        return None;
                    }
                    let name = CStr::from_ptr(name).to_string_lossy().into_owned();
                    Some((Column(number), name))
                })
                .collect()
        }
    }

    /// The value that is being written, to be passed to a statement as it is.
    pub fn new_argument(&self, column: Column) -> spi::Arg<'static> {
        let (datum, is_null) = self.datum(self.new_tuple(), column);
        spi::Arg::of_type(self.attribute(column).atttypid, (!is_null).then_some(datum))
    }

    /// Writes the value that a statement returned, at this position, to the
    /// column of the row.
    ///
    /// # Errors
    /// XX000 when the types differ.
    pub fn take(&mut self, column: Column, row: &spi::Row<'_>, position: i32) -> Result<()> {
        let datum = row.copied(position, self.attribute(column).atttypid)?;
        self.replaced.by(column, datum);
        Ok(())
    }

    /// The id that [`RowTrigger::take`] took from what was stored.
    pub fn stored_id(&self, column: Column) -> Option<uuid::Uuid> {
        let taken = self.replaced.columns.iter().rposition(|taken| *taken == column.0)?;
        let (datum, is_null) = (self.replaced.values[taken], self.replaced.nulls[taken]);
        let type_oid = self.attribute(column).atttypid;
        // SAFETY: a datum of the column's type, which is compared first.
        unsafe { uuid::Uuid::reads(type_oid).then(|| uuid::Uuid::read(datum, is_null, type_oid)).flatten() }
    }

    /// Whether the statement is an INSERT without ON CONFLICT. To be asked first: it is found by the
    /// memory that the trigger runs in.
    pub fn is_plain_insert(&self) -> bool {
        // SAFETY: a trigger of this table runs, in the memory context that it was called in.
        unsafe { running::is_plain_insert((*self.data.tg_relation).rd_id) }
    }

    /// Whether the role in force may read and change rows of the table, as far as grants decide.
    pub fn may_be_updated(&self) -> bool {
        [pg_sys::ACL_SELECT, pg_sys::ACL_UPDATE].into_iter().all(|right| {
            // SAFETY: a catalogue look-up inside a transaction.
            let answer =
                unsafe { pg_sys::pg_class_aclcheck(self.relation(), roles::effective(), right as pg_sys::AclMode) };
            answer == pg_sys::AclResult::ACLCHECK_OK
        })
    }

    /// Deletes the row of this table at the place that a statement returned, at this position, and
    /// has locked. No trigger fires: the row that is being written takes its place, and its id.
    ///
    /// # Errors
    /// XX000 when that is no place of a row.
    pub fn supersede(&self, row: &spi::Row<'_>, position: i32) -> Result<()> {
        let place = row.copied(position, pg_sys::TIDOID)?;
        if let Some(place) = place {
            // SAFETY: a datum of type tid points to the place. The relation is open and locked for
            // writing, the row is locked by this transaction, and a snapshot is active while a
            // trigger runs.
            unsafe {
                pg_sys::simple_table_tuple_delete(
                    self.data.tg_relation,
                    place.cast_mut_ptr(),
                    pg_sys::GetActiveSnapshot(),
                );
            }
        }
        Ok(())
    }

    /// Leaves the row out: the statement goes on as if it had not met it.
    pub fn skip(&mut self) {
        self.skipped = true;
    }

    /// The column called `name`, if the table has it. Called for every row: the names are
    /// compared here, which takes a fifth of what SPI_fnumber does.
    pub fn column(&self, name: &CStr) -> Option<Column> {
        // SAFETY: the descriptor is that of the trigger's open relation.
        let count = unsafe { (*self.descriptor()).natts };
        (1..=count).map(Column).find(|column| {
            let attribute = self.attribute(*column);
            let stored = attribute.attname.data.iter();
            !attribute.attisdropped && stored.zip(name.to_bytes_with_nul()).all(|(byte, wanted)| *byte as u8 == *wanted)
        })
    }

    /// The table's name, for messages.
    pub fn table(&self) -> String {
        // SAFETY: the relation is open and locked while the trigger runs; its
        // name is a NUL-terminated NameData.
        unsafe {
            let relation = self.data.tg_relation;
            CStr::from_ptr((*(*relation).rd_rel).relname.data.as_ptr()).to_string_lossy().into_owned()
        }
    }

    /// The argument at `position`, from 0, that CREATE TRIGGER gave.
    pub fn argument(&self, position: usize) -> Option<String> {
        // SAFETY: the trigger holds `tgnargs` C strings, and lives as long as
        // the relation is open.
        unsafe {
            let trigger = self.data.tg_trigger;
            if position >= usize::try_from((*trigger).tgnargs).unwrap_or(0) {
                return None;
            }
            let argument = *(*trigger).tgargs.add(position);
            Some(CStr::from_ptr(argument).to_string_lossy().into_owned())
        }
    }

    /// The role that owns the table.
    pub fn table_owner(&self) -> pg_sys::Oid {
        // SAFETY: the relation is open and locked while the trigger runs.
        unsafe { (*(*self.data.tg_relation).rd_rel).relowner }
    }

    /// The value that is being written.
    ///
    /// # Errors
    /// 42804 when the column has another type than `T`.
    pub fn new_value<T: Value>(&self, column: Column) -> Result<Option<T>> {
        self.value(self.new_tuple(), column)
    }

    /// The value that an UPDATE or DELETE found.
    ///
    /// # Errors
    /// 42804 when the column has another type than `T`.
    pub fn old_value<T: Value>(&self, column: Column) -> Result<Option<T>> {
        self.value(self.data.tg_trigtuple, column)
    }

    /// Whether the UPDATE's own list of columns has this one.
    pub fn sets(&self, column: Column) -> bool {
        // SAFETY: a bitmap of the running statement, or null; it counts columns
        // from the system columns on, which have negative numbers.
        unsafe {
            pg_sys::bms_is_member(column.0 - pg_sys::FirstLowInvalidHeapAttributeNumber, self.data.tg_updatedcols)
        }
    }

    /// Runs `work` with the rights of the role that owns the table: the role whose statement fires a trigger need not
    /// be allowed what the trigger does. Where `work` runs SQL, it sets the search_path.
    pub fn as_owner<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        roles::with_rights_of(self.table_owner(), work)
    }

    fn value<T: Value>(&self, tuple: pg_sys::HeapTuple, column: Column) -> Result<Option<T>> {
        let (datum, is_null) = self.datum(tuple, column);
        let actual = underlying(self.attribute(column).atttypid);
        if !T::reads(actual) {
            return Err(self.unexpected_type(column));
        }
        // SAFETY: the tuple is one of this relation, and the type was compared.
        Ok(unsafe { T::read(datum, is_null, actual) })
    }

    /// The string under `key` of the jsonb object that is being written, to be
    /// passed to a statement as a text: NULL where there is none, or it is no
    /// string, or the column holds something else.
    pub fn new_json_string(&self, column: Column, key: &str) -> spi::Arg<'static> {
        let (datum, is_null) = self.datum(self.new_tuple(), column);
        let is_jsonb = self.attribute(column).atttypid == pg_sys::JSONBOID && !is_null;
        // SAFETY: the type was compared.
        let text = is_jsonb.then(|| unsafe { image::json_string(datum, key) }).flatten();
        spi::Arg::of_type(pg_sys::TEXTOID, text)
    }

    /// The text, bytea or jsonb that is being written, not fetched yet.
    ///
    /// # Errors
    /// 42804 when the column has another type.
    pub fn new_stored(&self, column: Column) -> Result<Option<Stored<'_>>> {
        self.stored(self.new_tuple(), column)
    }

    /// The same of the row that an UPDATE or DELETE found.
    pub fn old_stored(&self, column: Column) -> Result<Option<Stored<'_>>> {
        self.stored(self.data.tg_trigtuple, column)
    }

    fn stored(&self, tuple: pg_sys::HeapTuple, column: Column) -> Result<Option<Stored<'_>>> {
        let (datum, is_null) = self.datum(tuple, column);
        let actual = underlying(self.attribute(column).atttypid);
        if !Stored::is_of_type(actual) {
            return Err(self.unexpected_type(column));
        }
        // SAFETY: the type was compared before the datum is taken for a
        // varlena; the tuple lives until the trigger returns.
        Ok((!is_null).then(|| unsafe { Stored::of(datum, actual) }))
    }

    /// The table.
    pub fn relation(&self) -> pg_sys::Oid {
        // SAFETY: the relation is open and locked while the trigger runs.
        unsafe { (*self.data.tg_relation).rd_id }
    }

    /// The table's name, with its schema, as SQL takes it.
    pub fn qualified_table(&self) -> String {
        // SAFETY: as above; the schema of a locked relation exists, and its
        // name is a C string.
        let schema = unsafe {
            let schema = pg_sys::get_namespace_name((*(*self.data.tg_relation).rd_rel).relnamespace);
            CStr::from_ptr(schema).to_string_lossy().into_owned()
        };
        format!("{}.{}", spi::quoted_identifier(&schema), spi::quoted_identifier(&self.table()))
    }

    fn unexpected_type(&self, column: Column) -> Error {
        let attribute = self.attribute(column);
        // SAFETY: both are C strings, the second one in memory of this call.
        let (name, type_name) = unsafe {
            (
                CStr::from_ptr(attribute.attname.data.as_ptr()).to_string_lossy(),
                CStr::from_ptr(pg_sys::format_type_be(attribute.atttypid)).to_string_lossy(),
            )
        };
        error::column_of_other_shape(format!(
            "column {name} of {} is of type {type_name}, which the functions do not work with",
            self.qualified_table()
        ))
    }

    /// Whether the column is of type `bytea`.
    pub fn is_bytea(&self, column: Column) -> bool {
        self.attribute(column).atttypid == pg_sys::BYTEAOID
    }

    /// Whether the value that is being written is NULL.
    pub fn new_is_null(&self, column: Column) -> bool {
        self.datum(self.new_tuple(), column).1
    }

    /// Whether an UPDATE changes this column; true for an INSERT.
    pub fn changes(&self, column: Column) -> bool {
        if !self.is_update() {
            return true;
        }
        let (old, old_is_null) = self.datum(self.data.tg_trigtuple, column);
        let (new, new_is_null) = self.datum(self.new_tuple(), column);
        if old_is_null || new_is_null {
            return old_is_null != new_is_null;
        }
        // SAFETY: both datums are of this column.
        unsafe { !image::is_same(old, new, self.attribute(column)) }
    }

    /// Writes `value` to the column instead of what the statement gave.
    ///
    /// # Errors
    /// 42804 when the column has another type than `T`; bigint takes an integer.
    pub fn replace<T: IntoDatum>(&mut self, column: Column, value: Option<T>) -> Result<()> {
        let actual = underlying(self.attribute(column).atttypid);
        // An integer's datum is its value, extended by its sign: a bigint's, too.
        if actual != T::type_oid() && !(actual == pg_sys::INT8OID && T::type_oid() == pg_sys::INT4OID) {
            return Err(self.unexpected_type(column));
        }
        self.replaced.by(column, value.and_then(IntoDatum::into_datum));
        Ok(())
    }

    /// [`Self::replace`] by a time, rounded where the column's type says so; without a time zone,
    /// that of the session.
    pub fn replace_time(&mut self, column: Column, time: TimestampWithTimeZone) -> Result<()> {
        let (type_oid, modifier) = (self.attribute(column).atttypid, self.attribute(column).atttypmod);
        let (time, round): (_, unsafe fn(_) -> _) = match underlying(type_oid) {
            pg_sys::TIMESTAMPTZOID => (time.into_datum(), pg_sys::timestamptz_scale),
            pg_sys::TIMESTAMPOID => (Timestamp::from(time).into_datum(), pg_sys::timestamp_scale),
            _ => return Err(self.unexpected_type(column)),
        };
        let rounded = if modifier == -1 {
            time
        } else {
            // SAFETY: a function of the server's own, with arguments of its types.
            unsafe { pgrx::direct_function_call_as_datum(round, &[time, modifier.into_datum()]) }
        };
        self.replaced.by(column, rounded);
        Ok(())
    }

    /// Writes the value that an UPDATE found to the column, instead of what the
    /// statement gave.
    pub fn keep_old(&mut self, column: Column) {
        let (old, is_null) = self.datum(self.data.tg_trigtuple, column);
        self.replaced.by(column, (!is_null).then_some(old));
    }

    fn descriptor(&self) -> pg_sys::TupleDesc {
        // SAFETY: the relation is open and locked while the trigger runs.
        unsafe { (*self.data.tg_relation).rd_att }
    }

    fn attribute(&self, column: Column) -> &pg_sys::FormData_pg_attribute {
        // SAFETY: the column came from this descriptor, which outlives the call.
        unsafe { attribute(self.descriptor(), column.0) }
    }

    fn new_tuple(&self) -> pg_sys::HeapTuple {
        if self.is_update() { self.data.tg_newtuple } else { self.data.tg_trigtuple }
    }

    fn datum(&self, tuple: pg_sys::HeapTuple, column: Column) -> (pg_sys::Datum, bool) {
        let mut is_null = false;
        // SAFETY: the tuple is one of this relation, the column came from its
        // descriptor.
        let datum = unsafe { pg_sys::SPI_getbinval(tuple, self.descriptor(), column.0, &mut is_null) };
        (datum, is_null)
    }

    fn into_result(mut self) -> TriggeredRow {
        if self.skipped {
            return TriggeredRow(std::ptr::null_mut());
        }
        if self.replaced.columns.is_empty() {
            return TriggeredRow(self.new_tuple());
        }
        let (tuple, descriptor) = (self.new_tuple(), self.descriptor());
        let Replaced { columns, values, nulls } = &mut self.replaced;
        // SAFETY: three arrays of this length, columns of this relation; the new
        // tuple is allocated in the caller's memory context, where PostgreSQL
        // expects a trigger's result.
        TriggeredRow(unsafe {
            pg_sys::heap_modify_tuple_by_cols(
                tuple,
                descriptor,
                columns.len() as core::ffi::c_int,
                columns.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            )
        })
    }
}
