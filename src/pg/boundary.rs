//! The boundary that errors cross: PostgreSQL raises one by a jump, pgrx copies it and makes
//! a panic of it.
//!
//! pgrx copies the error before it puts back who handles errors and who adds context to
//! them. Both then still point into functions that the jump has left. That goes well as long as
//! nothing fails; where there is no memory for the copy, PostgreSQL calls what is no longer
//! there, and the server goes down with all its connections.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::NonNull;

use pgrx::{pg_guard, pg_sys};

/// Runs `work`, which calls into PostgreSQL, so that an error crosses the boundary whole, or
/// else the lack of memory that it met: as a panic, with everything put back that PostgreSQL
/// knows of its handlers.
///
/// Around whatever may run SQL or allocate much, and inside of whatever catches its errors.
pub fn guarded<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: reads globals of the backend. The callback stays on the stack of contexts until
    // the drop takes it off, which is before it is gone itself: when `work` returns, and when
    // an error unwinds from it.
    unsafe {
        let mut callback = pg_sys::ErrorContextCallback {
            previous: pg_sys::error_context_stack,
            callback: Some(leave_what_is_above),
            arg: std::ptr::null_mut(),
        };
        callback.arg = (&raw mut callback).cast();
        let _put_back = PutBack { handler: pg_sys::PG_exception_stack, contexts: callback.previous };
        pg_sys::error_context_stack = &raw mut callback;
        work()
    }
}

struct PutBack {
    handler: *mut pg_sys::sigjmp_buf,
    contexts: *mut pg_sys::ErrorContextCallback,
}

impl Drop for PutBack {
    fn drop(&mut self) {
        // SAFETY: both were in force when the call began, and outlive it.
        unsafe {
            pg_sys::PG_exception_stack = self.handler;
            pg_sys::error_context_stack = self.contexts;
        }
    }
}

/// Called while an error, warning or notice is reported, after what was put on the stack of
/// contexts since: takes that off, as an error leaves those functions next. The text that they
/// add to it has been added.
///
/// A warning or notice leaves nothing. One that a function gave an error's code is taken for an
/// error: what follows it in the same call may lack a line of context, no more, as each function
/// puts back what it found when it returns.
#[pg_guard]
unsafe extern "C-unwind" fn leave_what_is_above(own: *mut c_void) {
    // SAFETY: something is being reported, as it calls this. `own` is the callback itself, which
    // is on the stack, and so alive.
    unsafe {
        if !NO_ERROR.contains(&(pg_sys::geterrcode() & CLASS)) {
            pg_sys::error_context_stack = own.cast();
        }
    }
}

/// The class of a SQLSTATE: its first two characters, of which PostgreSQL packs each into six
/// bits, the first one lowest.
const CLASS: i32 = 0xFFF;
/// Classes 00, 01 and 02: success, warning, no data.
const NO_ERROR: [i32; 3] = [0, 1 << 6, 2 << 6];

/// How much memory is kept to copy an error to. Texts up to an eighth of it fit, and what says
/// that there was none for a longer one.
const RESERVED: pg_sys::Size = 64 << 10;

thread_local! {
    static RESERVE: Cell<Option<NonNull<pg_sys::MemoryContextData>>> = const { Cell::new(None) };
}

/// Runs `call`, a function of SPI's, so that there is memory to copy an error to that it raises:
/// pgrx copies to the context that was the current one before. SPI has contexts of its own.
pub(super) fn with_reserve<T>(call: impl FnOnce() -> T) -> T {
    let _switched = Reserve::switch_to();
    call()
}

struct Reserve {
    own: NonNull<pg_sys::MemoryContextData>,
    before: pg_sys::MemoryContext,
}

impl Reserve {
    fn switch_to() -> Self {
        let own = RESERVE.get().unwrap_or_else(|| {
            // SAFETY: lives as long as the backend; raises when there is no memory.
            let made = unsafe {
                NonNull::new_unchecked(pg_sys::AllocSetContextCreateInternal(
                    pg_sys::TopMemoryContext,
                    c"auria error".as_ptr(),
                    0,
                    RESERVED,
                    RESERVED,
                ))
            };
            RESERVE.set(Some(made));
            made
        });
        // SAFETY: a context that is never deleted.
        let before = unsafe { pg_sys::MemoryContextSwitchTo(own.as_ptr()) };
        Self { own, before }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        // SAFETY: the context from before outlives the call. Nothing that is still read lies in
        // the reserve: pgrx has made texts of Rust's of an error, and freed all that it could.
        unsafe {
            pg_sys::MemoryContextSwitchTo(self.before);
            if std::thread::panicking() {
                pg_sys::MemoryContextReset(self.own.as_ptr());
            }
        }
    }
}
