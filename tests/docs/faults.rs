//! The table of faults is up to date: each names lines that are there. Whether a test notices is for `make test-faults`.

use std::fs;

use auria_tests::repository;

#[path = "../../tools/faults/table.rs"]
mod table;

#[test]
fn each_fault_of_the_table_can_be_put_into_the_sources() {
    let text = fs::read_to_string(repository().join("tools/faults/faults.txt")).unwrap();
    let faults = table::read(&text);
    assert!(faults.len() > 40);
    let outdated: Vec<String> = faults
        .iter()
        .filter_map(|fault| {
            let source = fs::read_to_string(repository().join(&fault.file)).unwrap_or_default();
            let missing = fault.put_into(&source).err()?;
            Some(format!("{} ({}, {}):\n{missing}", fault.name, fault.file, fault.filter))
        })
        .collect();
    assert!(outdated.is_empty(), "{}", outdated.join("\n"));
}
