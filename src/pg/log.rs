//! Lines of the server's log.

use std::ffi::{CStr, CString, c_char, c_int};

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

use super::boundary;

unsafe extern "C-unwind" {
    /// Ends a report; of those that begin and fill one, pgrx binds all that are needed here.
    fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
}

const FILE: &CStr = c"log.rs";
const FUNCTION: &CStr = c"auria";

/// Writes a line to the server's log alone. The statement that runs is not written beside it, nor
/// what calls it: both may name a patient.
pub fn write(line: &str) {
    let line = CString::new(line).unwrap_or_default();
    // SAFETY: a report is begun, filled and ended in this order, with C strings. At this level
    // it returns, unless somebody cancelled the statement: that becomes an unwinding here.
    boundary::guarded(|| unsafe {
        if pg_sys::errstart_cold(pg_sys::LOG_SERVER_ONLY as c_int, std::ptr::null()) {
            pg_sys::errmsg_internal(c"%s".as_ptr(), line.as_ptr());
            pg_sys::errhidestmt(true);
            pg_sys::errhidecontext(true);
            pg_guard_ffi_boundary(|| errfinish(FILE.as_ptr(), 0, FUNCTION.as_ptr()));
        }
    });
}
