//! Errors that are caught, complete: to decide by, to change a text of, and to raise again as they were raised.
//!
//! pgrx carries an error that nobody catches through Rust code unchanged. What a handler gets is a copy with less in it:
//! no SQLSTATE but those that PostgreSQL itself uses, no names of objects, no context. So the original is copied here.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char};
use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;

use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::{PgLogLevel, PgSqlErrorCode, PgTryBuilder, pg_sys};

use super::{boundary, compat};
use crate::error::{self, Error, SqlState};

/// A text of an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text {
    /// The primary message.
    Message,
    /// The DETAIL.
    Detail,
    /// The HINT.
    Hint,
    /// The CONTEXT: what was running, the innermost first, a line or more each.
    Context,
    /// The schema of table or type.
    Schema,
    /// The table.
    Table,
    /// A column of the table.
    Column,
    /// A constraint of table or type.
    Constraint,
}

impl Text {
    fn of(self, data: &mut pg_sys::ErrorData) -> &mut *mut c_char {
        match self {
            Self::Message => &mut data.message,
            Self::Detail => &mut data.detail,
            Self::Hint => &mut data.hint,
            Self::Context => &mut data.context,
            Self::Schema => &mut data.schema_name,
            Self::Table => &mut data.table_name,
            Self::Column => &mut data.column_name,
            Self::Constraint => &mut data.constraint_name,
        }
    }
}

/// An error that was caught.
///
/// Message and detail are PostgreSQL's own where it raised the error, and may quote values of a row: decide by them, but
/// never log or raise them anew where the rows hold patient data.
#[derive(Debug)]
pub struct Caught {
    /// The SQLSTATE.
    pub code: SqlState,
    error: Whole,
}

#[derive(Debug)]
enum Whole {
    /// One that was raised.
    Raised(Record),
    /// One that a function returned, or a panic.
    Returned(Error),
}

/// Runs `work` and returns the error that is raised in it. Nothing is rolled back: whoever gets one raises an error
/// again, or ends the subtransaction.
///
/// The error is copied and forgotten by PostgreSQL before anything else happens: PostgreSQL has room for five, and an
/// error that is raised while another is handled takes the next place.
pub fn catching<T>(work: impl FnOnce() -> T) -> Result<T, Caught> {
    PgTryBuilder::new(AssertUnwindSafe(|| Ok(boundary::guarded(work))))
        .catch_others(|caught| Err(Caught::of(&caught)))
        .execute()
}

impl Caught {
    fn of(caught: &CaughtError) -> Self {
        match caught {
            CaughtError::PostgresError(_) => match Record::of_current_error() {
                Some(record) => Self { code: record.code(), error: Whole::Raised(record) },
                None => error::out_of_memory_for_an_error().into(),
            },
            CaughtError::ErrorReport(report) => {
                let mut error = Error::new(report.sql_error_code(), report.message().to_owned());
                if let Some(detail) = report.detail() {
                    error = error.detail(detail.to_owned());
                }
                if let Some(hint) = report.hint() {
                    error = error.hint(hint.to_owned());
                }
                error.into()
            }
            CaughtError::RustPanic { ereport, .. } => {
                Error::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, ereport.message().to_owned()).into()
            }
        }
    }

    /// A text, if the error has it.
    pub fn text(&self, text: Text) -> Option<Cow<'_, str>> {
        match (&self.error, text) {
            (Whole::Raised(record), _) => record.text(text).map(CStr::to_string_lossy),
            (Whole::Returned(error), Text::Message) => Some(error.message_text().into()),
            (Whole::Returned(error), Text::Detail) => error.detail_text().map(Cow::from),
            (Whole::Returned(error), Text::Hint) => error.hint_text().map(Cow::from),
            (Whole::Returned(_), _) => None,
        }
    }

    /// The primary message.
    pub fn message(&self) -> Cow<'_, str> {
        self.text(Text::Message).unwrap_or_default()
    }

    /// Puts another text, or none, in the place of one that was raised.
    pub fn set(&mut self, text: Text, value: Option<&str>) {
        if let Whole::Raised(record) = &mut self.error {
            record.set(text, value);
        }
    }

    /// The same error about the same objects, in other words.
    pub fn saying(mut self, error: &Error) -> Self {
        for (text, value) in [
            (Text::Message, Some(error.message_text())),
            (Text::Detail, error.detail_text()),
            (Text::Hint, error.hint_text()),
        ] {
            self.set(text, value);
        }
        self
    }

    /// Whether the message is PostgreSQL's or the extension's own, with the names of objects put into it: not one that
    /// somebody wrote in a function.
    pub fn names_objects(&self) -> bool {
        match &self.error {
            Whole::Raised(record) => record.names_objects(),
            Whole::Returned(_) => true,
        }
    }

    /// Whether the statement as a whole is to end: somebody cancelled it, or the server is being shut down.
    pub fn ends_the_statement(&self) -> bool {
        self.code.is_of_class("57")
    }

    /// Whether a repetition may not meet it: a deadlock, no memory, a full disk, a cancel, a lock's timeout.
    pub fn may_pass(&self) -> bool {
        ["40", "53", "57", "58"].iter().any(|class| self.code.is_of_class(class))
            || self.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
    }

    /// For a report: what a client would read, without the names of objects.
    pub fn into_error(self) -> Error {
        if let Whole::Returned(error) = self.error {
            return error;
        }
        let mut error = Error::new(self.code.into(), self.message().into_owned());
        if let Some(detail) = self.text(Text::Detail) {
            error = error.detail(detail.into_owned());
        }
        if let Some(hint) = self.text(Text::Hint) {
            error = error.hint(hint.into_owned());
        }
        error
    }

    /// Raises the error again, as it was.
    pub fn raise(self) -> ! {
        match self.error {
            Whole::Raised(record) => record.raise(),
            Whole::Returned(error) => error.raise(),
        }
    }
}

impl From<Error> for Caught {
    fn from(error: Error) -> Self {
        Self { code: error.code().into(), error: Whole::Returned(error) }
    }
}

/// PostgreSQL's own record of an error, in memory of its own that nothing else frees.
#[derive(Debug)]
struct Record {
    data: NonNull<pg_sys::ErrorData>,
    memory: pg_sys::MemoryContext,
}

impl Record {
    /// A copy of the error that PostgreSQL raised last; `None` where there is no memory for it.
    fn of_current_error() -> Option<Self> {
        let copy = || {
            // SAFETY: called by a handler, while PostgreSQL has the error. The context belongs to the record, and the
            // current one is put back also when the copy fails.
            unsafe {
                let memory = pg_sys::AllocSetContextCreateInternal(
                    pg_sys::TopMemoryContext,
                    c"auria caught error".as_ptr(),
                    pg_sys::ALLOCSET_SMALL_MINSIZE as pg_sys::Size,
                    pg_sys::ALLOCSET_SMALL_INITSIZE as pg_sys::Size,
                    pg_sys::ALLOCSET_DEFAULT_MAXSIZE as pg_sys::Size,
                );
                let before = pg_sys::MemoryContextSwitchTo(memory);
                let mut record = Self { data: NonNull::dangling(), memory };
                let copied = PgTryBuilder::new(AssertUnwindSafe(|| Some(pg_sys::CopyErrorData())))
                    .catch_others(|_| None)
                    .execute();
                pg_sys::MemoryContextSwitchTo(before);
                record.data = NonNull::new(copied?)?;
                Some(record)
            }
        };
        PgTryBuilder::new(AssertUnwindSafe(copy)).catch_others(|_| None).execute()
    }

    fn data(&self) -> &pg_sys::ErrorData {
        // SAFETY: as long as the record lives.
        unsafe { self.data.as_ref() }
    }

    fn code(&self) -> SqlState {
        SqlState::of_packed(self.data().sqlerrcode)
    }

    fn text(&self, text: Text) -> Option<&CStr> {
        let mut data = *self.data();
        let text = *text.of(&mut data);
        // SAFETY: null or a C string in the record's memory.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
    }

    fn set(&mut self, text: Text, value: Option<&str>) {
        let value = value.and_then(|value| CString::new(value).ok());
        // SAFETY: the copy is made in the record's memory.
        unsafe {
            *text.of(self.data.as_mut()) = match value {
                Some(value) => pg_sys::MemoryContextStrdup(self.memory, value.as_ptr()),
                None => std::ptr::null_mut(),
            };
        }
    }

    /// The text before names were put into it tells: RAISE, and what other languages have in its place, pass the whole
    /// message as one.
    fn names_objects(&self) -> bool {
        let data = self.data();
        // SAFETY: each is null or a C string; both are constants of a library that stays loaded.
        let [format, function] =
            [data.message_id, data.funcname].map(|text| (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }));
        function == Some(RAISED_HERE) || format.is_some_and(|format| format != c"%s")
    }

    fn raise(self) -> ! {
        boundary::guarded(|| {
            // SAFETY: a complete record, which PostgreSQL copies. It is dropped when the error unwinds from here.
            boundary::with_reserve(|| unsafe { compat::rethrow(self.data.as_ptr()) })
        })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // SAFETY: the record's own memory, deleted once. It is the current context of nobody.
        unsafe { pg_sys::MemoryContextDelete(self.memory) }
    }
}

/// The function that an error of the extension names as its place.
const RAISED_HERE: &CStr = c"auria";

/// Raises an error of the extension.
pub fn throw(code: SqlState, texts: &[(Text, &str)]) -> ! {
    let texts: Vec<_> = texts.iter().filter_map(|(text, value)| Some((*text, CString::new(*value).ok()?))).collect();
    boundary::guarded(|| {
        let mut data = pg_sys::ErrorData {
            elevel: PgLogLevel::ERROR as i32,
            sqlerrcode: code.packed(),
            filename: c"error.rs".as_ptr(),
            funcname: RAISED_HERE.as_ptr(),
            ..Default::default()
        };
        for (text, value) in &texts {
            *text.of(&mut data) = value.as_ptr().cast_mut();
        }
        // SAFETY: PostgreSQL copies the texts, which are C strings; place and function are constants.
        boundary::with_reserve(|| unsafe { pg_sys::ThrowErrorData(&raw mut data) });
        unreachable!("an ERROR does not return")
    })
}

impl Error {
    /// Raises the error now, for callers that have no `Result` to return it in.
    /// Only so do the names of objects reach a client.
    pub fn raise(self) -> ! {
        let mut texts = vec![(Text::Message, self.message_text())];
        texts.extend(self.detail_text().map(|detail| (Text::Detail, detail)));
        texts.extend(self.hint_text().map(|hint| (Text::Hint, hint)));
        if let Some(object) = self.object() {
            texts.extend([(Text::Schema, "public"), (Text::Table, &*object.table)]);
            texts.extend(object.column.as_deref().map(|column| (Text::Column, column)));
            texts.extend(object.constraint.as_deref().map(|constraint| (Text::Constraint, constraint)));
        }
        throw(self.code().into(), &texts)
    }
}

/// What a function of SQL returns. A report has no place for the names of objects: an error with some is raised here.
impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        if error.object().is_some() {
            error.raise();
        }
        let mut report = ErrorReport::new(error.code(), error.message_text().to_owned(), "auria");
        if let Some(detail) = error.detail_text() {
            report = report.set_detail(detail.to_owned());
        }
        if let Some(hint) = error.hint_text() {
            report = report.set_hint(hint.to_owned());
        }
        report
    }
}
