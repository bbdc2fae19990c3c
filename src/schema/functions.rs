//! Which functions of `public` are the library's: language, library and symbol decide.

use super::check::Findings;
use super::{FUNCTIONS, Function, SIGNATURES};
use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;

/// What stands under the signature of a managed function.
struct State {
    /// Whether it is the library's, under its symbol.
    is_compiled: bool,
    public_may_execute: bool,
}

/// `None` where nothing does.
fn state(spi: &Spi, function: &Function) -> Result<Option<State>> {
    let rows = spi.read_once(include_str!("function.sql"), args![function.signature, function.symbol])?;
    rows.first().map(|row| Ok(State { is_compiled: row.expect(1)?, public_may_execute: row.expect(2)? })).transpose()
}

/// The signatures of the functions that are the library's.
pub fn compiled(spi: &Spi) -> Result<Vec<&'static str>> {
    let mut compiled = Vec::new();
    for function in FUNCTIONS {
        if state(spi, function)?.is_some_and(|state| state.is_compiled) {
            compiled.push(function.signature);
        }
    }
    Ok(compiled)
}

/// Overloads of managed functions: same name, other argument types. They stay,
/// and a caller may still reach them with the rights they had.
pub fn overloads(spi: &Spi) -> Result<Vec<String>> {
    spi.query_once(include_str!("overloads.sql"), args![SIGNATURES])?.column()
}

/// Which functions are compiled, which a team replaced (a note), which are missing.
pub fn check(spi: &Spi) -> Result<Findings> {
    let mut findings = Findings::default();
    for function in FUNCTIONS {
        let signature = function.signature;
        let restore = function.restore_statement();
        let Some(state) = state(spi, function)? else {
            findings.failures.push(format!("{signature} is missing: run {restore}"));
            continue;
        };
        if !state.is_compiled {
            findings.notes.push(format!("{signature} is not the compiled function; to restore that, run {restore}"));
        }
        if state.public_may_execute {
            findings.failures.push(if state.is_compiled {
                format!("{signature} was made anew and PUBLIC may execute it: run {restore}")
            } else {
                format!(
                    "PUBLIC may execute {signature}: grant that to the roles that need it, and run \
                     REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC"
                )
            });
        }
    }
    findings.notes.extend(overloads(spi)?);
    Ok(findings)
}
