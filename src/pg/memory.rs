//! PostgreSQL's memory, where a failed allocation is an error (53200) of the
//! statement. What grows with the size of a value belongs here, or is asked
//! for with `try_reserve`: elsewhere in Rust it would end the process.

use pgrx::pg_sys;

/// Runs `work` in a memory context of its own, freed with all it holds: what
/// one value needs is gone before the next one is fetched.
///
/// What `work` returns must not refer to memory that it allocated there.
pub fn scratch<T: 'static>(work: impl FnOnce() -> T) -> T {
    let _scratch = Scratch::new();
    work()
}

struct Scratch {
    outer: pg_sys::MemoryContext,
    own: pg_sys::MemoryContext,
}

impl Scratch {
    fn new() -> Self {
        // SAFETY: a child of the current context, deleted below, or with its
        // parent when an error is the way out.
        unsafe {
            let own = pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"auria value".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as pg_sys::Size,
                pg_sys::ALLOCSET_SMALL_INITSIZE as pg_sys::Size,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as pg_sys::Size,
            );
            Self { outer: pg_sys::MemoryContextSwitchTo(own), own }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: both contexts are alive; nothing of the own one is referred
        // to any more. While an error unwinds, what it refers to is left to
        // the abort of the transaction.
        unsafe {
            pg_sys::MemoryContextSwitchTo(self.outer);
            if !std::thread::panicking() {
                pg_sys::MemoryContextDelete(self.own);
            }
        }
    }
}
