//! `make demo`: a dental practice lives through its first months on a
//! throw-away server, with real SQL as the real roles. Exit status 1 when
//! any check fails.

// A demo that cannot do its work stops there, and fails.
#![allow(clippy::unwrap_used)]

mod chapters;
mod story;

use std::process::ExitCode;
use std::{env, panic};

use auria_tests::{Cluster, ClusterOptions};

use story::Story;

fn main() -> ExitCode {
    let outcome = panic::catch_unwind(|| {
        println!("Starting a PostgreSQL server of its own: data directory, socket, port, and a");
        println!("PHI key file that only the server can read.");
        let cluster = ClusterOptions::default().start();
        let mut story = Story::default();
        chapters::play(&mut story, &cluster);
        let as_told = story.end();
        if env::var_os("KEEP").is_some_and(|keep| keep == "1") {
            keep(cluster);
        }
        as_told
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        // A panic has already said on stderr what went wrong.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn keep(cluster: Cluster) {
    let directory = cluster.socket_directory().display().to_string();
    println!("\nThe server goes on running. To look around:");
    println!("  psql -h {directory} -p {} -U postgres {}", cluster.port(), chapters::DATABASE);
    println!("To stop it and leave nothing behind:");
    println!("  kill -QUIT $(head -n 1 {directory}/data/postmaster.pid)");
    println!("  rm -rf {directory} {}", env::var("AURIA_STAGE").unwrap_or_default());
    cluster.keep();
}
