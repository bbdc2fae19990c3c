//! A setting that is a list may have what somebody else needs: nothing that a reader is to run or to write replaces it.

use std::fs;

use auria_tests::{Source, repository, sources};

/// What somebody may follow: pages, messages, and scripts.
fn instructions() -> Vec<Source> {
    let mut found: Vec<_> = [("docs", &["md", "ini", "yml"][..]), ("src", &["rs", "sql"]), ("sql/functions", &["sql"])]
        .iter()
        .flat_map(|(folder, kinds)| sources(folder, kinds))
        .collect();
    for entry in fs::read_dir(repository().join("scripts")).unwrap() {
        let path = entry.unwrap().path();
        found.push(Source { path: path.display().to_string(), text: fs::read_to_string(&path).unwrap() });
    }
    for name in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "RELEASING.md"] {
        found.push(Source { path: name.into(), text: fs::read_to_string(repository().join(name)).unwrap() });
    }
    found
}

/// Whether a line gives a list of libraries a value of its own, or takes all of it away.
fn replaces_a_list(line: &str) -> bool {
    let Some((before, after)) = line.split_once("_preload_libraries") else {
        return false;
    };
    let after = after.trim_start();
    let value = after.strip_prefix('=').or_else(|| after.strip_prefix("TO ")).map(str::trim_start);
    // A variable of psql, or a place of format(), holds what was read from the server.
    value.is_some_and(|value| !value.starts_with([':', '%']) && !value.is_empty())
        || before.ends_with("RESET session")
        || before.ends_with("RESET shared")
}

#[test]
fn no_page_message_or_script_replaces_a_list_of_libraries() {
    for line in [
        "shared_preload_libraries = 'pgaudit'",
        "ALTER SYSTEM SET session_preload_libraries TO auria_pg",
        "RESET session_preload_libraries",
    ] {
        assert!(replaces_a_list(line), "{line}");
    }
    let found: Vec<String> = instructions()
        .iter()
        .flat_map(|source| {
            let lines = source.text.lines().enumerate().filter(|(_, line)| replaces_a_list(line));
            lines.map(|(number, line)| format!("{}:{}: {line}", source.path, number + 1)).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "these replace what is there, and commands append:\n{}", found.join("\n"));
}
