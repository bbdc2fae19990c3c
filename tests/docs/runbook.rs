//! The commands of docs/install.md and docs/operations.md, run as they stand there: a section at a time, by the account of
//! the server.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use auria_tests::{As, Cluster, ClusterOptions, migration_count, refused_with};
use uuid::Uuid;

use crate::lifecycle::doctor::complaints;
use crate::support::legacy;
use crate::support::release::next_release;

const INSTALL: &str = include_str!("../../docs/install.md");
pub const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// The lines of both pages.
fn lines() -> impl Iterator<Item = &'static str> {
    INSTALL.lines().chain(OPERATIONS.lines())
}

/// The commands of a section: its blocks of `sh`, one after the other.
fn commands(section: &str) -> String {
    let mut inside = false;
    let mut in_block = false;
    let mut found = String::new();
    for line in lines() {
        if !in_block && line.starts_with('#') {
            inside = line.trim_start_matches('#').trim() == section;
        } else if line.starts_with("```") {
            in_block = line == "```sh";
        } else if inside && in_block {
            found.push_str(line);
            found.push('\n');
        }
    }
    assert!(!found.is_empty(), "no commands under {section}");
    found
}

/// Runs a section's commands and returns what they print; each must succeed.
#[track_caller]
pub fn follow(cluster: &Cluster, section: &str, variables: &[(&str, &str)]) -> String {
    let [keys, backups] = ["keys", "backups"].map(|name| cluster.private_directory(name));
    let mut all = vec![("KEYS", keys.to_str().unwrap()), ("BACKUPS", backups.to_str().unwrap())];
    all.extend(variables);
    let output = cluster.shell(&commands(section), &all);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{section}: {}\n{printed}", String::from_utf8_lossy(&output.stderr));
    printed
}

/// A server where the database `auria` was made as the runbook says.
fn installed() -> Cluster {
    let cluster = ClusterOptions::default().start();
    follow(&cluster, "Install", &[]);
    cluster
}

/// Somebody with a plan of 20 credits and a patient, who has used a credit.
fn practice(cluster: &Cluster) -> Uuid {
    let user = Uuid::new_v4();
    let mut admin = cluster.superuser("auria");
    admin.run(&format!(
        "INSERT INTO auth.users (id, email) VALUES ('{user}', 'ana@clinica.example');
         INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{user}', 'price_essencial_monthly', 'active');
         INSERT INTO public.patients (user_id, name) VALUES ('{user}', 'Maria da Conceição');
         SELECT public.use_credits('{user}', 'case_analysis')"
    ));
    user
}

const DECRYPTED: &str = "SELECT public.phi_decrypt(name_encrypted) FROM public.patients";

#[test]
fn every_section_with_commands_is_followed_by_a_test() {
    let mut section = "";
    let mut with_commands = BTreeSet::new();
    for line in lines() {
        if line.starts_with("##") {
            section = line.trim_start_matches('#').trim();
        } else if line == "```sh" {
            with_commands.insert(section);
        }
    }
    let tests = concat!(include_str!("runbook.rs"), include_str!("../matrix/pg_upgrade.rs"));
    for section in with_commands {
        assert!(tests.contains(&format!("\"{section}\"")), "no test follows the section {section}");
    }
}

#[test]
fn a_new_database_is_installed_with_its_key() {
    let cluster = ClusterOptions::default().start();
    let printed = follow(&cluster, "Install", &[]);
    let mut admin = cluster.superuser("auria");
    let checks: i64 = admin.value("SELECT count(*) FROM auria.doctor()");
    assert_eq!(printed.matches("| t  |").count() as i64, checks, "{printed}");
    practice(&cluster);
    assert_eq!(admin.value::<String>(DECRYPTED), "Maria da Conceição");
    // The key file is hidden from a session of the API from its first moment.
    refused_with(cluster.session("auria", As::Service).query("SHOW auria.phi_key_file", &[]), "42501");
}

#[test]
fn an_old_database_is_rehearsed_and_then_adopted() {
    let old = legacy::database_at(legacy::LAST);
    let cluster = ClusterOptions::default().start();
    // Roles belong to a server.
    cluster.template();
    let mut server = cluster.superuser("postgres");
    server.run("CREATE ROLE reporting");
    server.run("CREATE DATABASE production TEMPLATE template0");
    old.dump_into(&cluster, "production");
    let mut production = cluster.superuser("production");
    let before = legacy::Rows::of(&mut production);
    let printed = follow(&cluster, "Adopt", &[]);
    assert!(printed.contains("ALTER TABLE patients VALIDATE CONSTRAINT patients_user_id_fkey"), "{printed}");
    let notices = fs::read_to_string(cluster.private_directory("backups").join("rehearsal.notices")).unwrap();
    assert!(notices.contains("function public.use_credits(uuid,text) is not one that AURIA shipped"), "{notices}");
    before.assert_unchanged(&mut cluster.superuser("rehearsal"));
    // The clinic's own triggers write as pgcrypto does until they are replaced, as the page says.
    let statements: Vec<&str> = notices
        .lines()
        .filter_map(|line| line.split_once("to replace it, run "))
        .map(|(_, statement)| statement)
        .collect();
    assert!(statements.len() > 10, "{notices}");
    for statement in statements {
        production.run(statement);
    }
    production.run("CALL auria.phi_backfill()");
    // In the end all values are under this extension's key and in its form: those of pgcrypto and those that were plain.
    assert_eq!(
        production.value::<i64>("SELECT sum(not_encrypted + outdated + unreadable)::bigint FROM auria.phi_status()"),
        0
    );
}

#[test]
fn a_backup_is_restored_beside_the_database_and_takes_its_name() {
    let cluster = installed();
    practice(&cluster);
    follow(&cluster, "Back up and restore", &[]);
    let question = "SELECT md5(string_agg(p::text || u::text, ' ')) FROM public.patients p, public.credit_usage u";
    let [before, restored] =
        ["auria_before_restore", "auria"].map(|name| cluster.superuser(name).value::<String>(question));
    assert_eq!(before, restored);
    assert_eq!(complaints(&mut cluster.superuser("auria")), []);
}

#[test]
fn a_key_is_rotated_and_the_old_one_removed() {
    let cluster = installed();
    practice(&cluster);
    let key = cluster.private_directory("keys").join("auria.key");
    let first = fs::read(&key).unwrap();
    let ciphertext = "SELECT md5(name_encrypted) FROM public.patients";
    let before: String = cluster.superuser("auria").value(ciphertext);
    let printed = follow(&cluster, "Keys", &[]);
    assert!(printed.contains("(0 rows)"), "{printed}");
    assert_ne!(fs::read(&key).unwrap(), first);
    let mut admin = cluster.superuser("auria");
    assert_ne!(admin.value::<String>(ciphertext), before);
    assert_eq!(admin.value::<String>(DECRYPTED), "Maria da Conceição");
    assert_eq!(admin.value::<String>("SHOW auria.phi_previous_key_file"), "");
}

#[test]
fn jobs_are_scheduled_run_by_hand_and_removed() {
    let cluster = ClusterOptions::default()
        .setting("shared_preload_libraries", "pg_cron")
        .setting("cron.database_name", "auria")
        .start();
    follow(&cluster, "Install", &[]);
    let user = practice(&cluster);
    let mut admin = cluster.superuser("auria");
    admin.run("UPDATE public.subscriptions SET usage_reset_at = now() - INTERVAL '31 days'");
    let printed = follow(&cluster, "Schedule", &[]);
    assert!(printed.contains("CALL auria.reset_monthly()"), "{printed}");
    assert_eq!(
        admin.value::<i32>(&format!(
            "SELECT credits_used_this_month FROM public.subscriptions WHERE user_id = '{user}'"
        )),
        0
    );
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM cron.job"), 0);
}

#[test]
fn monitoring_is_silent_while_all_is_well_and_names_what_is_not() {
    let cluster = installed();
    practice(&cluster);
    assert!(!follow(&cluster, "Monitor", &[]).contains("policies|"));
    cluster.superuser("auria").run("DROP POLICY patients_select_own ON public.patients");
    let printed = follow(&cluster, "Monitor", &[]);
    assert!(printed.contains("policies|") && printed.contains("patients_select_own"), "{printed}");
}

#[test]
fn settings_for_several_servers_are_taken() {
    let cluster = ClusterOptions::default().durable().start();
    follow(&cluster, "Install", &[]);
    // Without a standby nothing would be committed any more.
    let _standby = cluster.standby();
    follow(&cluster, "Scale out", &[]);
    let mut admin = cluster.superuser("auria");
    assert_eq!(
        admin.value::<String>(
            "SELECT string_agg(setting, ' ') FROM (SELECT unnest(setconfig) FROM pg_db_role_setting) AS s (setting)"
        ),
        "idle_in_transaction_session_timeout=30s statement_timeout=15s lock_timeout=5s"
    );
    practice(&cluster);
}

#[test]
fn without_the_key_what_stands_in_plain_is_encrypted_again() {
    let cluster = installed();
    practice(&cluster);
    let mut admin = cluster.superuser("auria");
    let key = cluster.private_directory("keys").join("auria.key");
    fs::remove_file(&key).unwrap();
    assert_eq!(complaints(&mut admin)[0].0, "PHI key");
    cluster.secret_file("keys/auria.key", "another key of more than 16 bytes");
    assert_eq!(admin.value::<i64>("SELECT sum(unreadable)::bigint FROM auria.phi_status()"), 1);
    let printed = follow(&cluster, "The key is lost", &[]);
    assert!(printed.ends_with("(0 rows)\n\n"), "{printed}");
    assert_eq!(admin.value::<String>(DECRYPTED), "Maria da Conceição");
}

#[test]
fn a_counter_is_made_what_the_ledger_says() {
    let cluster = installed();
    let user = practice(&cluster);
    let mut admin = cluster.superuser("auria");
    admin.run(
        "SET session_replication_role = replica;
         UPDATE public.subscriptions SET credits_used_this_month = 7;
         RESET session_replication_role",
    );
    let complaints_before = complaints(&mut admin);
    assert!(complaints_before[0].1.ends_with("events and entries make 1, 0, 0, 0"), "{complaints_before:?}");
    let subscription: String = admin.value("SELECT id::text FROM public.subscriptions");
    let columns = [("USED", "1"), ("HIDDEN", "0"), ("ROLLOVER", "0"), ("BONUS", "0")];
    let variables = [&[("SUBSCRIPTION", subscription.as_str())], &columns[..]].concat();
    let printed = follow(&cluster, "The ledger disagrees", &variables);
    assert!(printed.contains("case_analysis"), "{printed}");
    assert_eq!(complaints(&mut admin), []);
    assert!(admin.value::<bool>(&format!("SELECT public.use_credits('{user}', 'case_analysis')")));
}

#[test]
fn a_new_account_has_the_subscription_that_the_settings_give_it() {
    let cluster = installed();
    follow(&cluster, "Sign-up", &[]);
    let mut admin = cluster.superuser("auria");
    admin.run("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'ana@clinica.example')");
    assert_eq!(
        admin.value::<String>(
            "SELECT concat_ws(' ', p.full_name IS NULL, s.plan_id, s.status, s.credits_bonus)
               FROM public.profiles p JOIN public.subscriptions s USING (user_id)"
        ),
        "t starter active 5"
    );
}

#[test]
fn a_half_restored_database_is_closed_and_thrown_away() {
    let cluster = installed();
    cluster.superuser("postgres").run("CREATE DATABASE half_restored");
    let mut client = cluster.session("half_restored", As::Superuser);
    follow(&cluster, "A restore stopped half-way", &[]);
    assert!(client.batch_execute("SELECT 1").is_err());
    assert_eq!(
        cluster.superuser("postgres").value::<i64>("SELECT count(*) FROM pg_database WHERE datname = 'half_restored'"),
        0
    );
}

#[test]
fn a_team_replaces_a_function_as_a_role_of_its_own_and_restores_it() {
    let cluster = ClusterOptions::default().start();
    follow(&cluster, "Install", &[]);
    let printed = follow(&cluster, "Your own migrations", &[]);
    assert!(printed.contains("note: public.handle_new_user() is not the compiled function"), "{printed}");
    let mut admin = cluster.superuser("auria");
    assert_eq!(
        admin.value::<String>("SELECT definition FROM auria.replaced_functions").matches("credits_bonus").count(),
        1
    );
    assert_eq!(admin.value::<String>(r#"SELECT detail FROM auria.doctor() WHERE "check" = 'functions'"#), "");
}

#[test]
fn an_upgrade_updates_the_extension_under_a_session_that_goes_on() {
    let (stage, release) = next_release("999.0.0");
    let cluster = ClusterOptions::default().on(&stage).start();
    follow(&cluster, "Install", &[]);
    let user = practice(&cluster);
    let mut client = cluster.session("auria", As::Service);
    let charge = format!("SELECT public.use_credits('{user}', 'case_analysis')");
    assert!(client.value::<bool>(&charge));
    let mut admin = cluster.superuser("auria");
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

#[test]
fn policies_and_triggers_that_are_gone_are_put_back() {
    let cluster = installed();
    practice(&cluster);
    let mut admin = cluster.superuser("auria");
    admin.run(
        "DROP POLICY patients_select_own ON public.patients;
         DROP TRIGGER encrypt_patients_phi_trigger ON public.patients",
    );
    let printed = follow(&cluster, "Policies, grants or triggers are gone", &[]);
    assert!(printed.contains("(0 rows)"), "{printed}");
}

#[test]
fn what_is_stored_about_a_person_is_exported_and_then_erased() {
    let cluster = installed();
    let dentist = practice(&cluster);
    let mut admin = cluster.superuser("auria");
    let patient: Uuid = admin.value("SELECT id FROM public.patients");
    let exports = cluster.private_directory("exports");
    let (dentist, patient) = (dentist.to_string(), patient.to_string());
    follow(
        &cluster,
        "Export a person",
        &[("DENTIST", &dentist), ("PATIENT", &patient), ("EXPORTS", exports.to_str().unwrap())],
    );
    for file in ["patient.json", "dentist.json"] {
        let file = exports.join(file);
        let document: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert!(document["tables"].to_string().contains("Maria da Conceição"), "{document}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.patients"), 1);
    let printed = follow(&cluster, "Erase a person", &[("DENTIST", &dentist), ("PATIENT", &patient)]);
    assert!(printed.contains("auth.users"), "{printed}");
    assert_eq!(
        admin.value::<i64>("SELECT (SELECT count(*) FROM public.patients) + (SELECT count(*) FROM public.profiles)"),
        0
    );
}

#[test]
fn a_server_goes_back_to_between_two_charges_and_whoever_was_erased_since_is_erased_again() {
    let cluster = ClusterOptions::default()
        .setting("archive_mode", "on")
        .setting("archive_command", "pgbackrest --stanza=auria archive-push %p")
        .start();
    follow(&cluster, "Install", &[]);
    let [repository, locks] = ["repository", "locks"].map(|name| cluster.private_directory(name));
    let (data, socket) = (cluster.data_directory(), cluster.socket_directory());
    let configuration = cluster.secret_file(
        "pgbackrest.conf",
        &format!(
            "[global]\nrepo1-path={}\nrepo1-retention-full=1\nlock-path={}\nlog-level-file=off\nstart-fast=y\n\
             [auria]\npg1-path={}\npg1-socket-path={}\npg1-port={}\npg1-user=postgres\n",
            repository.display(),
            locks.display(),
            data.display(),
            socket.display(),
            cluster.port(),
        ),
    );
    let configuration = configuration.display().to_string();
    cluster.set_environment("PGBACKREST_CONFIG", &configuration);
    cluster.restart();
    let ana = practice(&cluster);
    let bia = Uuid::new_v4();
    let mut admin = cluster.superuser("auria");
    admin.run(&format!(
        "INSERT INTO auth.users (id, email) VALUES ('{bia}', 'bia@clinica.example');
         INSERT INTO public.patients (user_id, name) VALUES ('{bia}', 'Paciente de Bia'), ('{ana}', 'Paciente de Ana')"
    ));
    let patient: Uuid = admin.value("SELECT id FROM public.patients WHERE name = 'Paciente de Ana'");
    let made = cluster.shell("pgbackrest --stanza=auria stanza-create", &[("PGBACKREST_CONFIG", &configuration)]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    follow(&cluster, "Back up to a repository", &[("PGBACKREST_CONFIG", &configuration)]);

    let charge = format!("SELECT public.use_credits('{ana}', 'case_analysis')");
    // pgBackRest looks for a backup that ended in an earlier second than the target.
    admin.run("SELECT pg_sleep(2)");
    admin.run(&charge);
    let target: String = admin.value("SELECT clock_timestamp()::text");
    admin.run("SELECT pg_sleep(0.1)");
    admin.run(&charge);
    admin.run(&format!("SELECT FROM auria.erase_user('{bia}'); SELECT FROM auria.erase_patient('{patient}')"));
    follow(&cluster, "Keep the record of erasures", &[]);
    drop(admin);
    cluster.stop();

    let printed = follow(
        &cluster,
        "Recover and repeat the erasures",
        &[("PGBACKREST_CONFIG", &configuration), ("DATA", data.to_str().unwrap()), ("TARGET", &target)],
    );
    assert!(printed.contains("public.patients"), "{printed}");
    let mut admin = cluster.superuser("auria");
    // The charge of the practice and the first of the two.
    assert_eq!(admin.value::<i64>(&format!("SELECT count(*) FROM public.credit_usage WHERE user_id = '{ana}'")), 2);
    assert_eq!(admin.value::<String>("SELECT string_agg(name, ' ') FROM public.patients"), "Maria da Conceição");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM auria.erasures WHERE complete"), 2);
}

#[test]
fn an_adopted_database_leaves_and_runs_as_before() {
    let old = legacy::database_at(legacy::LAST);
    let cluster = ClusterOptions::default().start();
    cluster.template();
    let mut server = cluster.superuser("postgres");
    server.run("CREATE ROLE reporting");
    server.run("CREATE DATABASE production TEMPLATE template0");
    old.dump_into(&cluster, "production");
    let mut production = cluster.superuser("production");
    let functions =
        "SELECT string_agg(pg_get_functiondef(p.oid) || p.proowner::regrole, '' ORDER BY p.oid::regprocedure::text)
                       FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
                      WHERE p.pronamespace = 'public'::regnamespace AND l.lanname IN ('sql', 'plpgsql')";
    let before: String = production.value(functions);
    production.run("LOAD 'auria_pg'; SET auria.adopt_functions = 'all'; CREATE EXTENSION auria CASCADE");
    let charge = format!("SELECT public.use_credits('{}', 'case_analysis')", legacy::ANA);
    let mut service = cluster.session("production", As::Service);
    assert!(service.value::<bool>(&charge));
    let printed = follow(&cluster, "Leave auria", &[]);
    assert!(printed.contains("settle_plan_change"), "{printed}");
    assert_eq!(production.value::<String>(functions), before);
    assert!(service.value::<bool>(&charge));
    service.run(&format!(
        "INSERT INTO public.shared_links (user_id, session_id) VALUES ('{}', gen_random_uuid())",
        legacy::ANA
    ));
}

#[test]
fn what_is_removed_leaves_the_rows_and_a_server_that_can_be_reached_without_the_library() {
    let cluster = installed();
    practice(&cluster);
    follow(&cluster, "Remove", &[]);
    let mut admin = cluster.superuser("auria");
    assert_eq!(admin.value::<String>("SHOW session_preload_libraries"), "");
    assert_eq!(
        admin.value::<String>("SELECT name FROM public.patients WHERE name_encrypted IS NOT NULL"),
        "Maria da Conceição"
    );
    admin.run("CREATE EXTENSION auria");
}
