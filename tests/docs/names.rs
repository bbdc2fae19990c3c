//! Files, sections and tests that the pages name exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use auria_tests::{Source, migrations, repository, sources};

/// Where the repository's files are, as the pages name them from its root.
const FOLDERS: [&str; 10] =
    ["benches/", "crates/", "docs/", "fuzz/", "pgrx-tests/", "scripts/", "sql/", "src/", "tests/", "tools/"];

/// The Markdown of the repository. The changelog names files as they were.
fn pages() -> Vec<Source> {
    let mut pages: Vec<_> = ["docs", "crates"].iter().flat_map(|folder| sources(folder, &["md"])).collect();
    for name in ["README.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md"] {
        pages.push(Source { path: name.into(), text: fs::read_to_string(repository().join(name)).unwrap() });
    }
    pages
}

/// The lines of a page that are not in a block of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The code spans in a page's prose.
fn code(text: &str) -> Vec<String> {
    prose(text).lines().flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// The fragments of a page's sections, as GitHub makes them of the headings.
fn sections(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    text.lines()
        .filter(|line| {
            is_code ^= line.trim_start().starts_with("```");
            !is_code && line.starts_with('#')
        })
        .map(|heading| {
            heading
                .trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(|letter: char| !(letter.is_alphanumeric() || " -_".contains(letter)), "")
                .replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_file_that_a_page_names_is_there() {
    let mut gone = Vec::new();
    for Source { path: page, text } in pages() {
        for name in code(&text) {
            // NNN, NAME and the like stand for a name.
            let is_path = FOLDERS.iter().any(|folder| name.starts_with(folder))
                && !name.contains(|letter: char| letter.is_ascii_uppercase() || " *…".contains(letter));
            // A crate's page names its own files.
            let folders = [repository(), &repository().join(Path::new(&page).parent().unwrap())];
            if is_path && !folders.iter().any(|folder| folder.join(&name).exists()) {
                gone.push(format!("{page}: {name}"));
            }
        }
    }
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn every_link_leads_to_a_file_and_a_section() {
    let mut broken = Vec::new();
    let mut count = 0;
    for Source { path: page, text } in pages() {
        let folder = Path::new(&page).parent().unwrap();
        for target in prose(&text).split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())) {
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (file, section) = target.split_once('#').unwrap_or((&target, ""));
            let file = if file.is_empty() { repository().join(&page) } else { repository().join(folder).join(file) };
            let is_there = file.exists()
                && (section.is_empty() || sections(&fs::read_to_string(&file).unwrap()).contains(section));
            if !is_there {
                broken.push(format!("{page}: {target}"));
            }
        }
    }
    assert!(count > 50, "{count} links");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_command_of_make_that_a_page_names_is_a_target() {
    let makefile = fs::read_to_string(repository().join("Makefile")).unwrap();
    let (_, targets) = makefile.split_once(".PHONY:").unwrap();
    let targets: BTreeSet<_> = targets.lines().next().unwrap().split_whitespace().collect();
    let mut count = 0;
    for Source { path: page, text } in pages() {
        let shown = text.lines().filter_map(|line| line.strip_prefix("    make ")).map(str::to_owned);
        let spans = code(&text).into_iter().filter_map(|code| Some(code.strip_prefix("make ")?.to_owned()));
        for command in shown.chain(spans) {
            count += 1;
            let target = command.split_whitespace().next().unwrap();
            assert!(targets.contains(target), "{page}: make {command}");
        }
    }
    assert!(count > 30, "{count} commands");
}

#[test]
fn every_alert_names_a_section_of_the_runbook() {
    let alerts = fs::read_to_string(repository().join("docs/monitoring/alerts.yml")).unwrap();
    let runbooks: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("runbook: ")).collect();
    assert_eq!(runbooks.len(), alerts.matches("- alert: ").count());
    for runbook in runbooks {
        let (page, section) = runbook.split_once('#').unwrap();
        let text = fs::read_to_string(repository().join(page)).unwrap();
        assert!(sections(&text).contains(section), "{runbook}");
    }
}

#[test]
fn every_test_that_contributing_names_is_there() {
    let page = fs::read_to_string(repository().join("CONTRIBUTING.md")).unwrap();
    let tests = sources("tests", &["rs"]);
    let is_there = |name: &str| match name.split_once("::") {
        // A folder and a file of it.
        Some((folder, file)) => repository().join(format!("tests/{folder}/{file}.rs")).exists(),
        None => tests.iter().any(|test| test.text.contains(&format!("\nfn {name}("))),
    };
    let is_test = |name: &String| {
        name.starts_with("lifecycle::")
            || name.matches('_').count() >= 4 && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
    };
    let named: Vec<_> = code(&page).into_iter().filter(is_test).collect();
    assert!(named.len() > 8, "{named:?}");
    let gone: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(gone.is_empty(), "CONTRIBUTING.md names tests that are not there: {gone:?}");
}

#[test]
fn every_table_of_a_migration_that_is_not_released_is_in_the_changelog() {
    let changelog = fs::read_to_string(repository().join("CHANGELOG.md")).unwrap();
    let section = changelog.split_once("(not released)").map_or("", |(_, rest)| rest.split("\n## ").next().unwrap());
    let released: String = sources("tests/released", &["sha256"]).into_iter().map(|source| source.text).collect();
    let mut missing = Vec::new();
    for migration in migrations() {
        if released.contains(&format!("migrations/{}.sql", migration.name)) {
            continue;
        }
        for rest in migration.sql.split("CREATE TABLE IF NOT EXISTS public.").skip(1) {
            let table = rest.split([' ', '(']).next().unwrap();
            if !section.contains(table) {
                missing.push(format!("{table} of {}", migration.name));
            }
        }
    }
    assert!(missing.is_empty(), "add to the section \"(not released)\" of CHANGELOG.md: {missing:?}");
}
