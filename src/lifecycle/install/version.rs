//! Whether library and extension have the same version.

use crate::args;
use crate::error::Result;
use crate::pg::spi::Spi;
use crate::schema::check::Findings;

/// For the doctor.
pub fn check(spi: &Spi) -> Result<Findings> {
    let library = env!("CARGO_PKG_VERSION");
    let mut findings = Findings::default();
    for row in spi.read_once(include_str!("version.sql"), args![library])?.iter() {
        let (extension, name): (String, String) = (row.expect(1)?, row.expect(2)?);
        findings.failures.push(if numbers(&extension) < numbers(library) {
            format!(
                "the extension is {extension}, older than the library, {library}: run ALTER EXTENSION {name} UPDATE"
            )
        } else {
            format!(
                "the library of this session is {library}, older than the extension, {extension}: connect again, and \
                 if that does not help, install the library of {extension}"
            )
        });
    }
    Ok(findings)
}

/// A version's numbers, to be compared: 0.10.0 is later than 0.9.0.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}
