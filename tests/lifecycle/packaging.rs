//! The descriptions for cargo, PGXN and Debian.

use std::fs;

use auria_tests::repository;
use serde_json::Value;

/// The version that CREATE EXTENSION installs.
fn current_version() -> String {
    let control = read("auria_pg.control");
    let line = control.lines().find_map(|line| line.strip_prefix("default_version = '"));
    line.unwrap().trim_end_matches('\'').to_owned()
}

fn read(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn every_description_speaks_of_the_version_that_is_installed() {
    let version = current_version();
    assert!(read("Cargo.toml").contains(&format!("\nversion = \"{version}\"\n")));
    assert!(read("CHANGELOG.md").contains(&format!("\n## {version} ")));
    let meta: Value = serde_json::from_str(&read("META.json")).unwrap();
    let provided = &meta["provides"]["auria"];
    assert_eq!(meta["version"], version);
    assert_eq!(provided["version"], version);
    let script = provided["file"].as_str().unwrap();
    assert_eq!(script, format!("sql/auria--{version}.sql"));
    read(script);
    read(provided["docfile"].as_str().unwrap());
}

#[test]
fn what_pgxn_demands_is_there() {
    let meta: Value = serde_json::from_str(&read("META.json")).unwrap();
    for key in ["name", "abstract", "maintainer", "license"] {
        assert!(meta[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    assert_eq!(meta["meta-spec"]["version"], "1.0.0");
    assert_eq!(meta["provides"].as_object().unwrap().len(), 1);
    assert_eq!(meta["prereqs"]["runtime"]["requires"]["pg_trgm"], 0);
}
