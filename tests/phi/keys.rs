//! Where the key comes from, what is refused as one, and changing it under a running session.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use auria_tests::{Cluster, ClusterOptions, Session, database, is_root, refused_with};
use postgres::error::DbError;

const ENCRYPT: &str = "SELECT public.phi_encrypt('Maria da Conceição')";
const FIRST: &str = "first-secret-of-more-than-sixteen-octets";
const SECOND: &str = "second-secret-of-more-than-sixteen-octets";

/// Points the setting at a file for this session.
fn use_file(session: &mut Session, setting: &str, path: &std::path::Path) {
    session.execute("SELECT set_config($1, $2, false)", &[&setting, &path.display().to_string()]).unwrap();
}

fn vault(session: &mut Session) {
    session.run(
        "CREATE SCHEMA vault;
         CREATE TABLE vault.secrets (name text, secret text);
         CREATE VIEW vault.decrypted_secrets AS
            SELECT name, secret AS decrypted_secret FROM vault.secrets;
         REVOKE ALL ON ALL TABLES IN SCHEMA vault FROM PUBLIC",
    );
}

fn assert_discreet(refusal: &DbError, secrets: &[&str]) {
    let report = format!("{refusal:?}");
    for secret in secrets {
        assert!(!report.contains(secret), "{report}");
    }
}

#[test]
fn a_key_file_that_is_loose_missing_empty_short_binary_or_no_file_is_refused() {
    let cluster = Cluster::shared();
    let db = database();
    let mut session = db.superuser();
    let loose = cluster.secret_file("loose.key", FIRST);
    let world = cluster.secret_file("world.key", FIRST);
    fs::set_permissions(&loose, Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(&world, Permissions::from_mode(0o604)).unwrap();
    let directory = cluster.socket_directory().join("directory.key");
    let fifo = cluster.socket_directory().join("fifo.key");
    fs::create_dir_all(&directory).unwrap();
    let made = std::process::Command::new("mkfifo").arg("-m").arg("644").arg(&fifo).status();
    assert!(made.unwrap().success());
    let binary = cluster.secret_file("binary.key", "");
    fs::write(&binary, [0xFF, 0xD8, 0x01, 0x80].repeat(10)).unwrap();
    let control = cluster.secret_file("control.key", "a key with \u{1} control octets");
    for (path, reason) in [
        (loose, "can be read or written by others"),
        (world, "can be read or written by others"),
        (cluster.socket_directory().join("missing.key"), "does not exist"),
        (cluster.secret_file("empty.key", ""), "too short"),
        (cluster.secret_file("short.key", "fifteen octets!"), "too short"),
        (cluster.secret_file("second-line.key", &format!("\n{FIRST}")), "too short"),
        (cluster.secret_file("long.key", &"x".repeat(5000)), "too long"),
        (binary, "not text"),
        (control, "not text"),
        (directory, "not a regular file"),
        (fifo, "not a regular file"),
        ("relative.key".into(), "absolute path"),
    ] {
        use_file(&mut session, "auria.phi_key_file", &path);
        let refusal = refused_with(session.query(ENCRYPT, &[]), "55000");
        assert!(refusal.detail().unwrap().contains(reason), "{path:?}: {refusal:?}");
        assert!(refusal.hint().is_some());
        assert_discreet(&refusal, &[FIRST, "fifteen", "relative.key", "Maria"]);
        refused_with(session.query("SELECT public.phi_decrypt('\\x00')", &[]), "55000");
    }
}

#[test]
fn a_file_of_another_account_is_refused_even_when_it_could_be_read() {
    // A symbolic link is followed; what counts is the file it leads to.
    let cluster = Cluster::shared();
    let db = database();
    let mut session = db.superuser();
    let target = cluster.secret_file("target.key", FIRST);
    let link = cluster.socket_directory().join("link.key");
    symlink(&target, &link).unwrap();
    use_file(&mut session, "auria.phi_key_file", &link);
    session.query(ENCRYPT, &[]).unwrap();
    let system = cluster.socket_directory().join("system.key");
    symlink("/etc/hostname", &system).unwrap();
    use_file(&mut session, "auria.phi_key_file", &system);
    refused_with(session.query(ENCRYPT, &[]), "55000");
}

/// As Kubernetes and Docker mount secrets. Only root can make such a file: as another user this has nothing to try.
#[test]
fn a_key_file_of_roots_is_read_if_the_servers_group_may_read_it_and_nobody_else_may_do_anything() {
    let cluster = Cluster::shared();
    let db = database();
    let mut session = db.superuser();
    if !is_root() {
        return;
    }
    let group = fs::metadata(cluster.secret_file("group.key", FIRST)).unwrap().gid();
    let mut given = |name: &str, uid: u32, gid: u32, mode: u32, setting: &str| {
        let path = cluster.secret_file(name, FIRST);
        chown(&path, Some(uid), Some(gid)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        use_file(&mut session, setting, &path);
        let answer = session.query(ENCRYPT, &[]).map(drop);
        session.run(&format!("RESET {setting}"));
        answer
    };
    let setting = "auria.phi_key_file";
    for mode in [0o640, 0o440] {
        given("root.key", 0, group, mode, setting).unwrap();
    }
    for (uid, gid, mode, reason) in [
        (0, group, 0o660, "belongs to root"),
        (0, group, 0o650, "belongs to root"),
        (0, group, 0o644, "belongs to root"),
        (0, group, 0o641, "belongs to root"),
        // Readable by the server only through "others".
        (0, 0, 0o604, "belongs to root"),
        (0, 0, 0o640, "cannot be opened"),
        (1, group, 0o640, "belongs neither to the account"),
    ] {
        let refusal = refused_with(given("wide.key", uid, gid, mode, setting), "55000");
        assert!(refusal.detail().unwrap().contains(reason), "{uid} {mode:o}: {refusal:?}");
        assert!(refusal.hint().unwrap().contains("0640"), "{refusal:?}");
        assert_discreet(&refusal, &[FIRST, "Maria"]);
    }
}

/// A rotation with both secrets mounted.
#[test]
fn the_previous_key_file_follows_the_same_rule() {
    if !is_root() {
        return;
    }
    let cluster = Cluster::shared();
    let db = database();
    let mut session = db.superuser();
    let mounted = |name: &str, secret: &str, mode: u32| {
        let path = cluster.secret_file(name, secret);
        let group = fs::metadata(&path).unwrap().gid();
        chown(&path, Some(0), Some(group)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    };
    use_file(&mut session, "auria.phi_key_file", &mounted("mounted-first.key", FIRST, 0o640));
    let message: Vec<u8> = session.value(ENCRYPT);
    use_file(&mut session, "auria.phi_key_file", &mounted("mounted-second.key", SECOND, 0o440));
    let decrypt = "SELECT public.phi_decrypt($1)";
    refused_with(session.query(decrypt, &[&message]), "39000");
    use_file(&mut session, "auria.phi_previous_key_file", &mounted("mounted-previous.key", FIRST, 0o644));
    refused_with(session.query(decrypt, &[&message]), "55000");
    use_file(&mut session, "auria.phi_previous_key_file", &mounted("mounted-previous.key", FIRST, 0o640));
    assert_eq!(session.query_one(decrypt, &[&message]).unwrap().get::<_, String>(0), "Maria da Conceição");
}

#[test]
fn a_line_ending_of_windows_and_further_lines_do_not_belong_to_the_key() {
    let cluster = Cluster::shared();
    let db = database();
    let mut session = db.superuser();
    let path = cluster.secret_file("windows.key", &format!("{FIRST}\r\nsecond line"));
    use_file(&mut session, "auria.phi_key_file", &path);
    session.run("CREATE EXTENSION pgcrypto SCHEMA public");
    let read: String = session.value(&format!("SELECT public.pgp_sym_decrypt(public.phi_encrypt('Ana'), '{FIRST}')"));
    assert_eq!(read, "Ana");
}

#[test]
fn without_any_key_the_error_names_both_ways_and_nothing_is_stored() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut session = db.superuser();
    session.run("SET auria.phi_key_file = ''");
    let refusal = refused_with(session.query(ENCRYPT, &[]), "55000");
    let hint = refusal.hint().unwrap();
    assert!(hint.contains("Vault") && hint.contains("auria.phi_key_file"));
    refused_with(
        session.execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Maria da Conceição')", &[&dentist]),
        "55000",
    );
    session.execute("INSERT INTO public.patients (user_id, name) VALUES ($1, '')", &[&dentist]).unwrap_err();
    assert_eq!(session.value::<i64>("SELECT count(*) FROM public.patients"), 0);
    assert!(!db.cluster().log().contains("decrypted_secret FROM"));
}

#[test]
fn vault_comes_before_the_file_and_its_secret_stays_unseen() {
    let db = database();
    let mut session = db.superuser();
    vault(&mut session);
    session.run("CREATE EXTENSION pgcrypto SCHEMA public");
    let from_file: Vec<u8> = session.value(ENCRYPT);
    session.run(&format!("INSERT INTO vault.secrets VALUES ('phi_encryption_key', '{FIRST}')"));
    // A caller without any right on Vault: the function has its owner's.
    let mut service = db.service();
    let message: Vec<u8> = service.value(ENCRYPT);
    let read: String = session.query_one("SELECT public.pgp_sym_decrypt($1, $2)", &[&message, &FIRST]).unwrap().get(0);
    assert_eq!(read, "Maria da Conceição");
    let refusal = refused_with(service.query("SELECT public.phi_decrypt($1)", &[&from_file]), "39000");
    assert_discreet(&refusal, &[FIRST, "Maria"]);
    refused_with(service.query("SELECT * FROM vault.decrypted_secrets", &[]), "42501");
}

#[test]
fn a_secret_in_vault_that_is_short_null_or_double_is_refused_not_passed_over() {
    let db = database();
    let mut session = db.superuser();
    vault(&mut session);
    for secret in ["'fifteen octets!'", "NULL", "''"] {
        session
            .run(&format!("TRUNCATE vault.secrets; INSERT INTO vault.secrets VALUES ('phi_encryption_key', {secret})"));
        let refusal = refused_with(session.query(ENCRYPT, &[]), "55000");
        assert_discreet(&refusal, &["fifteen"]);
    }
    session.run(&format!(
        "TRUNCATE vault.secrets;
         INSERT INTO vault.secrets VALUES ('phi_encryption_key', '{FIRST}'), ('phi_encryption_key', '{SECOND}')"
    ));
    refused_with(session.query(ENCRYPT, &[]), "55000");
}

#[test]
fn a_vault_planted_by_a_role_that_may_create_schemas_is_not_believed() {
    let db = database();
    let mut dba = db.superuser();
    dba.run(&format!("GRANT CREATE ON DATABASE {} TO authenticated", db.name()));
    let mut attacker = db.session(auria_tests::As::User(uuid::Uuid::new_v4()));
    attacker.run(
        "CREATE SCHEMA vault;
         CREATE FUNCTION vault.rob() RETURNS text LANGUAGE sql AS $$ SELECT current_user || ' was robbed, all of it' $$;
         CREATE VIEW vault.decrypted_secrets AS
            SELECT 'phi_encryption_key'::text AS name, vault.rob() AS decrypted_secret",
    );
    refused_with(db.service().query(ENCRYPT, &[]), "42501");
}

#[test]
fn a_rotation_in_the_middle_of_a_session_is_seen_by_its_next_transaction() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let (mut dba, mut session) = (db.superuser(), db.service());
    dba.run("LOAD 'auria_pg'");
    let key = cluster.secret_file("rotating.key", FIRST);
    dba.run(&format!("ALTER SYSTEM SET auria.phi_key_file = '{}'", key.display()));
    cluster.reload();
    drop(session);
    session = db.service();
    let old: Vec<u8> = session.value(ENCRYPT);
    let decrypt = "SELECT public.phi_decrypt($1)";

    session.run("BEGIN");
    session.query_one(decrypt, &[&old]).unwrap();
    cluster.secret_file("rotating.key", SECOND);
    session.query_one(decrypt, &[&old]).unwrap();
    session.run("COMMIT");
    refused_with(session.query(decrypt, &[&old]), "39000");
    let new: Vec<u8> = session.value(ENCRYPT);

    // The previous secret reads what it wrote, and writes nothing any more.
    let previous = cluster.secret_file("previous.key", FIRST);
    dba.run(&format!("ALTER SYSTEM SET auria.phi_previous_key_file = '{}'", previous.display()));
    cluster.reload();
    let mut later = db.service();
    for message in [&old, &new] {
        let read: String = later.query_one(decrypt, &[message]).unwrap().get(0);
        assert_eq!(read, "Maria da Conceição");
    }
    dba.run("CREATE EXTENSION pgcrypto SCHEMA public");
    let again: Vec<u8> = later.value(ENCRYPT);
    let read: String = dba.query_one("SELECT public.pgp_sym_decrypt($1, $2)", &[&again, &SECOND]).unwrap().get(0);
    assert_eq!(read, "Maria da Conceição");

    // The current one gone, there is nothing to fall back on silently.
    fs::remove_file(&key).unwrap();
    refused_with(later.query(decrypt, &[&old]), "55000");
    refused_with(later.query(ENCRYPT, &[]), "55000");
}

#[test]
fn a_rotation_in_vault_keeps_the_previous_secret_readable() {
    let db = database();
    let mut dba = db.superuser();
    let mut session = db.service();
    vault(&mut dba);
    dba.run(&format!("INSERT INTO vault.secrets VALUES ('phi_encryption_key', '{FIRST}')"));
    let old: Vec<u8> = session.value(ENCRYPT);
    dba.run(&format!(
        "UPDATE vault.secrets SET name = 'phi_encryption_key_previous';
         INSERT INTO vault.secrets VALUES ('phi_encryption_key', '{SECOND}')"
    ));
    let decrypt = "SELECT public.phi_decrypt($1)";
    let read: String = session.query_one(decrypt, &[&old]).unwrap().get(0);
    assert_eq!(read, "Maria da Conceição");
    dba.run("DELETE FROM vault.secrets WHERE name = 'phi_encryption_key_previous'");
    refused_with(session.query(decrypt, &[&old]), "39000");
}

#[test]
fn only_a_superuser_sees_or_sets_where_the_key_file_is() {
    let db = database();
    let mut session = db.service();
    session.run("SELECT public.get_credit_cost('any')");
    refused_with(session.query("SHOW auria.phi_key_file", &[]), "42501");
    refused_with(session.batch_execute("SET auria.phi_key_file = '/tmp/mine'"), "42501");
    refused_with(session.batch_execute("SET auria.phi_previous_key_file = '/tmp/mine'"), "42501");
}

#[test]
fn a_file_that_a_session_names_before_the_library_is_loaded_is_not_used() {
    let cluster = Cluster::shared();
    let db = database();
    let planted = cluster.secret_file("planted.key", FIRST);
    let mut session = db.service();
    session.run(&format!("SET auria.phi_key_file = '{}'", planted.display()));
    let message: Vec<u8> = session.value(ENCRYPT);
    let read: String = db.service().query_one("SELECT public.phi_decrypt($1)", &[&message]).unwrap().get(0);
    assert_eq!(read, "Maria da Conceição");
}

#[test]
fn only_the_backend_may_call() {
    let db = database();
    for mut session in [db.anon(), db.authenticated(uuid::Uuid::new_v4())] {
        refused_with(session.query(ENCRYPT, &[]), "42501");
        refused_with(session.query("SELECT public.phi_decrypt('\\x00')", &[]), "42501");
        refused_with(session.query("SELECT auria.phi_status()", &[]), "42501");
        refused_with(session.batch_execute("CALL auria.phi_backfill()"), "42501");
    }
}

#[test]
fn null_is_null_so_that_a_view_over_columns_that_may_be_empty_works_for_the_backend() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    db.superuser().run(
        "CREATE VIEW public.patients_in_clear AS
            SELECT id, public.phi_decrypt(name_encrypted) AS name, public.phi_decrypt(phone_encrypted) AS phone
              FROM public.patients;
         GRANT SELECT ON public.patients_in_clear TO service_role",
    );
    service
        .execute("INSERT INTO public.patients (user_id, name, phone) VALUES ($1, 'Maria', NULL)", &[&dentist])
        .unwrap();
    let row = service.query_one("SELECT name, phone FROM public.patients_in_clear", &[]).unwrap();
    assert_eq!(row.get::<_, &str>(0), "Maria");
    assert_eq!(row.get::<_, Option<&str>>(1), None);
    assert!(service.value::<bool>("SELECT public.phi_encrypt(NULL) IS NULL AND public.phi_decrypt(NULL) IS NULL"));
}
