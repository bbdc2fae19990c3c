//! Expressions of a table that run nothing but PostgreSQL's own functions, none of
//! which runs code of somebody else's. What is not known to be so goes by SQL.

use std::ffi::c_void;

use pgrx::pg_sys::NodeTag::{self, *};
use pgrx::{pg_guard, pg_sys};

use crate::pg::compat::attribute;
use crate::pg::relation::Relation;

/// Functions that are not immutable, and that only read the clock, draw a number or
/// count with them.
const HARMLESS: [u32; 8] = [
    pg_sys::F_NOW,
    pg_sys::F_TRANSACTION_TIMESTAMP,
    pg_sys::F_STATEMENT_TIMESTAMP,
    pg_sys::F_CLOCK_TIMESTAMP,
    pg_sys::F_TIMESTAMPTZ_PL_INTERVAL,
    pg_sys::F_TIMESTAMPTZ_MI_INTERVAL,
    pg_sys::F_GEN_RANDOM_UUID,
    pg_sys::F_NEXTVAL,
];

/// Nodes that do no more than call the functions that `check_functions_in_node` finds
/// in them. A cast to a domain, an XML or JSON expression, an aggregate, a query are
/// not among them.
const PLAIN: [NodeTag; 18] = [
    T_List,
    T_Var,
    T_Const,
    T_FuncExpr,
    T_NamedArgExpr,
    T_OpExpr,
    T_DistinctExpr,
    T_NullIfExpr,
    T_ScalarArrayOpExpr,
    T_BoolExpr,
    T_RelabelType,
    T_CoerceViaIO,
    T_CaseExpr,
    T_CaseWhen,
    T_CaseTestExpr,
    T_CoalesceExpr,
    T_NullTest,
    T_BooleanTest,
];

/// The same, and as harmless by themselves: an array that is put together, the time or
/// the role, the next number of an identity column.
const BY_THEMSELVES: [NodeTag; 3] = [T_ArrayExpr, T_SQLValueFunction, T_NextValueExpr];

/// Objects with a number below this are PostgreSQL's own.
const FIRST_OF_OTHERS: u32 = pg_sys::FirstNormalObjectId;

/// Whether the constraints and defaults of a table are harmless, and what its indexes
/// evaluate and compare with.
pub(super) fn all_are_harmless(relation: &Relation, indexes: &[Relation]) -> bool {
    constraints_of(relation).into_iter().chain(defaults_of(relation)).all(is_harmless)
        && indexes.iter().all(|index| {
            // SAFETY: the index is open; the lists are copies.
            let lists =
                unsafe { [pg_sys::RelationGetIndexExpressions(index.0), pg_sys::RelationGetIndexPredicate(index.0)] };
            lists.into_iter().all(|list| is_harmless(list.cast())) && compares_by_compiled_functions(index)
        })
}

fn constraints_of(relation: &Relation) -> Vec<*mut pg_sys::Node> {
    // SAFETY: the constraints belong to the open table's descriptor; their texts are C
    // strings that PostgreSQL wrote.
    unsafe {
        let constraints = (*relation.descriptor()).constr;
        if constraints.is_null() {
            return Vec::new();
        }
        (0..usize::from((*constraints).num_check))
            .map(|place| pg_sys::stringToNode((*(*constraints).check.add(place)).ccbin).cast())
            .collect()
    }
}

/// The default of each column, null where it is NULL.
pub(super) fn defaults_of(relation: &Relation) -> Vec<*mut pg_sys::Node> {
    // SAFETY: each position is within the descriptor of the open table.
    unsafe {
        let descriptor = relation.descriptor();
        (1..=(*descriptor).natts)
            .map(|place| {
                let column = attribute(descriptor, place);
                if column.attisdropped || column.attgenerated != 0 {
                    return std::ptr::null_mut();
                }
                pg_sys::build_column_default(relation.0, place)
            })
            .collect()
    }
}

fn is_harmless(expression: *mut pg_sys::Node) -> bool {
    // SAFETY: an expression as PostgreSQL stores it, or null.
    unsafe { !does_more(expression, std::ptr::null_mut()) }
}

/// Whether the expression may do more than PostgreSQL's own harmless functions.
#[pg_guard]
unsafe extern "C-unwind" fn does_more(node: *mut pg_sys::Node, nothing: *mut c_void) -> bool {
    // SAFETY: PostgreSQL passes a node or null; a node is taken for what its tag says.
    unsafe {
        if node.is_null() {
            return false;
        }
        let tag = (*node).type_;
        if tag == T_MinMaxExpr {
            // Compared by the type's own order.
            let kind = (*node.cast::<pg_sys::MinMaxExpr>()).minmaxtype;
            if !is_plain_type(kind) {
                return true;
            }
        } else if BY_THEMSELVES.contains(&tag) {
            // Nothing to look at but what is below.
        } else if !PLAIN.contains(&tag) || pg_sys::check_functions_in_node(node, Some(is_unknown), nothing) {
            return true;
        }
        pg_sys::expression_tree_walker(node, Some(does_more), nothing)
    }
}

/// Whether values of the type are compared by PostgreSQL's own code: a base type that
/// is no container of others.
fn is_plain_type(kind: pg_sys::Oid) -> bool {
    // SAFETY: catalogue look-ups inside a transaction.
    unsafe {
        kind.to_u32() < FIRST_OF_OTHERS
            && pg_sys::get_typtype(kind) as u8 == pg_sys::TYPTYPE_BASE
            && pg_sys::get_element_type(kind) == pg_sys::InvalidOid
    }
}

/// Whether a function is none that is known to be harmless: PostgreSQL's own, which is
/// compiled and immutable or on the list. What reads tables, or runs a text as a query, is
/// never immutable.
#[pg_guard]
unsafe extern "C-unwind" fn is_unknown(function: pg_sys::Oid, _nothing: *mut c_void) -> bool {
    if function.to_u32() >= FIRST_OF_OTHERS || language_of(function) != pg_sys::INTERNALlanguageId {
        return true;
    }
    // SAFETY: a catalogue look-up inside a transaction.
    let volatility = unsafe { pg_sys::func_volatile(function) } as u8;
    volatility != pg_sys::PROVOLATILE_IMMUTABLE && !HARMLESS.contains(&function.to_u32())
}

/// Whether the functions behind an index's operator classes, which anybody's superuser
/// may have declared, are compiled.
fn compares_by_compiled_functions(index: &Relation) -> bool {
    // SAFETY: the index is open; it has as many support functions for each of its key
    // columns as its access method says.
    let functions = unsafe {
        let each = usize::from((*(*index.0).rd_indam).amsupport);
        let columns = usize::try_from((*(*index.0).rd_index).indnkeyatts).unwrap_or(0);
        std::slice::from_raw_parts((*index.0).rd_support, each * columns).to_vec()
    };
    functions
        .into_iter()
        .filter(|function| *function != pg_sys::InvalidOid)
        .all(|function| [pg_sys::INTERNALlanguageId, pg_sys::ClanguageId].contains(&language_of(function)))
}

fn language_of(function: pg_sys::Oid) -> u32 {
    // SAFETY: a catalogue look-up inside a transaction; the tuple is read before it is
    // released.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::PROCOID as i32, pg_sys::Datum::from(function));
        if tuple.is_null() {
            return 0;
        }
        let entry: *const pg_sys::FormData_pg_proc = pg_sys::heap_tuple_get_struct(tuple);
        let language = (*entry).prolang.to_u32();
        pg_sys::ReleaseSysCache(tuple);
        language
    }
}
