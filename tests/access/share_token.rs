//! Reading tables with a share token in the request headers, as a visitor does through PostgREST.

use auria_tests::{Database, Session, database, insert_evaluation, refused_with};
use uuid::Uuid;

struct Shared {
    session: Uuid,
    token: String,
}

/// Two teeth of one session, shared by a link.
fn share(db: &Database, dentist: Uuid) -> Shared {
    let session = Uuid::new_v4();
    let mut dentist_session = db.authenticated(dentist);
    for tooth in ["11", "21"] {
        dentist_session
            .execute(
                &insert_evaluation("$1", &[("session_id", "$2"), ("tooth", "$3"), ("patient_name", "'Maria'")]),
                &[&dentist, &session, &tooth],
            )
            .unwrap();
    }
    let row = dentist_session
        .query_one(
            "INSERT INTO public.shared_links (user_id, session_id) VALUES ($1, $2) RETURNING token",
            &[&dentist, &session],
        )
        .unwrap();
    Shared { session, token: row.get(0) }
}

fn present(visitor: &mut Session, headers: &str) {
    visitor.execute("SELECT set_config('request.headers', $1, false)", &[&headers]).unwrap();
}

fn seen(visitor: &mut Session) -> (i64, i64) {
    (
        visitor.value("SELECT count(*) FROM public.evaluations"),
        visitor.value("SELECT count(*) FROM public.shared_links"),
    )
}

#[test]
fn a_token_opens_its_own_session_until_it_expires_and_no_other() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    let shared = share(&db, ana);
    share(&db, ana);
    share(&db, bia);
    let mut visitor = db.anon();
    assert_eq!(seen(&mut visitor), (0, 0), "without a token");
    present(&mut visitor, &format!(r#"{{"x-share-token": "{}"}}"#, shared.token));
    assert_eq!(seen(&mut visitor), (2, 1));
    assert_eq!(visitor.value::<Uuid>("SELECT DISTINCT session_id FROM public.evaluations"), shared.session);
    db.superuser().run("UPDATE public.shared_links SET expires_at = now()");
    assert_eq!(seen(&mut visitor), (0, 0), "after it expired");
}

#[test]
fn a_malformed_or_missing_token_opens_nothing_and_is_no_error() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let token = share(&db, dentist).token;
    let mut visitor = db.anon();
    for headers in [
        String::new(),
        "{}".into(),
        "[]".into(),
        r#"{"x-share-token": null}"#.into(),
        r#"{"x-share-token": ""}"#.into(),
        r#"{"x-share-token": "%"}"#.into(),
        r#"{"x-share-token": ["a"]}"#.into(),
        format!(r#"{{"x-share-token": "{}"}}"#, token.to_uppercase()),
        format!(r#"{{"x-share-token": "{}"}}"#, &token[1..]),
        format!(r#"{{"x-share-token": "{}"}}"#, "f".repeat(1_000_000)),
        format!(r#"{{"other": "{token}"}}"#),
    ] {
        present(&mut visitor, &headers);
        // A token without a letter is its own upper case.
        if headers.contains(&token) && headers.contains("x-share-token") {
            continue;
        }
        assert_eq!(seen(&mut visitor), (0, 0), "{:.80}", headers);
    }
}

#[test]
fn a_visitor_reads_every_column_but_those_that_name_the_patient_and_the_budget() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let shared = share(&db, dentist);
    let mut visitor = db.anon();
    present(&mut visitor, &format!(r#"{{"x-share-token": "{}"}}"#, shared.token));
    let columns = db
        .superuser()
        .query(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = 'public.evaluations'::regclass AND attnum > 0",
            &[],
        )
        .unwrap();
    let hidden = [
        "patient_name",
        "patient_name_encrypted",
        "patient_id",
        "user_id",
        "budget",
        // Columns that are newer than the shared page: it shows none of them.
        "dsd_image_hash",
        "patient_document",
        "patient_document_encrypted",
        "anamnesis",
        "anamnesis_encrypted",
        "radiograph_url",
        "radiograph_type",
        "updated_at",
    ];
    assert!(columns.len() > hidden.len());
    for row in columns {
        let column: &str = row.get(0);
        let read = visitor.query(&format!("SELECT {column} FROM public.evaluations"), &[]);
        if hidden.contains(&column) {
            refused_with(read, "42501");
        } else {
            assert_eq!(read.unwrap().len(), 2, "{column}");
        }
    }
    // Nor by asking for rows that have a certain value.
    refused_with(visitor.query("SELECT tooth FROM public.evaluations WHERE patient_name = 'Maria'", &[]), "42501");
}

#[test]
fn a_link_opens_only_evaluations_of_the_user_who_made_it() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    let shared = share(&db, ana);
    refused_with(
        db.authenticated(bia)
            .execute("INSERT INTO public.shared_links (user_id, session_id) VALUES ($1, $2)", &[&bia, &shared.session]),
        "42501",
    );
    let own = share(&db, bia);
    refused_with(
        db.authenticated(bia).execute("UPDATE public.shared_links SET session_id = $1", &[&shared.session]),
        "42501",
    );
    // Even a link that the backend has let point at a foreign session shows nothing of it.
    db.superuser()
        .execute("UPDATE public.shared_links SET session_id = $1 WHERE token = $2", &[&shared.session, &own.token])
        .unwrap();
    let mut visitor = db.anon();
    present(&mut visitor, &format!(r#"{{"x-share-token": "{}"}}"#, own.token));
    assert_eq!(visitor.value::<i64>("SELECT count(*) FROM public.evaluations"), 0);
}

#[test]
fn a_token_is_64_hex_characters_new_each_time_and_lasts_seven_days() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let tokens: Vec<String> = (0..20).map(|_| share(&db, dentist).token).collect();
    for (place, token) in tokens.iter().enumerate() {
        assert!(
            token.len() == 64 && token.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()),
            "{token}"
        );
        assert!(!tokens[..place].contains(token));
    }
    let days: bool =
        db.superuser().value("SELECT bool_and(expires_at = created_at + INTERVAL '7 days') FROM public.shared_links");
    assert!(days);
}

#[test]
fn a_visitor_reads_by_the_session_index_and_without_a_token_reads_nothing() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    db.superuser().execute(&(insert_evaluation("$1", &[]) + " FROM generate_series(1, 3000)"), &[&dentist]).unwrap();
    let token = share(&db, dentist).token;
    db.superuser().run("ANALYZE public.evaluations; ANALYZE public.shared_links");
    let mut visitor = db.anon();
    for (headers, rows) in [(format!(r#"{{"x-share-token": "{token}"}}"#), 2), (String::new(), 0)] {
        present(&mut visitor, &headers);
        let plan: Vec<String> = visitor
            .query(
                "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT tooth FROM public.evaluations",
                &[],
            )
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        let text = plan.join("\n");
        assert!(plan[0].contains("idx_evaluations_session_id"), "{text}");
        assert!(plan[0].contains(&format!("rows={rows}")), "{text}");
        if rows == 0 {
            let read = text.split("Planning:").next().unwrap();
            assert!(!read.contains("Buffers:"), "pages were read: {text}");
        }
    }
}

#[test]
fn a_stored_token_that_is_malformed_opens_nothing() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let token = share(&db, dentist).token;
    let mut superuser = db.superuser();
    // As a database from before the constraint may hold it.
    superuser.run(
        "ALTER TABLE public.shared_links DROP CONSTRAINT shared_links_token_not_malformed; \
         SET session_replication_role = replica",
    );
    let mut visitor = db.anon();
    for (stored, opened) in [("a", (0, 0)), (&token[1..], (0, 0)), (&format!("{token}0"), (0, 0)), (&token, (2, 1))] {
        superuser.execute("UPDATE public.shared_links SET token = $1", &[&stored]).unwrap();
        present(&mut visitor, &format!(r#"{{"x-share-token": "{stored}"}}"#));
        assert_eq!(seen(&mut visitor), opened, "{stored}");
    }
}

#[test]
fn a_visitor_finds_a_link_by_the_index_on_its_token() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let token = share(&db, dentist).token;
    db.superuser().run(
        "INSERT INTO public.shared_links (user_id, session_id) \
         SELECT user_id, session_id FROM public.shared_links, generate_series(1, 3000); \
         ANALYZE public.shared_links",
    );
    let mut visitor = db.anon();
    for (headers, rows) in [(format!(r#"{{"x-share-token": "{token}"}}"#), 1), (String::new(), 0)] {
        present(&mut visitor, &headers);
        let text: String = visitor
            .query(
                "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT session_id FROM public.shared_links",
                &[],
            )
            .unwrap()
            .iter()
            .map(|row| row.get::<_, String>(0) + "\n")
            .collect();
        assert!(text.starts_with("Index Scan using shared_links_token_key"), "{text}");
        assert!(text.lines().next().unwrap().contains(&format!("rows={rows}")), "{text}");
    }
}
