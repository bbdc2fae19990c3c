//! When a row was created is the server's to say: the free tier and the lifetime of a share link are counted by it.

use auria_tests::{Database, Session, database, refused_with};
use uuid::Uuid;

/// An INSERT into one of the two tables, with this created_at, for this user; $1 is the row's id.
fn insert(table: &str, user: Uuid, created_at: &str) -> String {
    match table {
        "evaluations" => format!(
            "INSERT INTO public.evaluations (id, user_id, session_id, patient_name, patient_age, tooth, region, cavity_class,
                 restoration_size, substrate, aesthetic_level, tooth_color, longevity_expectation, budget, created_at)
             VALUES ($1, '{user}', '{user}', 'Maria', 40, '11', 'anterior', 'Classe IV', 'media', 'esmalte', 'alto', 'A2',
                 'longa', 'alto', {created_at})"
        ),
        _ => format!(
            "INSERT INTO public.shared_links (id, user_id, session_id, created_at) VALUES ($1, '{user}', '{user}', {created_at})"
        ),
    }
}

const TABLES: [&str; 2] = ["evaluations", "shared_links"];

fn signed_up(db: &Database) -> (Uuid, Session) {
    let user = db.sign_up("ana@clinica.example");
    (user, db.authenticated(user))
}

/// Whether the row was created within this minute.
fn is_new(db: &Database, table: &str, id: Uuid) -> bool {
    db.superuser()
        .query_one(
            &format!(
                "SELECT created_at BETWEEN now() - INTERVAL '1 minute' AND now() FROM public.{table} WHERE id = $1"
            ),
            &[&id],
        )
        .unwrap()
        .get(0)
}

#[test]
fn a_user_cannot_insert_a_row_that_claims_to_be_older_or_newer() {
    let db = database();
    let (user, mut session) = signed_up(&db);
    for table in TABLES {
        for created_at in
            ["DEFAULT", "NULL", "now() - INTERVAL '40 days'", "now() + INTERVAL '40 days'", "'-infinity'", "'infinity'"]
        {
            let id = Uuid::new_v4();
            session.execute(&insert(table, user, created_at), &[&id]).unwrap();
            assert!(is_new(&db, table, id), "{table}, {created_at}");
        }
    }
}

#[test]
fn a_user_may_send_the_stored_value_back_and_no_other() {
    let db = database();
    let (user, mut session) = signed_up(&db);
    for table in TABLES {
        let id = Uuid::new_v4();
        session.execute(&insert(table, user, "DEFAULT"), &[&id]).unwrap();
        let stored = format!("SELECT created_at::text FROM public.{table} WHERE id = '{id}'");
        let before: String = session.value(&stored);
        session.run(&format!(
            "UPDATE public.{table} SET created_at = '{before}', session_id = session_id WHERE id = '{id}';
             UPDATE public.{table} SET created_at = created_at WHERE id = '{id}'"
        ));
        for other in [
            "created_at - INTERVAL '1 microsecond'",
            "created_at + INTERVAL '1 day'",
            "'infinity'",
            "'-infinity'",
            "'2000-01-01'",
            "NULL",
        ] {
            let refusal = refused_with(
                session.batch_execute(&format!("UPDATE public.{table} SET created_at = {other} WHERE id = '{id}'")),
                "42501",
            );
            assert!(refusal.hint().is_some());
        }
        assert_eq!(session.value::<String>(&stored), before);
    }
}

#[test]
fn an_upsert_of_a_whole_row_keeps_created_at() {
    let db = database();
    let (user, mut session) = signed_up(&db);
    for table in TABLES {
        let id = Uuid::new_v4();
        session.execute(&insert(table, user, "DEFAULT"), &[&id]).unwrap();
        // Not of this minute, so that a new one would be seen.
        db.superuser()
            .run(&format!("UPDATE public.{table} SET created_at = created_at - INTERVAL '2 days' WHERE id = '{id}'"));
        let stored = format!("SELECT created_at::text FROM public.{table} WHERE id = '{id}'");
        let before: String = session.value(&stored);
        // As PostgREST writes `Prefer: resolution=merge-duplicates`: every column, from JSON.
        let columns: String = session.value(&format!(
            "SELECT string_agg(attname, ', ') FROM pg_attribute
              WHERE attrelid = 'public.{table}'::regclass AND attnum > 0 AND NOT attisdropped
                AND attname NOT LIKE '%\\_encrypted'"
        ));
        let set =
            columns.split(", ").map(|column| format!("{column} = EXCLUDED.{column}")).collect::<Vec<_>>().join(", ");
        for row in [
            format!("SELECT to_jsonb(t) AS body FROM public.{table} t WHERE id = '{id}'"),
            format!(
                "SELECT to_jsonb(t) || '{{\"created_at\": \"2001-01-01\"}}' AS body FROM public.{table} t WHERE id = '{id}'"
            ),
        ] {
            let upserted = session
                .execute(
                    &format!(
                        "WITH sent AS ({row})
                         INSERT INTO public.{table} ({columns})
                         SELECT {columns} FROM sent, jsonb_populate_record(NULL::public.{table}, sent.body)
                         ON CONFLICT (id) DO UPDATE SET {set}"
                    ),
                    &[],
                )
                .unwrap();
            assert_eq!(upserted, 1);
            assert_eq!(session.value::<String>(&stored), before, "{table}");
        }
    }
}

#[test]
fn the_backend_and_the_owner_may_set_it_and_a_users_role_of_another_name_may_not() {
    let db = database();
    let (user, _) = signed_up(&db);
    let mut superuser = db.superuser();
    let name = db.name();
    superuser.run(&format!(
        "CREATE ROLE {name}_clinic INHERIT; GRANT authenticated TO {name}_clinic;
         CREATE ROLE {name}_import BYPASSRLS; GRANT USAGE ON SCHEMA public, auria TO {name}_import;
         GRANT SELECT, INSERT, UPDATE ON public.evaluations, public.shared_links TO {name}_import;
         GRANT EXECUTE ON FUNCTION auria.new_share_token() TO {name}_import"
    ));
    let claims = format!(
        "SELECT set_config('request.jwt.claims', '{{\"sub\": \"{user}\", \"role\": \"authenticated\"}}', false)"
    );
    superuser.run(&claims);
    for (role, may) in [
        ("postgres".to_owned(), true),
        ("service_role".into(), true),
        (format!("{name}_import"), true),
        (format!("{name}_clinic"), false),
        ("authenticated".into(), false),
    ] {
        for table in TABLES {
            let id = Uuid::new_v4();
            superuser.run(&format!("SET ROLE \"{role}\""));
            superuser.execute(&insert(table, user, "now() - INTERVAL '20 days'"), &[&id]).unwrap();
            let update = superuser.batch_execute(&format!(
                "UPDATE public.{table} SET created_at = now() - INTERVAL '10 days' WHERE id = '{id}'"
            ));
            superuser.run("RESET ROLE");
            assert_eq!(is_new(&db, table, id), !may, "{role}, {table}");
            if may {
                update.unwrap();
            } else {
                refused_with(update, "42501");
            }
        }
    }
    // Inside a definer function the statement is its owner's.
    superuser.run(
        "CREATE FUNCTION public.import_case(p_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
             UPDATE public.evaluations SET created_at = '2020-01-01' WHERE id = p_id $$;
         GRANT EXECUTE ON FUNCTION public.import_case(uuid) TO authenticated",
    );
    let id = Uuid::new_v4();
    let mut own = db.authenticated(user);
    own.execute(&insert("evaluations", user, "DEFAULT"), &[&id]).unwrap();
    own.execute("SELECT public.import_case($1)", &[&id]).unwrap();
    assert!(!is_new(&db, "evaluations", id));
    superuser.run(&format!("DROP OWNED BY {name}_clinic, {name}_import; DROP ROLE {name}_clinic, {name}_import"));
}

#[test]
fn a_token_that_a_user_chooses_is_64_hex_characters_and_a_link_lasts_30_days_at_most() {
    let db = database();
    let (user, mut session) = signed_up(&db);
    session.execute(&insert("evaluations", user, "DEFAULT"), &[&Uuid::new_v4()]).unwrap();
    session.run("SET timezone = 'America/Sao_Paulo'");
    let mut link = |token: &str, expires_at: &str, created_at: &str| {
        session.batch_execute(&format!(
            "INSERT INTO public.shared_links (user_id, session_id, token, expires_at, created_at)
             VALUES ('{user}', '{user}', {token}, {expires_at}, {created_at})"
        ))
    };
    let week = "now() + INTERVAL '7 days'";
    for token in ["repeat('a', 64)", "repeat('F0', 32)", "DEFAULT"] {
        link(token, week, "DEFAULT").unwrap();
    }
    for token in [
        "''",
        "'1'",
        "repeat('a', 63)",
        "repeat('a', 65)",
        "repeat('g', 64)",
        "repeat('é', 64)",
        "repeat('a', 63) || E'\\n'",
        "repeat('a', 64) || E'\\n'",
        "E'\\n' || repeat('a', 64)",
        "E'x\\n' || repeat('b', 64) || E'\\nx'",
    ] {
        refused_with(link(token, week, "DEFAULT"), "23514");
    }
    refused_with(link("NULL", week, "DEFAULT"), "23502");
    let new = "md5(random()::text) || md5(random()::text)";
    link(new, "now() + INTERVAL '720 hours'", "DEFAULT").unwrap();
    for expires_at in ["now() + INTERVAL '720 hours 1 microsecond'", "now() + INTERVAL '10 years'", "'infinity'"] {
        refused_with(link(new, expires_at, "DEFAULT"), "23514");
        // Nor by claiming that it was created later.
        refused_with(link(new, expires_at, "'infinity'"), "23514");
        refused_with(
            db.authenticated(user).batch_execute(&format!("UPDATE public.shared_links SET expires_at = {expires_at}")),
            "23514",
        );
    }
}
