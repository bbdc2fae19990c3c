//! The upgrade with the library that a version was released with, while sessions run on it.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auria_tests::{ClusterOptions, Stage, refused_with};

use crate::catalogue::assert_same;
use crate::doctor::complaints;
use crate::dump_restore::{fill, rows, works};
use crate::upgrade::{charging_while, current_version, everything};

const EXTENSION_VERSION: &str = "SELECT extversion FROM pg_extension WHERE extname = 'auria'";

/// Each released version with its library, beside which its control file and script are.
fn released() -> Vec<(&'static str, PathBuf)> {
    let directory = env::var_os("AURIA_RELEASED").expect("AURIA_RELEASED must be set");
    include_str!("../released/versions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let version = line.split(' ').next().unwrap();
            (
                version,
                Path::new(&directory).join(version).join("auria_pg.so"),
            )
        })
        .collect()
}

/// What the charging clients leave alone.
fn untouched(lines: Vec<String>) -> Vec<String> {
    let touched = [
        "auth.users",
        "public.profiles",
        "public.subscription_plans",
        "public.subscriptions",
        "public.credit_usage",
    ];
    lines
        .into_iter()
        .filter(|line| !touched.contains(&line.split(' ').next().unwrap()))
        .collect()
}

#[test]
fn sessions_on_a_released_library_charge_on_while_files_and_extension_are_replaced() {
    for (version, library) in released() {
        let stage = Stage::without_extension();
        stage.install(&library, library.parent().unwrap());
        let cluster = ClusterOptions::default().on(&stage).start();
        let db = cluster.database();
        let ana = fill(&db);
        let before = untouched(rows(&mut db.superuser()));
        assert_eq!(db.superuser().value::<String>(EXTENSION_VERSION), version);
        assert_eq!(complaints(&mut db.superuser()), []);

        let (charges, old_sessions) = charging_while(&db, || {
            stage.install(&Stage::shared().library(), &Stage::shared().scripts());
            // The new library serves the old version of the extension, and says what is left to do.
            let mut dba = db.superuser();
            let told = complaints(&mut dba);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(
                told[0].1.contains("run ALTER EXTENSION auria UPDATE"),
                "{told:?}"
            );
            dba.run("ALTER EXTENSION auria UPDATE");
        });
        assert!(
            charges.longest < Duration::from_secs(3),
            "{:?}",
            charges.longest
        );

        for mut session in old_sessions {
            // What they run is the old library: its doctor says so, and a function it has not is refused.
            let told = complaints(&mut session);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(
                told[0].1.contains(&format!("library is {version}")),
                "{told:?}"
            );
        }
        let mut dba = db.superuser();
        assert_eq!(dba.value::<String>(EXTENSION_VERSION), current_version());
        assert_eq!(complaints(&mut dba), []);
        assert_same(version, &untouched(rows(&mut dba)), &before);

        let new = cluster.empty_database();
        new.superuser().run("CREATE EXTENSION auria CASCADE");
        fill(&new);
        charging_while(&new, || ());
        assert_same(
            version,
            &everything(&mut dba),
            &everything(&mut new.superuser()),
        );
        works(&db, ana);
    }
}

#[test]
fn a_session_on_a_released_library_is_told_that_it_has_not_the_new_function() {
    let (_, library) = released().remove(0);
    let stage = Stage::without_extension();
    stage.install(&library, library.parent().unwrap());
    let cluster = ClusterOptions::default().on(&stage).start();
    let db = cluster.database();
    let mut old = db.superuser();
    old.run("SELECT public.phi_encrypt('')");
    stage.install(&Stage::shared().library(), &Stage::shared().scripts());
    db.superuser().run("ALTER EXTENSION auria UPDATE");
    let refusal = refused_with(old.query("SELECT auria.schedule()", &[]), "42883");
    assert!(
        refusal.message().contains("schedule_wrapper"),
        "{refusal:?}"
    );
    old.run("SELECT public.phi_encrypt('')");
    refused_with(
        db.superuser().query("SELECT auria.schedule()", &[]),
        "55000",
    );
}
