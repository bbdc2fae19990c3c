//! Values as they are stored: compared, and looked into, by their bytes.

use pgrx::pg_sys;

/// The string under a key of a jsonb, as a text.
///
/// # Safety
/// The datum must be a non-null jsonb.
pub(super) unsafe fn json_string(jsonb: pg_sys::Datum, key: &str) -> Option<pg_sys::Datum> {
    // SAFETY: the caller's promise: a jsonb, which is copied where it is not
    // plain and aligned. The key is looked up in an object only, as PostgreSQL
    // demands, and what is found points into the same memory. Nothing here
    // recurses. Six functions of SQL for two keys take 3 µs longer.
    unsafe {
        let jsonb: *mut pg_sys::Jsonb = pg_sys::pg_detoast_datum(jsonb.cast_mut_ptr()).cast();
        let root = &raw mut (*jsonb).root;
        if (*root).header & pg_sys::JB_FOBJECT == 0 {
            return None;
        }
        let found = pg_sys::getKeyJsonValueFromContainer(
            root,
            key.as_ptr().cast(),
            core::ffi::c_int::try_from(key.len()).ok()?,
            std::ptr::null_mut(),
        );
        if found.is_null() || (*found).type_ != pg_sys::jbvType::jbvString {
            return None;
        }
        let string = (*found).val.string;
        Some(pg_sys::Datum::from(pg_sys::cstring_to_text_with_len(string.val, string.len)))
    }
}

/// Whether two values have the same bytes, compressed and out-of-line ones
/// fetched first.
///
/// # Safety
/// Both datums must be non-null values of the column.
pub(super) unsafe fn is_same(one: pg_sys::Datum, other: pg_sys::Datum, column: &pg_sys::FormData_pg_attribute) -> bool {
    let length = column.attlen;
    // SAFETY: what the column says (by value, that many bytes, or a varlena) is how
    // it is read.
    unsafe {
        if column.attbyval {
            return one == other;
        }
        if length > 0 {
            let length = length as usize;
            let one = std::slice::from_raw_parts(one.cast_mut_ptr::<u8>(), length);
            let other = std::slice::from_raw_parts(other.cast_mut_ptr::<u8>(), length);
            return one == other;
        }
        if length == -1 {
            // A column that the statement leaves alone has the same pointer:
            // nothing is fetched to see that.
            if stored_form(one) == stored_form(other) {
                return true;
            }
            if pg_sys::toast_raw_datum_size(one) != pg_sys::toast_raw_datum_size(other) {
                return false;
            }
            let one = pg_sys::pg_detoast_datum_packed(one.cast_mut_ptr());
            let other = pg_sys::pg_detoast_datum_packed(other.cast_mut_ptr());
            return pgrx::varlena_to_byte_slice(one) == pgrx::varlena_to_byte_slice(other);
        }
    }
    // A C string: not the type of any column here; taken as changed.
    false
}

/// A varlena as the row holds it: inline, compressed, or a pointer.
///
/// # Safety
/// The datum must be a non-null varlena.
unsafe fn stored_form<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: the header says how long it is, also for a pointer.
    unsafe {
        let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
        std::slice::from_raw_parts(varlena.cast(), pgrx::varsize_any(varlena))
    }
}
