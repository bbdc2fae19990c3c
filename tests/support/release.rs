//! A next version of the extension, as far as an upgrade needs one.

use std::fs;
use std::sync::Arc;

use auria_tests::Stage;

/// A PostgreSQL with the extension and, once `release` is called, a next version of it: one that runs the migrations.
pub fn next_release(version: &str) -> (Arc<Stage>, impl Fn()) {
    let stage = Stage::without_extension();
    let current = Stage::shared();
    stage.install(&current.library(), &current.scripts());
    let (from, version) = (env!("CARGO_PKG_VERSION"), version.to_owned());
    let scripts = stage.scripts();
    let release = move || {
        let control = fs::read_to_string(scripts.join("auria.control")).unwrap();
        let next = control.replace(&format!("'{from}'"), &format!("'{version}'"));
        assert_ne!(next, control);
        fs::write(scripts.join("auria.control"), next).unwrap();
        fs::write(scripts.join(format!("auria--{from}--{version}.sql")), "SELECT auria.migrate();").unwrap();
    };
    (stage, release)
}
