//! Whether an extension records what statements touch. Rows that are written directly pass by it, so what would be
//! recorded goes by SQL.
//!
//! An extension learns of it by PostgreSQL's hook for permission checks (`ExecutorCheckPerms_hook`). pgAudit's is known:
//! its settings, and which statements it skips, say whether it would record anything. Another extension's hook is not,
//! whether it stands alone or pgAudit's passes on to it.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};

use pgrx::pg_sys;

use super::{roles, session};

/// The name that a library has among its symbols if it can set the hook.
const HOOK: &[u8] = b"\0ExecutorCheckPerms_hook\0";

thread_local! {
    /// The hook that was looked at last, and whether pgAudit alone is behind it.
    static KNOWN: Cell<(usize, bool)> = const { Cell::new((0, false)) };
}

/// Who would record what a statement of the role in force reads or writes; `None` where nobody would.
pub fn recorder() -> Option<&'static str> {
    // SAFETY: reads a global of the backend.
    let hook = unsafe { pg_sys::ExecutorCheckPerms_hook }?;
    let address = hook as usize;
    if KNOWN.get().0 != address {
        KNOWN.set((address, is_pgaudit_alone(address)));
    }
    if !KNOWN.get().1 {
        return Some("an extension that checks what statements touch");
    }
    (pgaudit_has_something_to_record() && !pgaudit_skips()).then_some("pgAudit")
}

/// Whether pgAudit's settings let it record a statement that reads or writes rows: a role whose rights it goes by, or one
/// of the classes READ and WRITE.
fn pgaudit_has_something_to_record() -> bool {
    let setting = |name| session::setting(name).map_or(&[][..], CStr::to_bytes);
    !setting(c"pgaudit.role").is_empty() || {
        let classes = String::from_utf8_lossy(setting(c"pgaudit.log")).to_ascii_lowercase();
        records_rows(&classes)
    }
}

/// What the classes of `pgaudit.log` come to: they are read from left to right, and one with a minus is taken away.
fn records_rows(classes: &str) -> bool {
    let (mut read, mut write) = (false, false);
    for class in classes.split(',').map(str::trim) {
        let (class, is_added) = match class.strip_prefix('-') {
            Some(class) => (class, false),
            None => (class, true),
        };
        match class {
            "all" => (read, write) = (is_added, is_added),
            "read" => read = is_added,
            "write" => write = is_added,
            _ => {}
        }
    }
    read || write
}

/// pgAudit records no statement of a role of which the session's own is no member, as in a function that runs with its
/// owner's rights.
fn pgaudit_skips() -> bool {
    // SAFETY: reads a global, and looks up a role inside a transaction.
    unsafe { !pg_sys::is_member_of_role(pg_sys::GetSessionUserId(), roles::effective()) }
}

/// What the walk over the loaded libraries looks for.
struct Search {
    hook: usize,
    hook_is_pgaudits: bool,
    others_may_hook: bool,
}

/// Whether the hook at this address is pgAudit's, and no other loaded library refers to the hook, so that pgAudit's has
/// nobody to pass it on to.
fn is_pgaudit_alone(hook: usize) -> bool {
    let mut search = Search { hook, hook_is_pgaudits: false, others_may_hook: false };
    // SAFETY: calls `look_at` for each loaded library, with a pointer to `search`, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look_at), (&raw mut search).cast()) };
    search.hook_is_pgaudits && !search.others_may_hook
}

/// # Safety
/// To be called by `dl_iterate_phdr`, with a [`Search`].
unsafe extern "C" fn look_at(library: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the caller's promise; the headers and what they point to are mapped for as long as the library is loaded.
    unsafe {
        let (library, search) = (&*library, &mut *search.cast::<Search>());
        let name = if library.dlpi_name.is_null() { c"" } else { CStr::from_ptr(library.dlpi_name) };
        // The server itself has no name here, and has the hook.
        if name.is_empty() {
            return 0;
        }
        let has = |address| contains(library, address);
        if name.to_bytes().ends_with(b"/pgaudit.so") {
            search.hook_is_pgaudits |= has(search.hook);
        } else if !has(look_at as *const () as usize) && mentions_the_hook(library) {
            search.others_may_hook = true;
        }
        0
    }
}

/// # Safety
/// The library must be loaded.
unsafe fn headers(library: &libc::dl_phdr_info) -> &[libc::Elf64_Phdr] {
    // SAFETY: the caller's promise; there are as many headers as is said.
    unsafe { std::slice::from_raw_parts(library.dlpi_phdr, library.dlpi_phnum.into()) }
}

/// Whether the address is in one of the library's segments.
///
/// # Safety
/// The library must be loaded.
unsafe fn contains(library: &libc::dl_phdr_info, address: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { headers(library) }.iter().filter(|header| header.p_type == libc::PT_LOAD).any(|header| {
        let start = (library.dlpi_addr + header.p_vaddr) as usize;
        (start..start + header.p_memsz as usize).contains(&address)
    })
}

/// Whether the hook's name is among the library's symbols.
///
/// # Safety
/// The library must be loaded.
unsafe fn mentions_the_hook(library: &libc::dl_phdr_info) -> bool {
    const STRINGS: i64 = 5;
    const SIZE_OF_STRINGS: i64 = 10;
    // SAFETY: the caller's promise: the dynamic section is a list of pairs that ends with zero, and gives place and size of
    // the names.
    unsafe {
        let Some(dynamic) = headers(library).iter().find(|header| header.p_type == libc::PT_DYNAMIC) else {
            return false;
        };
        let mut entry = (library.dlpi_addr + dynamic.p_vaddr) as *const [i64; 2];
        let (mut strings, mut size) = (0_u64, 0_usize);
        while (*entry)[0] != 0 {
            match *entry {
                [STRINGS, place] => strings = place as u64,
                [SIZE_OF_STRINGS, length] => size = length as usize,
                _ => {}
            }
            entry = entry.add(1);
        }
        if strings == 0 || size == 0 {
            return false;
        }
        // The C library has put the address in place, or left the offset.
        let address = if strings < library.dlpi_addr { library.dlpi_addr + strings } else { strings };
        let names = std::slice::from_raw_parts(address as *const u8, size);
        names.windows(HOOK.len()).any(|window| window == HOOK)
    }
}
