//! Citus in the same database. It repeats DDL on its other servers, and distributes tables: neither works with the managed
//! ones, whose rows a charge reads and writes on this server.

use std::ffi::CStr;

use super::TABLES;
use super::check::{Findings, lines};
use crate::args;
use crate::error::Result;
use crate::pg::extension;
use crate::pg::spi::Spi;

/// Settings under which DDL stays on this server.
pub fn settings() -> &'static [(&'static CStr, &'static CStr)] {
    if is_here() { &[(c"citus.enable_ddl_propagation", c"off")] } else { &[] }
}

fn is_here() -> bool {
    extension::exists(c"citus")
}

/// For the doctor: managed tables that Citus has distributed, and what it cannot do.
pub fn check(spi: &Spi, findings: &mut Findings) -> Result<()> {
    if !is_here() {
        return Ok(());
    }
    for table in lines(spi, include_str!("citus.sql"), args![TABLES])? {
        findings.failures.push(format!(
            "{table} is distributed by Citus, and charges write rows on this server: \
             run SELECT undistribute_table('{table}')"
        ));
    }
    findings.notes.push(
        "Citus cannot distribute these tables or make them reference tables: their keys have no column to \
         distribute by, they refer to auth.users, and charges write rows on this server"
            .to_owned(),
    );
    Ok(())
}
