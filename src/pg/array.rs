//! Arrays of one dimension, as arguments and results: a list of names or ids
//! is passed as such, never as text that is joined and split.

use pgrx::pg_sys;

use super::value::Value;

/// How the elements of an array are stored.
struct Layout {
    length: i16,
    by_value: bool,
    align: core::ffi::c_char,
}

impl Layout {
    fn of(element: pg_sys::Oid) -> Self {
        let (mut length, mut by_value, mut align) = (0, false, 0);
        // SAFETY: a catalogue look-up inside a transaction.
        unsafe { pg_sys::get_typlenbyvalalign(element, &mut length, &mut by_value, &mut align) };
        Self { length, by_value, align }
    }
}

/// An array of these elements, in the memory context in force.
///
/// # Safety
/// The datums must be of the type.
pub(super) unsafe fn of(element: pg_sys::Oid, mut elements: Vec<pg_sys::Datum>) -> pg_sys::Datum {
    let Layout { length, by_value, align } = Layout::of(element);
    // SAFETY: as many datums as is said, of a type stored so; they are copied.
    let array = unsafe {
        pg_sys::construct_array(
            elements.as_mut_ptr(),
            elements.len() as core::ffi::c_int,
            element,
            length.into(),
            by_value,
            align,
        )
    };
    pg_sys::Datum::from(array)
}

/// What can be read of an array. NULL elements are left out.
pub trait Element: Value {}

impl Element for bool {}
impl Element for i64 {}
impl Element for String {}
impl Element for Vec<u8> {}
impl Element for pg_sys::Oid {}
impl Element for uuid::Uuid {}

impl<T: Element> Value for Vec<T> {
    fn reads(type_oid: pg_sys::Oid) -> bool {
        // SAFETY: a catalogue look-up inside a transaction.
        T::reads(unsafe { pg_sys::get_element_type(type_oid) })
    }

    unsafe fn read(datum: pg_sys::Datum, is_null: bool, type_oid: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller's promise: an array of what T reads. The datums
        // point into the array, and are read while it is there.
        unsafe {
            let element = pg_sys::get_element_type(type_oid);
            let Layout { length, by_value, align } = Layout::of(element);
            let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
            let (mut datums, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
            pg_sys::deconstruct_array(
                array,
                element,
                length.into(),
                by_value,
                align,
                &mut datums,
                &mut nulls,
                &mut count,
            );
            Some((0..count as usize).filter_map(|at| T::read(*datums.add(at), *nulls.add(at), element)).collect())
        }
    }
}
