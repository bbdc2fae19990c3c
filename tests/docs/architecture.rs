//! docs/architecture.md: its diagram shows the arrows that the code has, and all of them go down.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use auria_tests::repository;

/// The modules of the library, from the top to the bottom: each knows only what comes after it.
const FLOORS: [&str; 15] = [
    "monitoring",
    "lifecycle",
    "lgpd",
    "rpc",
    "triggers",
    "sharing",
    "sealed",
    "ledger",
    "phi",
    "schema",
    "access",
    "guc",
    "progress",
    "pg",
    "error",
];

/// Every module uses these two; the diagram says so once.
const EVERYWHERE: [&str; 2] = ["pg", "error"];

type Arrows = BTreeSet<(String, String)>;

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The modules that a source names after `crate::`, also in a list of `use`.
fn named(source: &str) -> BTreeSet<String> {
    let code: String =
        source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut names = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let list = match after.strip_prefix('{') {
            Some(list) => list.split(';').next().unwrap_or_default(),
            None => after
                .split(|character: char| !(character.is_alphanumeric() || character == '_'))
                .next()
                .unwrap_or_default(),
        };
        let mut depth = 0;
        let mut word = String::new();
        let mut is_start = true;
        for character in list.chars().chain([',']) {
            match character {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    names.insert(std::mem::take(&mut word));
                    is_start = true;
                }
                _ if depth == 0 && is_start && (character.is_alphanumeric() || character == '_') => {
                    word.push(character)
                }
                _ if depth == 0 && !word.is_empty() => is_start = false,
                _ => {}
            }
        }
    }
    names.retain(|name| FLOORS.contains(&&**name));
    names
}

fn arrows_of_the_code() -> Arrows {
    let sources = repository().join("src");
    let mut arrows = Arrows::new();
    for file in rust_files(&sources) {
        let relative = file.strip_prefix(&sources).unwrap().to_str().unwrap();
        let module = relative.split('/').next().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        assert!(FLOORS.contains(&module), "module {module} has no floor");
        let named = named(&fs::read_to_string(&file).unwrap());
        arrows.extend(named.into_iter().filter(|name| name != module).map(|name| (module.to_owned(), name)));
    }
    arrows
}

#[test]
fn every_module_knows_only_what_is_below_it() {
    let floor = |module: &str| FLOORS.iter().position(|name| *name == module).unwrap();
    let arrows = arrows_of_the_code();
    assert!(arrows.len() > 20, "{arrows:?}");
    let up: Vec<_> = arrows.iter().filter(|(from, to)| floor(from) >= floor(to)).collect();
    assert!(up.is_empty(), "arrows that go up: {up:?}");
}

#[test]
fn the_diagram_shows_every_arrow_between_modules_and_no_other() {
    let page = fs::read_to_string(repository().join("docs/architecture.md")).unwrap();
    let drawn: Arrows = page
        .lines()
        .filter_map(|line| line.trim().split_once(" --> "))
        .flat_map(|(from, to)| to.split(" & ").map(move |to| (from.trim().to_owned(), to.trim().to_owned())))
        .filter(|(from, to)| FLOORS.contains(&&**from) && FLOORS.contains(&&**to))
        .collect();
    let mut expected = arrows_of_the_code();
    expected.retain(|(_, to)| !EVERYWHERE.contains(&&**to));
    assert_eq!(drawn, expected);
}

#[test]
fn a_list_of_imports_is_read_as_rust_reads_it() {
    let names =
        named("use crate::{args, pg::spi::{self, Spi}, error};\nlet x = crate::phi::encrypt(); // crate::ledger");
    assert_eq!(Vec::from_iter(names), ["error", "pg", "phi"]);
}
