//! The fields of an error that name an object: what a client reads as
//! `error.constraint`, `error.table`, …
//!
//! pgrx carries code, message, detail and hint of an error through Rust code,
//! and reports it anew at the end of the call from C. The fields get lost on
//! that way. Here a callback on PostgreSQL's stack of error contexts notes them
//! when an error is raised, and another one sets them when it is reported.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::{CStr, CString, c_char, c_void};

use pgrx::{PgLogLevel, pg_guard, pg_sys};

use super::boundary;

/// A field that names an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// The schema of table or type.
    Schema,
    /// The table.
    Table,
    /// A column of the table.
    Column,
    /// The type.
    DataType,
    /// A constraint of table or type.
    Constraint,
}

/// Each field with its letter in PostgreSQL's protocol.
const FIELDS: [(Field, u8); 5] = [
    (Field::Schema, pg_sys::PG_DIAG_SCHEMA_NAME),
    (Field::Table, pg_sys::PG_DIAG_TABLE_NAME),
    (Field::Column, pg_sys::PG_DIAG_COLUMN_NAME),
    (Field::DataType, pg_sys::PG_DIAG_DATATYPE_NAME),
    (Field::Constraint, pg_sys::PG_DIAG_CONSTRAINT_NAME),
];

/// The objects that an error names, in the encoding of the database.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Fields([Option<CString>; FIELDS.len()]);

impl Fields {
    /// The name in a field.
    pub fn get(&self, field: Field) -> Option<&CStr> {
        self.0[field as usize].as_deref()
    }

    /// With this name in the field. A name with a NUL byte is left out.
    pub fn with(mut self, field: Field, name: &str) -> Self {
        self.0[field as usize] = CString::new(name).ok();
        self
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Has the error with this code, which the caller raises next, report these
    /// fields. Only for a function that C calls: nothing may catch the error
    /// before pgrx reports it.
    pub fn attach(&self, code: i32) {
        if self.is_empty() {
            return;
        }
        ATTACHED.set(Some(Of { code, fields: self.clone() }));
        let callback = SETS_FIELDS.with(UnsafeCell::get);
        // SAFETY: the callback lives as long as the thread. It is on the stack
        // only until the error is reported: whoever handles the error puts the
        // stack back as it was. So it is not on it now.
        unsafe {
            *callback = pg_sys::ErrorContextCallback {
                previous: pg_sys::error_context_stack,
                callback: Some(set_fields),
                arg: std::ptr::null_mut(),
            };
            pg_sys::error_context_stack = callback;
        }
    }
}

/// The fields of an error, which is known by its code.
struct Of {
    code: i32,
    fields: Fields,
}

thread_local! {
    /// Of the last error that PostgreSQL raised under [`noting`].
    static NOTED: RefCell<Option<Of>> = const { RefCell::new(None) };
    /// Of the error that is about to be reported.
    static ATTACHED: Cell<Option<Of>> = const { Cell::new(None) };
    static SETS_FIELDS: UnsafeCell<pg_sys::ErrorContextCallback> = const {
        UnsafeCell::new(pg_sys::ErrorContextCallback {
            previous: std::ptr::null_mut(),
            callback: None,
            arg: std::ptr::null_mut(),
        })
    };
}

/// Called while an error is reported, before anybody handles it.
#[pg_guard]
unsafe extern "C-unwind" fn set_fields(_arg: *mut c_void) {
    let Some(attached) = ATTACHED.take() else {
        return;
    };
    // SAFETY: an error is being reported, as it calls this. The names are
    // C strings, and PostgreSQL copies them.
    unsafe {
        if pg_sys::geterrcode() != attached.code {
            return;
        }
        for (field, letter) in FIELDS {
            if let Some(name) = attached.fields.get(field) {
                pg_sys::err_generic_string(letter.into(), name.as_ptr());
            }
        }
    }
}

/// Called while an error, warning or notice is reported.
#[pg_guard]
unsafe extern "C-unwind" fn note_fields(_arg: *mut c_void) {
    // SAFETY: something is being reported, as it calls this. The copy is made
    // in memory that is not reset meanwhile, read, and freed; each name in it
    // is a C string or null.
    boundary::with_reserve(|| unsafe {
        let data = pg_sys::CopyErrorData();
        if (*data).elevel >= PgLogLevel::ERROR as i32 {
            let name = |name: *mut c_char| (!name.is_null()).then(|| CStr::from_ptr(name).into());
            let fields = Fields([
                name((*data).schema_name),
                name((*data).table_name),
                name((*data).column_name),
                name((*data).datatype_name),
                name((*data).constraint_name),
            ]);
            let code = (*data).sqlerrcode;
            NOTED.set(Some(Of { code, fields }));
        }
        pg_sys::FreeErrorData(data);
    })
}

/// Runs `work` and notes the fields of an error that PostgreSQL raises in it,
/// for [`take_noted`].
pub fn noting<T>(work: impl FnOnce() -> T) -> T {
    NOTED.set(None);
    boundary::guarded(|| {
        let mut callback = pg_sys::ErrorContextCallback {
            previous: std::ptr::null_mut(),
            callback: Some(note_fields),
            arg: std::ptr::null_mut(),
        };
        // SAFETY: the callback is off the stack before it is gone: here when
        // `work` returns, and by the boundary when an error unwinds from it.
        unsafe {
            callback.previous = pg_sys::error_context_stack;
            pg_sys::error_context_stack = &raw mut callback;
            let outcome = work();
            pg_sys::error_context_stack = callback.previous;
            outcome
        }
    })
}

/// The fields of the error with this code that [`noting`] noted last.
pub fn take_noted(code: i32) -> Fields {
    let noted = NOTED.take().filter(|noted| noted.code == code);
    noted.map(|noted| noted.fields).unwrap_or_default()
}

/// Runs the body of a function that C calls. An error that PostgreSQL raises in
/// it and that nobody catches keeps its fields.
pub fn kept<T>(body: impl FnOnce() -> T) -> T {
    struct AttachNoted;
    impl Drop for AttachNoted {
        fn drop(&mut self) {
            let noted = NOTED.take();
            if let Some(noted) = noted.filter(|_| std::thread::panicking()) {
                noted.fields.attach(noted.code);
            }
        }
    }
    let _attach = AttachNoted;
    noting(body)
}
