//! Statements whose plan is cached.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::rc::Rc;
use std::thread::LocalKey;

use pgrx::pg_sys;

use super::{Arg, c_string, spi_failure};
use crate::error::Result;
use crate::pg::boundary;

/// A statement whose plan is made at its first use and cached until this is dropped,
/// over transactions too: for as long as the backend lives, if it is declared with
/// [`statement!`](crate::statement).
pub struct Statement {
    sql: Cow<'static, CStr>,
    plan: Cell<Option<NonNull<pg_sys::_SPI_plan>>>,
}

impl Statement {
    /// A statement of the sources.
    pub const fn new(sql: &'static CStr) -> Self {
        Self { sql: Cow::Borrowed(sql), plan: Cell::new(None) }
    }

    /// A statement whose text is put together at run time.
    pub fn of(sql: &str) -> Result<Self> {
        Ok(Self { sql: Cow::Owned(c_string(sql)?), plan: Cell::new(None) })
    }

    /// The plan, made if it is not there yet. The caller holds an [`Spi`](super::Spi).
    pub(super) fn plan(&self, args: &[Arg<'_>]) -> Result<NonNull<pg_sys::_SPI_plan>> {
        if let Some(plan) = self.plan.get() {
            return Ok(plan);
        }
        let mut types: Vec<pg_sys::Oid> = args.iter().map(|arg| arg.oid).collect();
        // SAFETY: `sql` is a C string, `types` holds as many oids as is said,
        // and the caller holds an `Spi`, so SPI is connected. An error in the
        // SQL raises; a null pointer means misuse and is checked.
        let plan = unsafe {
            let plan = boundary::with_reserve(|| {
                pg_sys::SPI_prepare(self.sql.as_ptr(), types.len() as core::ffi::c_int, types.as_mut_ptr())
            });
            let plan = NonNull::new(plan).ok_or_else(|| spi_failure("SPI_prepare"))?;
            // Moves the plan to memory that outlives this call and transaction.
            if pg_sys::SPI_keepplan(plan.as_ptr()) != 0 {
                return Err(spi_failure("SPI_keepplan"));
            }
            plan
        };
        self.plan.set(Some(plan));
        Ok(plan)
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if let Some(plan) = self.plan.take() {
            // SAFETY: the plan was kept, so it is this value's to free, once. An abort
            // leaves it alone.
            unsafe { pg_sys::SPI_freeplan(plan.as_ptr()) };
        }
    }
}

/// A statement that [`statement!`](crate::statement) declares. It is not dropped: at the
/// backend's end there is nothing to free any more.
pub type Declared = LocalKey<ManuallyDrop<Statement>>;

/// What [`Spi::query`](super::Spi::query) runs.
pub trait Planned {
    /// Calls `work` with the statement.
    fn with_statement<T>(self, work: impl FnOnce(&Statement) -> T) -> T;
}

impl Planned for &Statement {
    fn with_statement<T>(self, work: impl FnOnce(&Statement) -> T) -> T {
        work(self)
    }
}

impl Planned for &'static Declared {
    fn with_statement<T>(self, work: impl FnOnce(&Statement) -> T) -> T {
        self.with(|statement| work(statement))
    }
}

/// Declares statements: `statement! { NAME = "SELECT …"; }`, or with
/// `include_str!("name.sql")`.
#[macro_export]
macro_rules! statement {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        thread_local! {
            $($(#[$doc])* static $name: std::mem::ManuallyDrop<$crate::pg::spi::Statement> = const {
                // The literal is NUL-terminated right here and holds no other NUL.
                match core::ffi::CStr::from_bytes_with_nul(concat!($sql, "\0").as_bytes()) {
                    Ok(sql) => std::mem::ManuallyDrop::new($crate::pg::spi::Statement::new(sql)),
                    Err(_) => panic!("a statement must not contain NUL"),
                }
            };)+
        }
    };
}

/// How many statements that are made at run time a backend caches.
const CACHED_STATEMENTS: usize = 128;

/// The text of a statement, and the types of its arguments.
type TextAndTypes = (String, Vec<pg_sys::Oid>);

thread_local! {
    /// What [`Spi::query_text`](super::Spi::query_text) has prepared.
    static CACHED: ManuallyDrop<RefCell<HashMap<TextAndTypes, Rc<Statement>>>> = ManuallyDrop::default();
}

/// The statement of this text and these types of arguments.
pub(super) fn cached(sql: &str, args: &[Arg<'_>]) -> Result<Rc<Statement>> {
    let key = (sql.to_owned(), args.iter().map(|arg| arg.oid).collect());
    if let Some(statement) = CACHED.with(|cached| cached.borrow().get(&key).cloned()) {
        return Ok(statement);
    }
    let statement = Rc::new(Statement::of(sql)?);
    CACHED.with(|cached| {
        let mut cached = cached.borrow_mut();
        if cached.len() >= CACHED_STATEMENTS {
            cached.clear();
        }
        cached.insert(key, statement.clone());
    });
    Ok(statement)
}
