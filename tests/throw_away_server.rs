//! A throw-away server for tests that are not written in Rust: prints where it is as one line of JSON, and lives
//! until its standard input ends, which it does when whoever started this program ends in whatever way.

use std::io::{self, Read};

use auria_tests::{ClusterOptions, LAST_LEGACY_STATE, Platform, Session, audit_recipe};
use serde_json::json;

fn main() -> io::Result<()> {
    // With `audited`, as docs/phi.md sets up who read which patient.
    let (settings, statements) = audit_recipe();
    let is_audited = std::env::args().nth(1).as_deref() == Some("audited");
    // The page has no line for a list that may hold other libraries, and says what to add.
    let options = settings
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .chain([("shared_preload_libraries", "pgaudit")])
        .filter(|_| is_audited)
        .fold(ClusterOptions::default(), |options, (name, value)| options.setting(name, value));
    let cluster = options.start();
    let adopted = cluster.legacy_database(LAST_LEGACY_STATE);
    take_over(&mut adopted.superuser());
    let sealed = cluster.database();
    sealed.superuser().run("CALL auria.phi_seal()");
    println!(
        "{}",
        json!({
            "host": cluster.socket_directory(),
            "port": cluster.port(),
            "superuser": cluster.superuser_name(),
            "isSupabase": cluster.platform() == Platform::Supabase,
            "template": cluster.template(),
            "adopted": adopted.name(),
            "sealed": sealed.name(),
            "log": cluster.log_file(),
            "audit": statements,
        })
    );
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Adopts a database as a DBA does who wants all of AURIA: every function is replaced, and the policies that the
/// installation keeps but warns about are dropped with the statements it gives.
fn take_over(admin: &mut Session) {
    admin.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
    let drops: Vec<String> = admin
        .notices()
        .iter()
        .filter_map(|notice| Some(notice.message().split_once(", run DROP POLICY ")?.1.to_owned()))
        .map(|policy| format!("DROP POLICY {policy}"))
        .collect();
    assert!(!drops.is_empty(), "no warning about a policy was read");
    admin.run(&drops.join(";"));
}
