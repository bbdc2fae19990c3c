//! Supabase Vault, which no registry has: a stand-in whose functions raise the errors that Vault's raise.

use auria_tests::{As, Database, Session, database, refused_with};

const ENCRYPT: &str = "SELECT public.phi_encrypt('Maria da Conceição')";
const FIRST: &str = "first-secret-of-more-than-sixteen-octets";
const SECOND: &str = "second-secret-of-more-than-sixteen-octets";

/// Vault as its own extension makes it: `supabase_admin` owns it, and only its owner may read the view. What `failure`
/// says is raised, as Vault does.
fn vault(dba: &mut Session) {
    dba.run(
        "DO $$ BEGIN CREATE ROLE supabase_admin SUPERUSER; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         CREATE SCHEMA vault AUTHORIZATION supabase_admin;
         SET ROLE supabase_admin;
         CREATE TABLE vault.secrets (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE, secret text);
         CREATE TABLE vault.failure (message text, sleep float8);
         CREATE FUNCTION vault._crypto_aead_det_decrypt(secret text) RETURNS text LANGUAGE plpgsql STABLE AS $$
         DECLARE failure record;
         BEGIN
             IF current_user <> 'supabase_admin' THEN
                 RAISE insufficient_privilege USING MESSAGE = 'called by ' || current_user;
             END IF;
             FOR failure IN SELECT * FROM vault.failure LOOP
                 PERFORM pg_sleep(failure.sleep);
                 IF failure.message IS NOT NULL THEN
                     RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = failure.message;
                 END IF;
             END LOOP;
             RETURN secret;
         END $$;
         CREATE VIEW vault.decrypted_secrets AS
            SELECT id, name, secret, vault._crypto_aead_det_decrypt(secret) AS decrypted_secret FROM vault.secrets;
         CREATE FUNCTION vault.create_secret(new_secret text, new_name text) RETURNS uuid LANGUAGE sql SECURITY DEFINER AS
            $$ INSERT INTO vault.secrets (name, secret) VALUES (new_name, new_secret) RETURNING id $$;
         CREATE FUNCTION vault.update_secret(secret_id uuid, new_secret text DEFAULT NULL, new_name text DEFAULT NULL)
            RETURNS void LANGUAGE sql SECURITY DEFINER AS
            $$ UPDATE vault.secrets SET secret = coalesce(new_secret, secret), name = coalesce(new_name, name)
                WHERE id = secret_id $$;
         REVOKE ALL ON ALL TABLES IN SCHEMA vault FROM PUBLIC;
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vault FROM PUBLIC;
         RESET ROLE",
    );
}

fn with_secret(db: &Database<'_>) -> Session {
    let mut dba = db.superuser();
    vault(&mut dba);
    dba.run(&format!("SELECT vault.create_secret('{FIRST}', 'phi_encryption_key')"));
    dba
}

#[test]
fn the_key_is_read_with_the_rights_of_the_views_owner_and_nobody_else_has_any() {
    let db = database();
    let mut dba = with_secret(&db);
    let dentist = db.sign_up("ana@clinica.test");
    db.session(As::User(dentist))
        .execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Maria')", &[&dentist])
        .unwrap();
    dba.run("CREATE EXTENSION pgcrypto SCHEMA public");
    let read: String =
        dba.value(&format!("SELECT public.pgp_sym_decrypt(name_encrypted, '{FIRST}') FROM public.patients"));
    assert_eq!(read, "Maria");
    db.service().run(ENCRYPT);
    db.service().run("CALL auria.phi_backfill()");
    db.service().run("SELECT auria.phi_status()");
    assert!(dba.value::<bool>("SELECT ok FROM auria.doctor() WHERE \"check\" = 'PHI key'"));
    for role in ["service_role", "authenticated", "auria_owner"] {
        dba.run(&format!("SET ROLE {role}"));
        refused_with(dba.query("SELECT * FROM vault.decrypted_secrets", &[]), "42501");
        dba.run("RESET ROLE");
    }
}

#[test]
fn what_vault_raises_becomes_55000_with_its_message_and_a_hint_and_no_other_key_is_taken() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut dba = with_secret(&db);
    for message in [
        "pgsodium_crypto_aead_det_decrypt_by_id: invalid ciphertext",
        "no server secret key defined",
        "invalid ciphertext",
    ] {
        dba.run(&format!("DELETE FROM vault.failure; INSERT INTO vault.failure VALUES ('{message}', 0)"));
        let mut service = db.service();
        let refusal = refused_with(service.query(ENCRYPT, &[]), "55000");
        assert!(refusal.detail().unwrap().contains(message), "{refusal:?}");
        assert!(refusal.hint().unwrap().contains("shared_preload_libraries"), "{refusal:?}");
        assert!(!format!("{refusal:?}").contains(FIRST));
        refused_with(
            db.session(As::User(dentist))
                .execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Maria')", &[&dentist]),
            "55000",
        );
        refused_with(service.query("SELECT auria.phi_status()", &[]), "55000");
        // The session goes on, also inside of an EXCEPTION handler and where workers run in parallel.
        dba.run(
            "DO $$ BEGIN PERFORM public.phi_encrypt('Maria'); RAISE 'read';
                   EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL; END $$",
        );
        service.run("SELECT 1");
    }
    dba.run("DELETE FROM vault.failure");
    db.service().run(ENCRYPT);
}

#[test]
fn the_doctor_reports_what_vault_raises_and_answers_everything_else() {
    let db = database();
    let mut dba = with_secret(&db);
    dba.run("INSERT INTO vault.failure VALUES ('invalid ciphertext', 0)");
    let rows = dba.query("SELECT \"check\", ok, detail FROM auria.doctor()", &[]).unwrap();
    let key = rows.iter().find(|row| row.get::<_, &str>(0) == "PHI key").unwrap();
    assert!(!key.get::<_, bool>(1));
    assert!(key.get::<_, &str>(2).contains("Vault says: invalid ciphertext"));
    assert!(rows.len() > 10);
    let failed: Vec<&str> = rows.iter().filter(|row| !row.get::<_, bool>(1)).map(|row| row.get(0)).collect();
    assert_eq!(failed, ["PHI key"]);
    dba.run("SELECT 1");
}

#[test]
fn the_extension_is_created_beside_a_vault_that_raises_with_a_warning() {
    let cluster = auria_tests::ClusterOptions::default().start();
    let db = cluster.empty_database();
    let mut dba = db.superuser();
    vault(&mut dba);
    dba.run(&format!(
        "SELECT vault.create_secret('{FIRST}', 'phi_encryption_key');
         INSERT INTO vault.failure VALUES ('invalid ciphertext', 0)"
    ));
    dba.notices();
    dba.run("CREATE EXTENSION auria CASCADE");
    assert!(dba.notices().iter().any(|notice| notice.message().contains("invalid ciphertext")));
}

#[test]
fn a_vault_that_encrypts_by_itself_fails_at_any_depth_and_the_server_goes_on() {
    // A server of its own, which others need not lose.
    let cluster = auria_tests::ClusterOptions::default().start();
    let db = cluster.database();
    let mut dba = with_secret(&db);
    dba.run(
        "CREATE OR REPLACE FUNCTION vault._crypto_aead_det_decrypt(secret text) RETURNS text LANGUAGE plpgsql AS $$
         DECLARE depth int := current_setting('vault.depth')::int;
         BEGIN
             IF depth = 0 THEN RAISE 'at the bottom'; END IF;
             PERFORM set_config('vault.depth', (depth - 1)::text, true);
             PERFORM public.phi_encrypt('x');
             RETURN secret;
         END $$",
    );
    let mut witness = db.superuser();
    let before = witness.backend_pid();
    let mut service = db.service();
    // PostgreSQL has room for five errors at once.
    for depth in [0, 3, 4, 5, 8, 12] {
        service.run(&format!("SET vault.depth = {depth}"));
        let refusal = refused_with(service.query(ENCRYPT, &[]), "55000");
        let expected = if depth == 0 { "Vault says: at the bottom" } else { "Vault says: Supabase Vault does not" };
        assert!(refusal.detail().unwrap().starts_with(expected), "{depth}: {refusal:?}");
    }
    assert_eq!(witness.backend_pid(), before);
}

#[test]
fn a_cancel_while_vault_is_asked_stays_a_cancel() {
    let db = database();
    let mut dba = with_secret(&db);
    dba.run("INSERT INTO vault.failure VALUES (NULL, 60)");
    let mut service = db.service();
    service.run("SET statement_timeout = '200ms'");
    refused_with(service.query(ENCRYPT, &[]), "57014");
    service.run("RESET statement_timeout");
    dba.run("DELETE FROM vault.failure");
    service.run(ENCRYPT);
}

#[test]
fn vault_is_read_where_workers_run_in_parallel() {
    let db = database();
    let mut dba = with_secret(&db);
    dba.run(
        "CREATE TABLE public.sealed AS SELECT public.phi_encrypt(i::text) AS message FROM generate_series(1, 2000) AS i;
         ANALYZE public.sealed;
         SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
         SET max_parallel_workers_per_gather = 2",
    );
    let query = "SELECT count(public.phi_decrypt(message)) FROM public.sealed";
    let plan: Vec<String> = dba.query(&format!("EXPLAIN {query}"), &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().any(|line| line.contains("Gather")), "{plan:?}");
    let parallel = |dba: &mut Session| dba.query(query, &[]);
    assert_eq!(parallel(&mut dba).unwrap()[0].get::<_, i64>(0), 2000);
    dba.run("INSERT INTO vault.failure VALUES ('invalid ciphertext', 0)");
    refused_with(parallel(&mut dba), "55000");
}

#[test]
fn a_view_is_believed_for_its_owner_and_its_schemas_owner_and_both_may_change() {
    let db = database();
    let mut dba = with_secret(&db);
    let name = format!("stranger_{}", db.name());
    let mut service = db.service();
    dba.run(&format!("CREATE ROLE {name}; GRANT CREATE ON DATABASE {} TO {name}", db.name()));
    service.run(ENCRYPT);
    // The schema of a stranger: he could put another view in the place of a believed one.
    dba.run(&format!("ALTER SCHEMA vault OWNER TO {name}"));
    refused_with(service.query(ENCRYPT, &[]), "42501");
    dba.run(&format!("ALTER SCHEMA vault OWNER TO supabase_admin; ALTER VIEW vault.decrypted_secrets OWNER TO {name}"));
    refused_with(service.query(ENCRYPT, &[]), "42501");
    // One whom the DBA trusts, and the database's owner, are believed; the view's functions have his rights alone.
    dba.run(&format!(
        "GRANT USAGE ON SCHEMA vault TO {name}; GRANT SELECT ON vault.secrets TO {name};
         CREATE OR REPLACE FUNCTION vault._crypto_aead_det_decrypt(secret text) RETURNS text LANGUAGE plpgsql AS $$
         BEGIN
             IF current_user <> '{name}' THEN RAISE 'called by %', current_user; END IF;
             RETURN secret;
         END $$;
         GRANT EXECUTE ON FUNCTION vault._crypto_aead_det_decrypt TO {name};
         ALTER DATABASE {} SET auria.trusted_owners = '{name}'",
        db.name()
    ));
    db.service().run(ENCRYPT);
    dba.run(&format!("ALTER DATABASE {0} RESET auria.trusted_owners; ALTER DATABASE {0} OWNER TO {name}", db.name()));
    db.service().run(ENCRYPT);
    // It cannot become more: neither by SET ROLE nor by what it may not do itself.
    for attack in ["SET ROLE postgres", "RESET ROLE", "ALTER ROLE anon SUPERUSER"] {
        dba.run(&format!(
            "CREATE OR REPLACE FUNCTION vault._crypto_aead_det_decrypt(secret text) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN EXECUTE '{attack}'; RETURN secret; END $$"
        ));
        refused_with(dba.query(ENCRYPT, &[]), "55000");
    }
    dba.run(&format!("ALTER DATABASE {} OWNER TO postgres", db.name()));
    dba.run(&format!("DROP OWNED BY {name}; DROP ROLE {name}"));
}

#[test]
fn the_documented_rotation_works_with_vaults_own_functions_for_a_role_that_cannot_update_its_table() {
    let db = database();
    let mut dba = with_secret(&db);
    let dentist = db.sign_up("ana@clinica.test");
    dba.run(&format!(
        "GRANT USAGE ON SCHEMA vault TO service_role;
         GRANT SELECT ON vault.decrypted_secrets TO service_role;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vault TO service_role;
         INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria')"
    ));
    // As `postgres` on Supabase, which is no superuser there.
    let mut postgres = db.service();
    refused_with(postgres.batch_execute("UPDATE vault.secrets SET name = 'x'"), "42501");
    dba.run("CREATE OR REPLACE FUNCTION vault._crypto_aead_det_decrypt(secret text) RETURNS text LANGUAGE sql AS 'SELECT secret'");
    postgres.run(&format!(
        "BEGIN;
         SELECT vault.create_secret(decrypted_secret, 'phi_encryption_key_previous')
           FROM vault.decrypted_secrets WHERE name = 'phi_encryption_key';
         SELECT vault.update_secret(id, '{SECOND}') FROM vault.decrypted_secrets WHERE name = 'phi_encryption_key';
         COMMIT"
    ));
    let needed = "SELECT bool_or(previous_key_needed) FROM auria.phi_status()";
    assert!(postgres.value::<bool>(needed));
    postgres.run("CALL auria.phi_backfill()");
    assert!(!postgres.value::<bool>(needed));
    dba.run("CREATE EXTENSION pgcrypto SCHEMA public");
    let read: String =
        dba.value(&format!("SELECT public.pgp_sym_decrypt(name_encrypted, '{SECOND}') FROM public.patients"));
    assert_eq!(read, "Maria");
}

#[test]
fn a_transaction_with_an_old_snapshot_reads_the_new_key_from_vault() {
    let db = database();
    let mut dba = with_secret(&db);
    let mut service = db.service();
    service.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    dba.run(&format!("SELECT vault.update_secret(id, '{SECOND}') FROM vault.secrets"));
    let message: Vec<u8> = service.value(ENCRYPT);
    service.run("COMMIT");
    dba.run("CREATE EXTENSION pgcrypto SCHEMA public");
    let read: String = dba.query_one("SELECT public.pgp_sym_decrypt($1, $2)", &[&message, &SECOND]).unwrap().get(0);
    assert_eq!(read, "Maria da Conceição");
}
