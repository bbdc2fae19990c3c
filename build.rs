//! Reads `sql/` and writes what the library needs of it as Rust constants: the migrations, the functions of `public`,
//! and the names of the tables, policies and triggers that the migrations make.
//!
//! The SQL files are the only place where these facts are written. A file that does not have the expected form stops the
//! build with its name.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut generated = String::new();

    let migrations = sql_files(&root.join("sql/migrations"));
    let functions = sql_files(&root.join("sql/functions/public"));
    write_migrations(&mut generated, &migrations);
    write_functions(&mut generated, &functions);
    // The record of the migrations has a policy, too.
    let records = SqlFile {
        path: root.join("sql/platform/records.sql"),
        name: "records".to_owned(),
        sql: include_str!("sql/platform/records.sql").to_owned(),
    };
    write_objects(&mut generated, &migrations, &records);
    write_original_bodies(&mut generated, &root.join("sql/install/original_bodies.csv"));

    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("sql.rs");
    fs::write(out, generated).expect("the output directory can be written");
}

struct SqlFile {
    path: PathBuf,
    /// The file's name without `.sql`.
    name: String,
    sql: String,
}

/// The SQL files of a directory, ordered by name.
fn sql_files(directory: &Path) -> Vec<SqlFile> {
    println!("cargo::rerun-if-changed={}", directory.display());
    let mut files: Vec<SqlFile> = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("the directory can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| {
            println!("cargo::rerun-if-changed={}", path.display());
            SqlFile {
                name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
                sql: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
                path,
            }
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn write_migrations(out: &mut String, files: &[SqlFile]) {
    out.push_str("/// All migrations, in order. A released file never changes: later releases append.\n");
    out.push_str("pub const MIGRATIONS: &[Migration] = &[\n");
    for (place, file) in files.iter().enumerate() {
        let number: usize = file.name.split('_').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        assert_eq!(number, place + 1, "{}: its number must be {:03}", file.path.display(), place + 1);
        let (name, path) = (&file.name, &file.path);
        writeln!(out, "    Migration {{ number: {number}, name: {name:?}, sql: include_str!({path:?}) }},")
            .expect("a String");
    }
    out.push_str("];\n");
}

fn write_functions(out: &mut String, files: &[SqlFile]) {
    out.push_str("/// Every function of schema `public`, ordered by file name.\n");
    out.push_str("pub const FUNCTIONS: &[Function] = &[\n");
    let functions: Vec<Declaration> = files.iter().map(Declaration::parse).collect();
    for function in &functions {
        writeln!(
            out,
            "    Function {{ signature: {:?}, arguments: &{:?}, returns: {:?}, symbol: {:?}, create: {:?}, access: {:?} }},",
            function.signature, function.arguments, function.returns, function.symbol, function.create, function.access
        )
        .expect("a String");
    }
    out.push_str("];\n");
    let signatures: Vec<&str> = functions.iter().map(|function| function.signature.as_str()).collect();
    writeln!(out, "/// The signature of every one of them.\npub const SIGNATURES: &[&str] = &{signatures:?};")
        .expect("a String");
}

/// One file of `sql/functions/public`: CREATE OR REPLACE FUNCTION, then COMMENT, REVOKE and GRANT.
struct Declaration {
    signature: String,
    arguments: Vec<String>,
    returns: String,
    symbol: String,
    create: String,
    access: String,
}

impl Declaration {
    fn parse(file: &SqlFile) -> Self {
        let failed = |what: &str| -> ! { panic!("{}: {what}", file.path.display()) };
        let Some(start) = file.sql.find("CREATE OR REPLACE FUNCTION public.") else {
            failed("it must contain CREATE OR REPLACE FUNCTION public.…");
        };
        let Some(end) = file.sql.find(";\n\nCOMMENT ON FUNCTION") else {
            failed("the function must be followed by an empty line and COMMENT ON FUNCTION");
        };
        let create = &file.sql[start..=end];
        let access = file.sql[end + 1..].trim();
        if !access.contains("REVOKE ALL ON FUNCTION") {
            failed("REVOKE ALL ON FUNCTION is missing");
        }
        let head = &create["CREATE OR REPLACE FUNCTION public.".len()..];
        let (Some(open), Some(close)) = (head.find('('), head.find(')')) else {
            failed("the arguments are missing");
        };
        let name = head[..open].trim();
        let (names, types): (Vec<&str>, Vec<String>) = head[open + 1..close]
            .split(',')
            .filter(|argument| !argument.trim().is_empty())
            .map(|argument| match argument.trim().split_once(char::is_whitespace) {
                Some((name, kind)) => (name, one_line(kind)),
                None => failed("every argument needs a name and a type"),
            })
            .unzip();
        // What the catalogue says is compared with this text.
        if let Some(short) =
            ["timestamptz", "int4", "bool ", "int,"].iter().find(|short| head[open..close].contains(**short))
        {
            failed(&format!("write the full name of the type instead of {short}"));
        }
        let rest = &head[close + 1..];
        let (Some(returns), Some(language)) = (rest.find("RETURNS "), rest.find("LANGUAGE ")) else {
            failed("RETURNS and LANGUAGE are missing");
        };
        Self {
            signature: format!("public.{name}({})", types.join(",")),
            arguments: names.into_iter().map(str::to_owned).collect(),
            returns: one_line(&rest[returns + "RETURNS ".len()..language]),
            symbol: create
                .rsplit('\'')
                .nth(1)
                .filter(|_| create.contains("'MODULE_PATHNAME'"))
                .unwrap_or("")
                .to_owned(),
            create: create.to_owned(),
            access: access.to_owned(),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The names that follow these words at the start of a line, the statement's first line that is.
fn created<'a>(files: impl IntoIterator<Item = &'a SqlFile>, words: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> =
        files.into_iter().flat_map(|file| file.sql.lines()).filter_map(|line| line.strip_prefix(words)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn write_objects(out: &mut String, migrations: &[SqlFile], records: &SqlFile) {
    let tables: Vec<&str> = created(migrations, "CREATE TABLE IF NOT EXISTS public.")
        .into_iter()
        .filter_map(|rest| rest.split([' ', '(']).next())
        .collect();
    writeln!(out, "/// Every table of schema `public` that the migrations make, without the schema.\npub const TABLES: &[&str] = &{tables:?};").expect("a String");

    let policies: Vec<&str> = created(migrations.iter().chain([records]), "CREATE POLICY ")
        .into_iter()
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    writeln!(
        out,
        "/// The names of the policies that the migrations make.\npub const POLICIES: &[&str] = &{policies:?};"
    )
    .expect("a String");

    out.push_str("/// The triggers that the migrations make.\npub const TRIGGERS: &[Trigger] = &[\n");
    for file in migrations {
        for statement in file.sql.split("\nCREATE TRIGGER ").skip(1) {
            let statement = one_line(statement.split(';').next().unwrap_or_default());
            let word_after = |words: &str| -> &str {
                statement
                    .split_once(words)
                    .and_then(|(_, rest)| rest.split([' ', '(']).next())
                    .unwrap_or_else(|| panic!("{}: CREATE TRIGGER without {words}", file.path.display()))
            };
            let name = statement.split(' ').next().unwrap_or_default();
            let (relation, function) = (word_after(" ON "), word_after("EXECUTE FUNCTION "));
            writeln!(out, "    Trigger {{ name: {name:?}, relation: {relation:?}, function: {function:?} }},")
                .expect("a String");
        }
    }
    out.push_str("];\n");
}

fn write_original_bodies(out: &mut String, list: &Path) {
    println!("cargo::rerun-if-changed={}", list.display());
    let csv = fs::read_to_string(list).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    out.push_str("/// The function bodies that the original ever shipped and that the compiled functions cover.\n");
    out.push_str("pub const COVERED_BODIES: &[Body] = &[\n");
    for line in csv.lines().skip(1) {
        // The signature is quoted where it holds commas; the other four fields hold none.
        let fields: Vec<&str> = line.rsplitn(5, ',').collect();
        let [covered, _last, _first, md5, signature] = fields[..] else {
            panic!("{}: five fields are expected in {line}", list.display());
        };
        if covered.trim() == "yes" {
            let signature = format!("public.{}", signature.trim_matches('"'));
            writeln!(out, "    Body {{ signature: {signature:?}, md5: {md5:?} }},").expect("a String");
        }
    }
    out.push_str("];\n");
}
