//! The declarations of the sources, for tests that compare a database with them.

use std::collections::BTreeSet;
use std::fs;

use crate::stage::repository;

/// Replaces the compiled functions of a database by the PL/pgSQL peer that the benchmarks compare them with.
pub const TWIN: &str =
    concat!(include_str!("../../benches/twin/credits.sql"), include_str!("../../benches/twin/triggers.sql"));

/// A file of sql/migrations.
pub struct Migration {
    /// The file's name without its extension, for example `001_initial_schema`.
    pub name: String,
    /// What the file holds.
    pub sql: String,
}

/// The migrations in the order in which they are applied.
pub fn migrations() -> Vec<Migration> {
    let mut migrations: Vec<_> = fs::read_dir(repository().join("sql/migrations"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            Migration {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                sql: fs::read_to_string(&path).unwrap(),
            }
        })
        .collect();
    migrations.sort_by(|one, other| one.name.cmp(&other.name));
    migrations
}

/// How many migrations there are, as PostgreSQL counts rows.
pub fn migration_count() -> i64 {
    migrations().len().try_into().unwrap()
}

/// The tables that tests/schema/expected.txt has in schema public.
pub fn public_tables() -> BTreeSet<String> {
    let expected = fs::read_to_string(repository().join("tests/schema/expected.txt")).unwrap();
    expected
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with([' ', '#']) && !line.contains('.'))
        .map(str::to_owned)
        .collect()
}

/// The INSERT of an evaluation with every column that must be given. Each of `columns` is a name and an SQL expression:
/// it is added, or takes the place of the value that this function would give.
///
/// `user` is an SQL expression too.
pub fn insert_evaluation(user: &str, columns: &[(&str, &str)]) -> String {
    let mut values = vec![
        ("user_id", user),
        ("patient_age", "40"),
        ("tooth", "'11'"),
        ("region", "'anterior'"),
        ("cavity_class", "'Classe IV'"),
        ("restoration_size", "'media'"),
        ("substrate", "'esmalte'"),
        ("aesthetic_level", "'alto'"),
        ("tooth_color", "'A2'"),
        ("longevity_expectation", "'longa'"),
        ("budget", "'alto'"),
    ];
    for (name, expression) in columns {
        match values.iter_mut().find(|(column, _)| column == name) {
            Some(column) => column.1 = expression,
            None => values.push((name, expression)),
        }
    }
    let (names, expressions): (Vec<_>, Vec<_>) = values.into_iter().unzip();
    format!("INSERT INTO public.evaluations ({}) SELECT {}", names.join(", "), expressions.join(", "))
}

/// A file of this repository.
pub struct Source {
    /// Its path from the root of the repository, for example `src/rpc/cases.rs`.
    pub path: String,
    /// What the file holds.
    pub text: String,
}

/// The files below a directory of the repository that have one of these extensions, without what npm brought.
pub fn sources(directory: &str, extensions: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut directories = vec![repository().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("node_modules") {
                    directories.push(path);
                }
            } else if path.extension().is_some_and(|extension| extensions.iter().any(|one| extension == *one)) {
                let from_the_root = path.strip_prefix(repository()).unwrap();
                found.push(Source {
                    path: from_the_root.to_str().unwrap().to_owned(),
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// A file of sql/functions/public.
pub struct Function {
    /// The function's name; overloads share it.
    pub name: String,
    /// Whether it is in the library, not in SQL.
    pub is_compiled: bool,
}

/// The functions of schema public, one for each signature.
pub fn public_functions() -> Vec<Function> {
    fs::read_dir(repository().join("sql/functions/public"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let sql = fs::read_to_string(&path).unwrap();
            let declaration = sql
                .strip_prefix("CREATE OR REPLACE FUNCTION public.")
                .unwrap_or_else(|| panic!("{} begins otherwise", path.display()));
            Function {
                name: declaration.split('(').next().unwrap().to_owned(),
                is_compiled: declaration.contains("'MODULE_PATHNAME'"),
            }
        })
        .collect()
}

/// The names of the functions of schema public that are in the library.
pub fn compiled_function_names() -> BTreeSet<String> {
    public_functions().into_iter().filter(|function| function.is_compiled).map(|function| function.name).collect()
}

/// How docs/phi.md says that it is recorded who read which patient: settings, and statements for the sealed layout.
pub fn audit_recipe() -> (Vec<(String, String)>, String) {
    let page = fs::read_to_string(repository().join("docs/phi.md")).unwrap();
    let section = page.split("\n## Who read which patient\n").nth(1).unwrap();
    let block = |language: &str| {
        let start = format!("```{language}\n");
        let block = section.split(&start).nth(1).unwrap();
        block.split("```").next().unwrap().to_owned()
    };
    let settings = block("ini");
    let settings = settings.lines().map(|line| {
        let (name, value) = line.split_once(" = ").unwrap();
        (name.to_owned(), value.trim_matches('\'').to_owned())
    });
    (settings.collect(), block("postgresql"))
}
