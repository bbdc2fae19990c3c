//! The account that runs the servers: `postgres` when the tests run as root (initdb refuses root), else the user of the tests.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

const SERVER_USER: &str = "postgres";

/// Whether this process may do what only root may.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// A command that runs as the user of the servers.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", SERVER_USER, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // A server does not inherit how a developer's shell wants to see panics; a test may set it.
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    command
}

/// Gives a file or directory to the user of the servers.
pub(crate) fn give(path: &Path) {
    if is_root() {
        let (uid, gid) = server_ids();
        chown(path, Some(uid), Some(gid)).unwrap();
    }
}

fn server_ids() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let fields = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == SERVER_USER)
        .unwrap_or_else(|| panic!("root needs the user {SERVER_USER} to run a server as"));
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}
