//! A throw-away server for tests that are not written in Rust: prints where it is as one line of JSON, and lives
//! until its standard input ends, which it does when whoever started this program ends in whatever way.

use std::io::{self, Read};

use auria_tests::{ClusterOptions, LAST_LEGACY_STATE};
use serde_json::json;

fn main() -> io::Result<()> {
    let cluster = ClusterOptions::default().start();
    let adopted = cluster.legacy_database(LAST_LEGACY_STATE);
    adopted
        .superuser()
        .run("SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
    println!(
        "{}",
        json!({
            "host": cluster.socket_directory(),
            "port": cluster.port(),
            "template": cluster.template(),
            "adopted": adopted.name(),
            "log": cluster.log_file(),
        })
    );
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
