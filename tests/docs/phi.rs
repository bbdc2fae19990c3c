//! The SQL that docs/phi.md shows, run in its order, and its table of columns.

use auria_tests::database;

use crate::support::catalogue::column;

const PAGE: &str = include_str!("../../docs/phi.md");

#[test]
fn every_statement_of_the_page_on_patient_data_runs_in_its_order() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut session = db.superuser();
    // What Supabase would have brought.
    session.run(
        "CREATE SCHEMA extensions; CREATE EXTENSION pgcrypto SCHEMA extensions; CREATE SCHEMA vault;
         CREATE FUNCTION public.pgp_sym_decrypt(bytea, text) RETURNS text
            LANGUAGE sql RETURN extensions.pgp_sym_decrypt($1, $2);
         CREATE TABLE vault.secrets (id uuid DEFAULT gen_random_uuid(), name text UNIQUE, secret text);
         CREATE VIEW vault.decrypted_secrets AS SELECT id, name, secret AS decrypted_secret FROM vault.secrets;
         CREATE FUNCTION vault.create_secret(secret text, name text) RETURNS void
            LANGUAGE sql BEGIN ATOMIC INSERT INTO vault.secrets (name, secret) VALUES (name, secret); END;
         CREATE FUNCTION vault.update_secret(secret_id uuid, new_secret text) RETURNS void
            LANGUAGE sql BEGIN ATOMIC UPDATE vault.secrets SET secret = new_secret WHERE id = secret_id; END",
    );
    let blocks: Vec<&str> = PAGE.split("```sql\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 6);
    for (number, block) in blocks.iter().enumerate() {
        session.run(block);
        if number == 0 {
            session.execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Maria')", &[&dentist]).unwrap();
        }
    }
    // The rotation that the page describes has been carried out.
    let last = blocks.last().unwrap().trim_end().trim_end_matches(';');
    assert_eq!(session.value::<String>(last), "Maria");
    assert_eq!(session.value::<i64>("SELECT count(*) FROM vault.secrets"), 1);
}

#[test]
fn the_page_lists_every_encrypted_column() {
    let db = database();
    let mut listed: Vec<String> = PAGE
        .lines()
        .skip_while(|line| !line.starts_with("| table | plain columns |"))
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.strip_prefix("| `"))
        .flat_map(|row| {
            let (table, rest) = row.split_once("` | ").unwrap();
            let columns = rest.split(" |").next().unwrap();
            columns.split('`').skip(1).step_by(2).map(|column| format!("{table}.{column}")).collect::<Vec<_>>()
        })
        .collect();
    let mut stored = column(
        &mut db.superuser(),
        "SELECT c.relname || '.' || replace(a.attname, '_encrypted', '') FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attname LIKE '%\\_encrypted' AND NOT a.attisdropped",
    );
    listed.sort();
    stored.sort();
    assert_eq!(listed, stored);
}
