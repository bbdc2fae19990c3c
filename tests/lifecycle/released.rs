//! Released versions: their files stay as they were, and a database of each becomes one of the current version.
//!
//! `scripts/freeze` puts a version into `tests/released`. As long as none is there, the current one is frozen into a
//! directory of the test's own, so that freezing and upgrading are tried in any case.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use auria_tests::{ClusterOptions, Database, Stage, database, refused_with, repository};

use crate::sealed::{seal, sealed_practice};
use crate::support::catalogue::{assert_same, everything, tables};

/// A version after every other: what the current one is upgraded to if it is released.
const NEXT: &str = "999.0.0";

fn released_directory() -> PathBuf {
    repository().join("tests/released")
}

/// The versions that are frozen in a directory.
fn frozen_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut versions: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".sha256").map(str::to_owned)
        })
        .collect();
    versions.sort();
    versions
}

fn freeze(repository: &Path, directory: &Path) -> Output {
    Command::new(repository.join("scripts/freeze")).arg(env!("CARGO_PKG_VERSION")).arg(directory).output().unwrap()
}

/// What of a frozen version is no longer as it was.
fn changes(sql: &Path, directory: &Path, version: &str) -> String {
    let sums = directory.join(format!("{version}.sha256"));
    let check = Command::new("sha256sum").args(["--check", "--quiet"]).arg(sums).current_dir(sql).output().unwrap();
    let mut changes = String::from_utf8(check.stdout).unwrap();
    if changes.is_empty() && !check.status.success() {
        changes = String::from_utf8(check.stderr).unwrap();
    }
    changes
}

#[test]
fn the_files_of_released_versions_are_as_they_were() {
    let directory = released_directory();
    for version in frozen_in(&directory) {
        assert_eq!(changes(&repository().join("sql"), &directory, &version), "", "{version}");
    }
}

#[test]
fn a_frozen_version_cannot_change_unnoticed_nor_be_frozen_anew() {
    let version = env!("CARGO_PKG_VERSION");
    // A repository as far as freezing needs one.
    let copy = tempfile::tempdir().unwrap();
    let status = Command::new("cp")
        .args(["-R", "sql", "scripts", "auria_pg.control"])
        .arg(copy.path())
        .current_dir(repository())
        .status();
    assert!(status.unwrap().success());
    let sql = copy.path().join("sql");
    let directory = copy.path().join("released");

    assert!(freeze(copy.path(), &directory).status.success());
    assert_eq!(frozen_in(&directory), [version]);
    assert_eq!(changes(&sql, &directory, version), "");
    assert!(freeze(copy.path(), &directory).status.success(), "nothing has changed");

    let script = format!("auria--{version}.sql");
    let mut migrations: Vec<PathBuf> =
        fs::read_dir(sql.join("migrations")).unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    for file in [sql.join(&script), migrations[0].clone()] {
        let before = fs::read(&file).unwrap();
        fs::write(&file, [&before[..], b"-- changed\n"].concat()).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(changes(&sql, &directory, version).contains(name), "{name}");
        assert!(!freeze(copy.path(), &directory).status.success(), "{name}");
        fs::write(&file, before).unwrap();
    }
    assert_eq!(changes(&sql, &directory, version), "");
}

/// A PostgreSQL with the current version, whose library also serves the install script of each frozen one.
/// Returns the version to upgrade `version` to.
fn stage_with(version: &str) -> (std::sync::Arc<Stage>, String) {
    let stage = Stage::without_extension();
    let current = Stage::shared();
    stage.install(&current.library(), &current.scripts());
    if version != env!("CARGO_PKG_VERSION") {
        return (stage, env!("CARGO_PKG_VERSION").to_owned());
    }
    // Nothing has changed since: the next version migrates, and that is all.
    fs::write(stage.scripts().join(format!("auria--{version}--{NEXT}.sql")), "SELECT auria.migrate();").unwrap();
    (stage, NEXT.to_owned())
}

#[test]
fn every_released_version_becomes_the_current_one_in_both_layouts() {
    let own = tempfile::tempdir().unwrap();
    let mut directory = released_directory();
    if frozen_in(&directory).is_empty() {
        assert!(freeze(repository(), own.path()).status.success());
        directory = own.path().to_owned();
    }
    let versions = frozen_in(&directory);
    assert!(!versions.is_empty());
    let fresh = everything(&mut database().superuser());
    let sealed = {
        let db = database();
        sealed_practice(&db);
        catalogue_of_sealed(&db)
    };
    for version in versions {
        let (stage, next) = stage_with(&version);
        let cluster = ClusterOptions::default().on(&stage).start();
        for is_sealed in [false, true] {
            let db = cluster.empty_database();
            let mut dba = db.superuser();
            dba.run(&format!("CREATE EXTENSION auria VERSION '{version}' CASCADE"));
            let dentist = db.sign_up("ana@clinica.test");
            dba.run(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria Oliveira')"));
            if is_sealed {
                seal(&db);
            }
            dba.run(&format!("ALTER EXTENSION auria UPDATE TO '{next}'"));
            assert_eq!(dba.value::<String>("SELECT extversion FROM pg_extension WHERE extname = 'auria'"), next);
            let (found, expected) = if is_sealed {
                (catalogue_of_sealed(&db), &sealed)
            } else {
                // The version differs, as it should.
                let version = format!("extension auria {next}");
                let current = format!("extension auria {}", env!("CARGO_PKG_VERSION"));
                let found = everything(&mut dba).into_iter();
                let found = found.map(|line| if line == version { current.clone() } else { line });
                (found.collect(), &fresh)
            };
            assert_same(&format!("{version}, sealed: {is_sealed}"), &found, expected);
            assert_eq!(dba.value::<String>("SELECT name FROM public.patients"), "Maria Oliveira");
            let failures: String = dba.value(
                "SELECT coalesce(string_agg(\"check\" || ': ' || detail, E'\\n'), '') FROM auria.doctor()
                  WHERE NOT ok AND \"check\" <> 'versions'",
            );
            assert_eq!(failures, "", "{version}, sealed: {is_sealed}");
        }
    }
}

/// A package brings the library to all databases of a server, and each of them is updated in its own time.
#[test]
fn clients_go_on_charging_between_the_new_library_and_the_update_of_the_extension() {
    let (stage, next) = stage_with("0.3.1");
    let cluster = ClusterOptions::default().on(&stage).start();
    let db = cluster.empty_database();
    let mut dba = db.superuser();
    dba.run("CREATE EXTENSION auria VERSION '0.3.1' CASCADE");
    // The library brings its migrations: without those that 0.3.1 did not have, the schema is as it left it.
    dba.run(
        "DROP TABLE public.credit_events CASCADE;
         ALTER TABLE public.subscriptions DROP COLUMN settled_rollover, DROP COLUMN settled_bonus,
             DROP COLUMN billing_start, DROP COLUMN month_ends_at;
         DROP TRIGGER zz_settle_plan_change ON public.subscriptions;
         CREATE TRIGGER zz_settle_plan_change BEFORE UPDATE ON public.subscriptions
             FOR EACH ROW EXECUTE FUNCTION public.settle_plan_change();
         DROP TRIGGER zz_record_plan_change ON public.subscriptions;
         CREATE TRIGGER zz_record_plan_change AFTER UPDATE OF plan_id ON public.subscriptions
             FOR EACH ROW EXECUTE FUNCTION public.record_plan_change();
         DELETE FROM auria.migrations WHERE number > 31",
    );
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let calls = [
        format!("public.can_use_credits('{user}', 'case_analysis')"),
        format!("public.use_credits('{user}', 'case_analysis')"),
        format!("public.use_credits('{user}', 'dsd_simulation', '{user}')"),
        format!("public.refund_credits('{user}', 'case_analysis')"),
        format!("public.refund_credits('{user}', 'dsd_simulation', '{user}')"),
        format!("public.use_credits('{user}', 'dsd_simulation')"),
        format!("public.add_bonus_credits('{user}', 9) IS NOT NULL"),
    ];
    for call in &calls {
        assert!(dba.value::<bool>(&format!("SELECT {call}")), "{call}");
    }
    for refused in [
        "UPDATE public.subscriptions SET plan_id = 'starter'",
        "SELECT public.reset_monthly_usage_with_rollover()",
        "CALL auria.reset_monthly()",
    ] {
        let refusal = refused_with(dba.batch_execute(refused), "55000");
        assert_eq!(refusal.hint(), Some("Run ALTER EXTENSION auria UPDATE."));
    }
    dba.run(&format!("ALTER EXTENSION auria UPDATE TO '{next}'"));
    for call in &calls {
        assert!(dba.value::<bool>(&format!("SELECT {call}")), "{call}");
    }
    let statement = "SELECT string_agg(concat_ws(' ', what, used, bonus), ', ' ORDER BY entry)
                       FROM auria.credit_statement($1, '-infinity', 'infinity') WHERE used IS NOT NULL";
    let lines: String = dba.query_one(statement, &[&user]).unwrap().get(0);
    assert_eq!(lines, "start 2 9, charge 3 9, charge 5 9, refund 4 9, refund 2 9, charge 4 9, purchase 4 18");
}

fn catalogue_of_sealed(db: &Database<'_>) -> Vec<String> {
    let mut dba = db.superuser();
    let mut lines = tables(&mut dba);
    lines.extend(crate::sealed::lifecycle::catalogue(&mut dba));
    lines
}
