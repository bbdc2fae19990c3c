//! `make test-faults`: puts the faults of `faults.txt` one by one into a copy of the sources, and runs the tests that
//! must notice. `ONLY=word` takes those whose description contains it. Exit status 1 when a fault went unnoticed.

// What cannot do its work stops there.
#![allow(clippy::unwrap_used)]

mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs};

use auria_tests::repository;

use crate::table::Fault;

enum Outcome {
    Noticed,
    Unnoticed,
    /// It cannot be tried: the table is out of date.
    Broken(String),
}

fn main() -> ExitCode {
    let text = fs::read_to_string(repository().join("tools/faults/faults.txt")).unwrap();
    let only = env::var("ONLY").unwrap_or_default();
    let faults = table::read(&text);
    let copy = Copy::make();
    let mut bad = 0;
    let chosen: Vec<&Fault> = faults.iter().filter(|fault| fault.name.contains(&only)).collect();
    for fault in &chosen {
        let began = Instant::now();
        let outcome = copy.try_out(fault);
        let seconds = began.elapsed().as_secs();
        match outcome {
            Outcome::Noticed => {
                println!("noticed    {} ({}, {seconds} s)", fault.name, fault.filter)
            }
            Outcome::Unnoticed => {
                bad += 1;
                println!("UNNOTICED  {} ({}, {seconds} s)", fault.name, fault.filter);
            }
            Outcome::Broken(reason) => {
                bad += 1;
                println!("BROKEN     {}: {reason}", fault.name);
            }
        }
    }
    println!("{} of {} faults noticed", chosen.len() - bad, chosen.len());
    if bad == 0 && !chosen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A copy of the sources, with what is built of it beside it: the repository's own builds are left alone.
struct Copy {
    tree: PathBuf,
    build: PathBuf,
}

impl Copy {
    fn make() -> Self {
        let place = repository().join("target/faults");
        let copy = Copy { tree: place.join("tree"), build: place.join("build") };
        fs::create_dir_all(&copy.tree).unwrap();
        // What has not changed keeps its time, so that it is not built again.
        let copied = Command::new("sh")
            .args([
                "-euc",
                "git ls-files -z --cached --others --exclude-standard |
                 xargs -0 ls -d 2>/dev/null | tar -c -T - | tar -x -C \"$1\"",
                "copy",
            ])
            .arg(&copy.tree)
            .current_dir(repository())
            .status()
            .unwrap();
        assert!(copied.success(), "the sources were not copied");
        // Quick to compile counts here, not quick to run.
        fs::create_dir_all(copy.tree.join(".cargo")).unwrap();
        fs::write(
            copy.tree.join(".cargo/config.toml"),
            "[profile.release.package.auria_pg]\nopt-level = 0\ncodegen-units = 16\n",
        )
        .unwrap();
        copy
    }

    fn try_out(&self, fault: &Fault) -> Outcome {
        let path = self.tree.join(&fault.file);
        let Ok(original) = fs::read_to_string(&path) else {
            return Outcome::Broken(format!("{} is not there", fault.file));
        };
        let changed = match fault.put_into(&original) {
            Ok(changed) => changed,
            Err(missing) => return Outcome::Broken(format!("not exactly once in {}:\n{missing}", fault.file)),
        };
        fs::write(&path, changed).unwrap();
        let outcome = self.run(&fault.filter);
        fs::write(&path, original).unwrap();
        outcome
    }

    /// Whether a test fails; that it does not compile is no answer.
    fn run(&self, filter: &str) -> Outcome {
        let output = Command::new(Path::new("scripts/test-outside"))
            .arg(pg_config())
            .arg(filter)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.build)
            .env_remove("AURIA_STAGE")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Outcome::Unnoticed
        } else if text.contains("test result: FAILED") {
            for line in text.lines().filter(|line| line.ends_with(" --- FAILED")) {
                println!("           {line}");
            }
            Outcome::Noticed
        } else {
            let end: String = text.chars().rev().take(1500).collect();
            Outcome::Broken(end.chars().rev().collect())
        }
    }
}

fn pg_config() -> String {
    env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".into())
}
