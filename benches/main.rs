//! `make bench`: every function beside its peer in one server and one run.
//!
//! The peer is what one would run instead: the same rules in PL/pgSQL with pgcrypto (`benches/twin`), over the same tables,
//! indexes, triggers and policies. Both sides run in turn, and the fastest of several rounds counts: what else the machine
//! does only ever adds to a time.
//!
//! `cargo bench … -- NAME…` runs the groups of these names only and writes nothing. `make bench-operations` runs what takes
//! minutes each, and writes that table alone.

// A measurement that cannot do its work stops there.
#![allow(clippy::unwrap_used)]

mod conditions;
mod credits;
mod growth;
mod operations;
mod phi;
mod reads;
mod report;
mod rounds;
mod sealed;

use std::process::ExitCode;

use auria_tests::{ClusterOptions, TWIN};

use crate::report::Report;
use crate::rounds::Sides;

/// Measures some lines and adds them to the report.
type Group = fn(&Sides<'_>, &mut Report);

/// A server that does nothing by itself while something is measured.
fn server() -> ClusterOptions {
    ClusterOptions::default()
        .setting("jit", "off")
        .setting("max_parallel_workers_per_gather", "0")
        .setting("shared_buffers", "1GB")
        .setting("max_wal_size", "8GB")
        .setting("checkpoint_timeout", "1h")
        .setting("autovacuum", "off")
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let cluster = server().start();
    let (native, twin) = (cluster.database(), cluster.database());
    twin.superuser().run(TWIN);
    let sides = Sides { native: &native, twin: &twin };
    let mut report = Report::of(&mut native.superuser());
    // Each group adds its lines. The order is that of the table.
    let groups: [(&str, Group); 6] = [
        ("credits", credits::run),
        ("conditions", conditions::run),
        ("pgbench", credits::run_pgbench),
        ("growth", growth::run),
        ("reads", reads::run),
        ("phi", phi::run),
    ];
    for (name, run) in groups {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            run(&sides, &mut report);
        }
    }
    if wanted.is_empty() {
        report.write();
    } else if wanted == ["operations"] {
        operations::run(&sides, &mut report);
        growth::run_large(&sides, &mut report);
        report.write_operations();
    }
    // A goal that is missed is in the table; the run itself succeeded.
    ExitCode::SUCCESS
}
