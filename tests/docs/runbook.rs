//! The commands of docs/install.md and docs/operations.md, pasted as they stand there: from the first to the last on one server,
//! which is as Debian's packages make it. What needs another release or another PostgreSQL has a test of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use auria_tests::{As, Cluster, ClusterOptions, Debian, Terminal, migration_count};
use uuid::Uuid;

use crate::support::legacy;
use crate::support::release::next_release;

pub const INSTALL: &str = include_str!("../../docs/install.md");
pub const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// What stands in a block of code on one of the pages.
struct Block {
    section: &'static str,
    language: &'static str,
    text: String,
}

/// The blocks of commands of both pages, in their order.
fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut section = "";
    let mut block: Option<Block> = None;
    for line in INSTALL.lines().chain(OPERATIONS.lines()) {
        if let Some(open) = &mut block {
            if line == "```" {
                blocks.extend(block.take().filter(|block| ["sh", "console"].contains(&block.language)));
            } else {
                open.text.push_str(line);
                open.text.push('\n');
            }
        } else if let Some(language) = line.strip_prefix("```") {
            block = Some(Block { section, language, text: String::new() });
        } else if line.starts_with('#') {
            section = line.trim_start_matches('#').trim();
        }
    }
    blocks
}

/// Runs a section's commands on a server of the harness and returns what they print; each must succeed.
#[track_caller]
pub fn follow(cluster: &Cluster, section: &str, variables: &[(&str, &str)]) -> String {
    let [keys, backups] = ["keys", "backups"].map(|name| cluster.private_directory(name));
    let mut all = vec![("KEYS", keys.to_str().unwrap()), ("BACKUPS", backups.to_str().unwrap())];
    all.extend(variables);
    let commands: String = blocks()
        .into_iter()
        .filter(|block| block.section == section && block.language == "sh")
        .map(|b| b.text)
        .collect();
    assert!(!commands.is_empty(), "no commands under {section}");
    let output = cluster.shell(&commands, &all);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{section}: {}\n{printed}", String::from_utf8_lossy(&output.stderr));
    printed
}

const DECRYPTED: &str = "SELECT string_agg(public.phi_decrypt(name_encrypted), ' ' ORDER BY name) FROM public.patients";

/// Somebody who follows the pages on a server, and on the machine of a standby.
struct Reader {
    primary: Debian,
    standby: Debian,
    here: Terminal,
    there: Terminal,
    blocks: Vec<Block>,
    pasted: BTreeSet<usize>,
}

impl Reader {
    fn new() -> Self {
        // What a server may have before: libraries of others, and nothing that this extension needs.
        let settings = [
            ("session_preload_libraries", "auto_explain"),
            ("shared_preload_libraries", "pg_stat_statements"),
            ("wal_receiver_status_interval", "1s"),
        ];
        let [primary, standby] = [Debian::with(&settings), Debian::with(&settings)];
        let configuration = primary.root().join("etc/pgbackrest.conf").display().to_string();
        let environment = [("PGBACKREST_CONFIG", configuration.as_str())];
        let (here, there) = (primary.terminal(&environment), standby.terminal(&environment));
        Reader { primary, standby, here, there, blocks: blocks(), pasted: BTreeSet::new() }
    }

    fn numbers(&self, section: &str) -> Vec<usize> {
        let numbers: Vec<usize> =
            (0..self.blocks.len()).filter(|number| self.blocks[*number].section == section).collect();
        assert!(!numbers.is_empty(), "no commands under {section}");
        numbers
    }

    /// Pastes a block on one of the machines, whatever comes of it.
    fn try_block(&mut self, section: &str, number: usize, on_the_standby: bool) -> (String, i32) {
        let number = self.numbers(section)[number];
        self.pasted.insert(number);
        let block = &self.blocks[number];
        // The packages are installed here; the matrix installs them on a fresh Debian.
        if block.text.starts_with("apt-get ") {
            return (String::new(), 0);
        }
        // The paths of the primary on both: a standby has its files where the primary has them, its data excepted.
        let (machine, terminal) =
            if on_the_standby { (&self.standby, &mut self.there) } else { (&self.primary, &mut self.here) };
        terminal.paste(&machine.here(&block.text))
    }

    #[track_caller]
    fn block(&mut self, section: &str, number: usize) -> String {
        let (printed, status) = self.try_block(section, number, false);
        assert_eq!(status, 0, "{section}, block {number}:\n{printed}");
        printed
    }

    #[track_caller]
    fn block_on_the_standby(&mut self, section: &str, number: usize) -> String {
        let (printed, status) = self.try_block(section, number, true);
        assert_eq!(status, 0, "{section}, block {number}, on the standby:\n{printed}");
        printed
    }

    /// Pastes all blocks of a section.
    #[track_caller]
    fn section(&mut self, section: &str) -> String {
        (0..self.numbers(section).len()).map(|number| self.block(section, number)).collect()
    }

    fn set(&mut self, name: &str, value: &str) {
        self.type_in(&format!("export {name}='{value}'"));
    }

    /// Types a command that is on no page.
    #[track_caller]
    fn type_in(&mut self, command: &str) -> String {
        let (printed, status) = self.here.paste(command);
        assert_eq!(status, 0, "{command}\n{printed}");
        printed
    }

    #[track_caller]
    fn ask(&self, query: &str) -> String {
        self.primary.ask("auria", query)
    }

    #[track_caller]
    fn wait_for(&self, query: &str, answer: &str) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while self.ask(query) != answer {
            assert!(Instant::now() < deadline, "{query}\n{}", self.ask(query));
            thread::sleep(Duration::from_millis(300));
        }
    }

    #[track_caller]
    fn assert_healthy(&self) {
        assert_eq!(self.ask(r#"SELECT "check", detail FROM auria.doctor() WHERE NOT ok"#), "");
    }
}

const ANA: &str = "a0000000-0000-4000-8000-000000000001";
const BIA: &str = "a0000000-0000-4000-8000-000000000002";
const CLARA: &str = "a0000000-0000-4000-8000-000000000003";
const MARIA: &str = "b0000000-0000-4000-8000-000000000001";
const JOSE: &str = "b0000000-0000-4000-8000-000000000002";
const RITA: &str = "b0000000-0000-4000-8000-000000000003";

#[test]
fn the_pages_are_followed_from_the_first_command_to_the_last_on_one_server() {
    let mut reader = Reader::new();
    let key = reader.primary.root().join("etc/postgresql/keys/auria.key");

    // docs/install.md
    reader.section("Variables");
    let printed = reader.section("Install");
    assert_eq!(printed.matches("| t  |").count().to_string(), reader.ask("SELECT count(*) FROM auria.doctor()"));
    assert_eq!(reader.ask("SHOW session_preload_libraries"), "auto_explain, auria_pg");
    let first_key = fs::read(&key).unwrap();
    // apt-get is the first block.
    let (printed, status) = reader.try_block("Install", 1, false);
    assert!(status != 0 && printed.contains("cannot overwrite"), "{printed}");
    assert_eq!(fs::read(&key).unwrap(), first_key);
    adopt_and_leave(&mut reader);
    reader.section("Upgrade");

    // docs/operations.md
    reader.ask(&format!(
        "INSERT INTO auth.users (id, email) VALUES ('{ANA}', 'ana@clinica.example'), ('{BIA}', 'bia@clinica.example'),
             ('{CLARA}', 'clara@clinica.example');
         INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{ANA}', 'price_essencial_monthly', 'active');
         INSERT INTO public.patients (id, user_id, name) VALUES ('{MARIA}', '{ANA}', 'Maria da Conceição'),
             ('{JOSE}', '{ANA}', 'José'), ('{RITA}', '{BIA}', 'Rita');
         SELECT public.use_credits('{ANA}', 'case_analysis')"
    ));
    schedule(&mut reader);
    back_up_and_restore(&mut reader);
    rotate_the_key(&mut reader);
    seal(&mut reader);
    reader.section("Monitor");
    assert_eq!(reader.block("Monitor", 0).trim(), "");
    make_a_standby(&mut reader);
    reader.section("Limits");
    assert_eq!(
        reader.ask(
            "SELECT string_agg(setting, ' ') FROM (SELECT unnest(setconfig) FROM pg_db_role_setting) AS s (setting)"
        ),
        "idle_in_transaction_session_timeout=30s statement_timeout=15s lock_timeout=5s"
    );
    export_and_erase(&mut reader);
    go_back_in_time(&mut reader);
    sign_up(&mut reader);
    let printed = reader.section("Your own migrations");
    assert!(printed.contains("note: public.handle_new_user() is not the compiled function"), "{printed}");
    assert_eq!(
        reader.ask("SELECT definition LIKE '%credits_bonus%', owner FROM auria.replaced_functions"),
        "t|auria_owner"
    );
    incidents(&mut reader);
    reader.assert_healthy();
    // All of it was replayed on the standby, which each commit waited for.
    assert_eq!(reader.ask("SELECT sync_state FROM pg_stat_replication"), "quorum");
    reader.wait_for("SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication", "t");
    assert_eq!(reader.standby.ask("auria", DECRYPTED), "Maria da Conceição");

    // The way out, docs/install.md again.
    reader.section("Remove the jobs");
    assert_eq!(reader.ask("SELECT count(*) FROM cron.job"), "0");
    reader.section("Remove");
    assert_eq!(reader.ask("SHOW session_preload_libraries"), "auto_explain");
    assert_eq!(reader.ask("SELECT name FROM public.patients WHERE name_encrypted IS NOT NULL"), "Maria da Conceição");
    assert_eq!(reader.ask("SHOW shared_preload_libraries"), "pg_stat_statements, pg_cron");

    // pg_upgrade needs two PostgreSQL: tests/matrix.
    let left: Vec<_> = (0..reader.blocks.len())
        .filter(|number| !reader.pasted.contains(number))
        .map(|number| &reader.blocks[number])
        .filter(|block| block.section != "A new major version of PostgreSQL")
        .map(|block| format!("{}: {}", block.section, block.text))
        .collect();
    assert!(left.is_empty(), "never pasted: {left:#?}");
}

fn adopt_and_leave(reader: &mut Reader) {
    let old = legacy::database_at(legacy::LAST);
    let dump = reader.primary.private_directory("old").join("production.sql");
    Cluster::shared().client_succeeds("pg_dump", &["-f", dump.to_str().unwrap(), old.name()]);
    // Without root's rights the account of the server, and so its superuser, has another name than in the dump.
    reader.primary.ask(
        "postgres",
        "DO $$ BEGIN
             CREATE ROLE reporting;
             IF to_regrole('postgres') IS NULL THEN CREATE ROLE postgres SUPERUSER; END IF;
         END $$",
    );
    reader.type_in(&format!(
        "createdb -T template0 production && psql -Xq -v ON_ERROR_STOP=1 -d production -f '{}'",
        dump.display()
    ));
    let production = |reader: &Reader, query: &str| reader.primary.ask("production", query);
    let functions =
        "SELECT string_agg(pg_get_functiondef(p.oid) || p.proowner::regrole, '' ORDER BY p.oid::regprocedure::text)
           FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
          WHERE p.pronamespace = 'public'::regnamespace AND l.lanname IN ('sql', 'plpgsql')";
    let before = production(reader, functions);
    let printed = reader.section("Adopt");
    assert!(printed.contains("ALTER TABLE patients VALIDATE CONSTRAINT patients_user_id_fkey"), "{printed}");
    let notices = fs::read_to_string(reader.primary.root().join("var/backups/auria/rehearsal.notices")).unwrap();
    assert!(notices.contains("function public.use_credits(uuid,text) is not one that AURIA shipped"), "{notices}");
    // The clinic's own triggers write as pgcrypto does until they are replaced, as the page says.
    let statements: Vec<&str> =
        notices.lines().filter_map(|line| Some(line.split_once("to replace it, run ")?.1)).collect();
    assert!(statements.len() > 10, "{notices}");
    production(reader, &statements.join(";"));
    production(reader, "CALL auria.phi_backfill()");
    // In the end all values are under this extension's key and in its form: those of pgcrypto and those that were plain.
    assert_eq!(production(reader, "SELECT sum(not_encrypted + outdated + unreadable) FROM auria.phi_status()"), "0");
    let charge = format!("SELECT public.use_credits('{}', 'case_analysis')", legacy::ANA);
    assert_eq!(production(reader, &charge), "t");
    let printed = reader.section("Leave auria");
    assert!(printed.contains("settle_plan_change"), "{printed}");
    assert_eq!(production(reader, functions), before);
    assert_eq!(production(reader, &charge), "t");
    production(
        reader,
        &format!("INSERT INTO public.shared_links (user_id, session_id) VALUES ('{}', gen_random_uuid())", legacy::ANA),
    );
    reader.type_in("dropdb production");
}

fn schedule(reader: &mut Reader) {
    for number in 0..4 {
        reader.block("Schedule", number);
    }
    assert_eq!(reader.ask("SHOW shared_preload_libraries"), "pg_stat_statements, pg_cron");
    assert_eq!(reader.ask("SELECT count(*) FROM cron.job"), "7");
    reader.ask("UPDATE public.subscriptions SET usage_reset_at = now() - INTERVAL '31 days'");
    reader.block("Schedule", 4);
    assert_eq!(reader.ask("SELECT credits_used_this_month FROM public.subscriptions"), "0");
    // A change that a restore has to keep; and pg_cron runs it within a minute, wherever it is by then.
    reader.ask(
        "SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job WHERE jobname LIKE 'auria_cleanup_stuck%'",
    );
}

fn back_up_and_restore(reader: &mut Reader) {
    let question = "SELECT md5(string_agg(p::text || u::text, ' ')) FROM public.patients p, public.credit_usage u";
    let (rows, jobs) = (reader.ask(question), "SELECT string_agg(j::text, ' ' ORDER BY jobid) FROM cron.job j");
    let jobs_before = reader.ask(jobs);
    for number in 0..5 {
        reader.block("Back up and restore", number);
    }
    assert_eq!(reader.ask(question), rows);
    assert_eq!(reader.ask(jobs), jobs_before);
    reader.assert_healthy();
    reader.block("Back up and restore", 5);
    // The next number of a job is free.
    reader.ask("SELECT cron.unschedule(cron.schedule('0 0 1 1 *', 'SELECT 1'))");
}

fn rotate_the_key(reader: &mut Reader) {
    let keys = reader.primary.root().join("etc/postgresql/keys");
    let old_key = fs::read(keys.join("auria.key")).unwrap();
    let ciphertext = "SELECT md5(string_agg(name_encrypted::text, ' ' ORDER BY name)) FROM public.patients";
    let before = reader.ask(ciphertext);
    let printed = reader.block("Keys", 0);
    assert!(printed.contains("(0 rows)"), "{printed}");
    // A rotation that is not finished is not begun again.
    assert_ne!(reader.try_block("Keys", 0, false).1, 0);
    assert_eq!(fs::read(keys.join("auria-previous.key")).unwrap(), old_key);
    assert_ne!(fs::read(keys.join("auria.key")).unwrap(), old_key);
    reader.block("Keys", 1);
    assert_ne!(reader.ask(ciphertext), before);
    assert_eq!(reader.ask(DECRYPTED), "José Maria da Conceição Rita");
    assert_eq!(reader.ask("SHOW auria.phi_previous_key_file"), "");
}

fn seal(reader: &mut Reader) {
    reader.block("Seal", 0);
    assert_eq!(reader.ask("SELECT relkind FROM pg_class WHERE oid = 'public.patients'::regclass"), "v");
    reader.block("Seal", 1);
    assert_eq!(reader.ask(DECRYPTED), "José Maria da Conceição Rita");
    reader.assert_healthy();
}

const STREAMING: &str =
    "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'standby' AND state = 'streaming'";

fn make_a_standby(reader: &mut Reader) {
    reader.wait_for("SELECT status FROM cron.job_run_details WHERE status = 'succeeded' LIMIT 1", "succeeded");
    assert_eq!(reader.ask("SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'"), "0");
    // Nothing is made synchronous while no standby streams.
    let (printed, status) = reader.try_block("No credit is lost", 0, false);
    assert_ne!(status, 0, "{printed}");
    assert_eq!(reader.ask("SHOW synchronous_standby_names"), "");

    let addresses =
        [("PRIMARY", format!("host=127.0.0.1 port={}", reader.primary.port())), ("STANDBY", "127.0.0.1".to_owned())];
    for (name, address) in addresses {
        reader.set(name, &address);
        reader.there.paste(&format!("export {name}='{address}'"));
    }
    // The directory with the keys is at the same path on both.
    let keys = reader.primary.here("export KEYS=/etc/postgresql/keys");
    reader.there.paste(&keys);
    reader.block("A standby", 0);
    reader.block_on_the_standby("A standby", 1);
    copy_to_the_standby(reader);
    assert_eq!(reader.standby.ask("auria", DECRYPTED), "José Maria da Conceição Rita");

    reader.block("No credit is lost", 0);
    reader.wait_for("SELECT sync_state FROM pg_stat_replication", "quorum");
    assert_eq!(reader.ask("SHOW synchronous_standby_names"), "ANY 1 (standby)");
    // The standby goes away, and a charge waits until the setting is taken back.
    let stop = reader.standby.here("pg_ctlcluster 15 main stop");
    let start = reader.standby.here("pg_ctlcluster 15 main start");
    assert_eq!(reader.there.paste(&stop).1, 0);
    reader.type_in(&format!(
        "psql -XAtq -d auria -c \"SELECT public.use_credits('{ANA}', 'case_analysis')\" > \"$BACKUPS/charge\" &"
    ));
    reader.wait_for("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", "1");
    reader.block("No credit is lost", 1);
    assert_eq!(reader.type_in("wait && cat \"$BACKUPS/charge\" && rm \"$BACKUPS/charge\"").trim(), "t");
    assert_eq!(reader.there.paste(&start).1, 0);
    reader.wait_for(STREAMING, "1");
    // Once more, beside a standby that is named already.
    reader.ask("SELECT 1");
    for (named, then) in [
        ("ANY 1 (standby)", "ANY 1 (standby)"),
        ("FIRST 1 (other)", "FIRST 1 (other, standby)"),
        ("other", "other, standby"),
        ("*", "*"),
    ] {
        reader.primary.ask("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{named}'"));
        reader.primary.ask("postgres", "SELECT pg_reload_conf(), pg_sleep(0.2)");
        reader.block("No credit is lost", 0);
        reader.wait_for("SHOW synchronous_standby_names", then);
    }
}

/// The commands on the standby's machine, once its server is stopped.
fn copy_to_the_standby(reader: &mut Reader) {
    for number in 2..4 {
        reader.block_on_the_standby("A standby", number);
    }
    reader.wait_for(STREAMING, "1");
    let printed = reader.block_on_the_standby("A standby", 4);
    assert!(printed.contains("streaming"), "{printed}");
}

fn export_and_erase(reader: &mut Reader) {
    let exports = reader.primary.private_directory("exports");
    reader.set("EXPORTS", exports.to_str().unwrap());
    reader.set("DENTIST", ANA);
    reader.set("PATIENT", MARIA);
    // A file that is there already, for all to read.
    reader.type_in("touch \"$EXPORTS/patient.json\" && chmod 644 \"$EXPORTS/patient.json\"");
    for (section, file) in [("Export a patient", "patient.json"), ("Export a dentist", "dentist.json")] {
        reader.section(section);
        let file = exports.join(file);
        let document: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert!(document["tables"].to_string().contains("Maria da Conceição"), "{document}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    reader.set("DENTIST", CLARA);
    reader.set("PATIENT", JOSE);
    reader.section("Erase a patient");
    assert_eq!(reader.ask(DECRYPTED), "Maria da Conceição Rita");
    let printed = reader.section("Erase a dentist");
    assert!(printed.contains("auth.users"), "{printed}");
    let printed = reader.section("What an erasure reaches");
    assert!(printed.contains("(2 rows)"), "{printed}");
}

fn go_back_in_time(reader: &mut Reader) {
    let page = OPERATIONS.split_once("### Set up a repository").unwrap().1;
    let documented = page.split_once("```ini\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    // What pgBackRest needs here beside it: the port, and no directory of the system.
    let places = format!(
        "pg1-port={}\npg1-socket-path=/var/run/postgresql\n[global]\nlog-level-file=off\nlock-path=/var/lib/pgbackrest/locks\n\
         spool-path=/var/lib/pgbackrest/spool\n",
        reader.primary.port()
    );
    let configuration = reader.primary.here(&format!("{documented}{places}"));
    let cluster = "/etc/postgresql/15/main/environment";
    let environment = reader.primary.here(&format!("echo \"PGBACKREST_CONFIG = '/etc/pgbackrest.conf'\" >> {cluster}"));
    reader.type_in(&environment);
    let file = reader.primary.here("mkdir /var/lib/pgbackrest && cat > /etc/pgbackrest.conf");
    reader.type_in(&format!("{file} <<'END'\n{configuration}END"));
    reader.section("Set up a repository");
    reader.section("Back up to a repository");

    let keys = reader.primary.root().join("etc/postgresql/keys");
    let charge = format!("SELECT public.use_credits('{ANA}', 'case_analysis')");
    let charges = format!("SELECT count(*) FROM public.credit_usage WHERE user_id = '{ANA}'");
    // pgBackRest looks for a backup that ended in an earlier second than the target.
    reader.ask("SELECT pg_sleep(1.1)");
    assert_eq!(reader.ask(&charge), "t");
    let (then, target) = (reader.ask(&charges), reader.ask("SELECT clock_timestamp()"));
    reader.ask("SELECT pg_sleep(0.1)");
    assert_eq!(reader.ask(&charge), "t");
    // Since that moment the key is another, and two people are gone.
    reader.type_in("cp \"$KEYS/auria.key\" \"$BACKUPS/key-of-then\"");
    reader.section("Keys");
    reader.ask(&format!("INSERT INTO public.patients (id, user_id, name) VALUES ('{JOSE}', '{ANA}', 'Came later')"));
    reader.set("DENTIST", BIA);
    reader.set("PATIENT", MARIA);
    reader.ask(&format!("INSERT INTO public.patients (user_id, name) VALUES ('{ANA}', 'Also later')"));
    reader.section("Erase a dentist");
    reader.set("PATIENT", JOSE);
    reader.section("Erase a patient");
    reader.section("Keep the record of erasures");
    let record = fs::read_to_string(reader.primary.root().join("var/backups/auria/erasures.csv")).unwrap();
    assert_eq!(record.lines().count(), 5, "{record}");

    let stop = reader.standby.here("pg_ctlcluster 15 main stop");
    reader.set("TARGET", &target);
    reader.block("Recover", 0);
    // The record outlives an attempt to copy it from a server that does not answer.
    assert_ne!(reader.try_block("Keep the record of erasures", 0, false).1, 0);
    assert_eq!(fs::read_to_string(reader.primary.root().join("var/backups/auria/erasures.csv")).unwrap(), record);
    assert_eq!(reader.there.paste(&stop).1, 0);
    for number in 1..4 {
        reader.block("Recover", number);
    }
    assert_eq!(reader.ask(&charges), then);
    assert_ne!(reader.ask("SELECT sum(unreadable) FROM auria.phi_status()"), "0");
    reader.set("OLD_KEY", reader.primary.root().join("var/backups/auria/key-of-then").to_str().unwrap());
    let printed = reader.block("Recover", 4);
    assert!(printed.contains("(0 rows)"), "{printed}");
    reader.block("Keys", 1);
    assert!(!keys.join("auria-previous.key").exists());
    assert_eq!(reader.ask(DECRYPTED), "Maria da Conceição Rita");

    let printed = reader.section("Repeat the erasures");
    assert!(printed.contains("not found"), "{printed}");
    assert_eq!(reader.ask(DECRYPTED), "Maria da Conceição");
    assert_eq!(reader.ask("SELECT count(*) FROM auria.erasures WHERE NOT complete"), "0");
    reader.assert_healthy();

    // The standby is made anew, and what is done next waits for it.
    reader.wait_for("SELECT count(*) FROM pg_replication_slots", "0");
    copy_to_the_standby(reader);
    reader.block("No credit is lost", 0);
    reader.section("Keep the record of erasures");
}

fn sign_up(reader: &mut Reader) {
    reader.section("Sign-up");
    reader.ask("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'nova@clinica.example')");
    assert_eq!(
        reader.ask(
            "SELECT concat_ws(' ', s.plan_id, s.status, s.credits_bonus)
               FROM auth.users u JOIN public.profiles p ON p.user_id = u.id JOIN public.subscriptions s ON s.user_id = u.id
              WHERE u.email = 'nova@clinica.example'"
        ),
        "starter active 5"
    );
    reader.ask("DELETE FROM auth.users WHERE email = 'nova@clinica.example'");
}

fn incidents(reader: &mut Reader) {
    // The key is lost: values that have a plain copy come back under a new one.
    reader.type_in("rm \"$KEYS/auria.key\"");
    assert_ne!(reader.ask("SELECT count(*) FROM auria.doctor() WHERE \"check\" = 'PHI key' AND NOT ok"), "0");
    reader.block("Install", 1);
    let printed = reader.block("The key is lost", 0);
    assert!(printed.contains("(0 rows)"), "{printed}");
    assert_eq!(reader.ask(DECRYPTED), "Maria da Conceição");

    for (name, column) in [
        ("SUBSCRIPTION", "id"),
        ("USED", "credits_used_this_month"),
        ("HIDDEN", "credits_used_hidden"),
        ("ROLLOVER", "credits_rollover"),
        ("BONUS", "credits_bonus"),
    ] {
        reader.set(name, &reader.ask(&format!("SELECT {column} FROM public.subscriptions")));
    }
    reader.ask(
        "SET session_replication_role = replica; UPDATE public.subscriptions SET credits_used_this_month = 17;
         RESET session_replication_role",
    );
    assert_ne!(reader.ask("SELECT count(*) FROM auria.doctor() WHERE \"check\" = 'ledger' AND NOT ok"), "0");
    let printed = reader.section("The ledger disagrees");
    assert!(printed.contains("case_analysis"), "{printed}");
    reader.assert_healthy();

    // With a client in the database that is half restored.
    reader.type_in("createdb half_restored && { psql -XAtq -d half_restored -c 'SELECT pg_sleep(600)' & }");
    reader.wait_for("SELECT count(*) FROM pg_stat_activity WHERE datname = 'half_restored'", "1");
    reader.section("A restore stopped half-way");
    assert_eq!(reader.ask("SELECT count(*) FROM pg_database WHERE datname = 'half_restored'"), "0");

    reader.ask(
        "DROP POLICY patients_select_own ON public.patients;
         DROP TRIGGER encrypt_patients_phi_trigger ON public.patients",
    );
    let printed = reader.block("Monitor", 0);
    assert!(printed.contains("policies|") && printed.contains("patients_select_own"), "{printed}");
    let printed = reader.section("Policies, grants or triggers are gone");
    assert!(printed.contains("(0 rows)"), "{printed}");
}

#[test]
fn a_block_stops_at_the_first_command_that_fails_and_the_shell_stays_open() {
    let programs = tempfile::tempdir().unwrap();
    let log = programs.path().join("log");
    // Each of them fails.
    for name in
        "cat createdb dropdb grep install ln mv openssl pg_basebackup pg_ctlcluster pg_dump pg_dumpall pg_restore \
                 pg_upgrade pgbackrest psql rm sleep"
            .split_whitespace()
    {
        let program = programs.path().join(name);
        fs::write(&program, format!("#!/bin/sh\necho {name} >> {}\nexit 1\n", log.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for block in blocks().iter().filter(|block| block.language == "sh") {
        fs::write(&log, "").unwrap();
        let mut shell = Command::new("/bin/bash")
            .env("PATH", programs.path())
            .env("NEW", programs.path())
            .envs(["KEYS", "BACKUPS", "EXPORTS"].map(|name| (name, programs.path())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        write!(shell.stdin.take().unwrap(), "{}\necho \"the shell is open after $?\"\n", block.text).unwrap();
        let output = shell.wait_with_output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let ran = fs::read_to_string(&log).unwrap();
        let commands_expected = usize::from(!block.text.starts_with("export "));
        assert_eq!(ran.lines().count(), commands_expected, "{}:\n{}\nran {ran}", block.section, block.text);
        let status = if commands_expected == 0 { 0..=0 } else { 1..=255 };
        let answered = printed.lines().find_map(|line| line.strip_prefix("the shell is open after "));
        let answered = answered.unwrap_or_else(|| panic!("closed by\n{}", block.text));
        assert!(status.contains(&answered.parse::<i32>().unwrap()), "{}\n{printed}", block.text);
    }
}

#[test]
fn an_upgrade_updates_the_extension_under_a_session_that_goes_on() {
    let (stage, release) = next_release("999.0.0");
    let cluster = ClusterOptions::default().on(&stage).start();
    follow(&cluster, "Install", &[]);
    let user = Uuid::new_v4();
    let mut admin = cluster.superuser("auria");
    admin.run(&format!(
        "INSERT INTO auth.users (id, email) VALUES ('{user}', 'ana@clinica.example');
         INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{user}', 'price_essencial_monthly', 'active');
         INSERT INTO public.patients (user_id, name) VALUES ('{user}', 'Maria da Conceição')"
    ));
    let mut client = cluster.session("auria", As::Service);
    // The key file is hidden from a session of the API from its first moment.
    auria_tests::refused_with(client.query("SHOW auria.phi_key_file", &[]), "42501");
    let charge = format!("SELECT public.use_credits('{user}', 'case_analysis')");
    assert!(client.value::<bool>(&charge));
    // A migration that this database does not have yet.
    admin.run("DELETE FROM auria.migrations WHERE number = (SELECT max(number) FROM auria.migrations)");

    release();
    let printed = follow(&cluster, "Upgrade", &[]);

    assert_eq!(admin.value::<String>("SELECT extversion FROM pg_extension WHERE extname = 'auria'"), "999.0.0");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM auria.migrations"), migration_count());
    // This release brings no library of its own; the doctor is not deceived.
    assert!(printed.contains("older than the extension, 999.0.0"), "{printed}");
    assert!(client.value::<bool>(&charge));
    assert_eq!(admin.value::<String>(DECRYPTED), "Maria da Conceição");
}
