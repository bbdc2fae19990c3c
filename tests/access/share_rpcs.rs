//! The RPCs that a visitor with a share token calls.

use auria_tests::{Database, Session, database};
use uuid::Uuid;

/// Evaluations of one session with a smile design, and the token of a link to it.
fn share(db: &Database, dentist: Uuid) -> String {
    let mut session = db.authenticated(dentist);
    let shared = Uuid::new_v4();
    session
        .execute("UPDATE public.profiles SET clinic_name = 'Clínica São João' WHERE user_id = $1", &[&dentist])
        .unwrap();
    for tooth in ["21", "11"] {
        session
            .execute(
                "INSERT INTO public.evaluations (user_id, session_id, patient_name, patient_age, tooth, region, cavity_class,
                     restoration_size, substrate, aesthetic_level, tooth_color, longevity_expectation, budget,
                     dsd_analysis, dsd_simulation_url, photo_frontal)
                 VALUES ($1, $2, 'Maria', 40, $3, 'anterior', 'Classe IV', 'media', 'esmalte', 'alto', 'A2', 'longa', 'alto',
                     jsonb_build_object('sorriso', repeat('médio ', 2000)), $3 || '/sorriso.jpg', 'frente.jpg')",
                &[&dentist, &shared, &tooth],
            )
            .unwrap();
    }
    session
        .query_one(
            "INSERT INTO public.shared_links (user_id, session_id) VALUES ($1, $2) RETURNING token",
            &[&dentist, &shared],
        )
        .unwrap()
        .get(0)
}

/// Teeth, smile designs and status, as a visitor gets them for this token.
fn opened(visitor: &mut Session, token: Option<&str>) -> (Vec<String>, i64, String) {
    let row = visitor
        .query_one(
            "SELECT ARRAY(SELECT tooth FROM public.get_shared_evaluation($1)),
                    (SELECT count(*) FROM public.get_shared_dsd($1)),
                    public.check_shared_link_status($1)",
            &[&token],
        )
        .unwrap();
    (row.get(0), row.get(1), row.get(2))
}

fn nothing(status: &str) -> (Vec<String>, i64, String) {
    (Vec::new(), 0, status.to_owned())
}

#[test]
fn a_token_opens_its_sessions_evaluations_by_tooth_and_the_latest_smile_design() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let token = share(&db, dentist);
    share(&db, dentist);
    for mut visitor in [db.anon(), db.authenticated(Uuid::new_v4()), db.service()] {
        assert_eq!(opened(&mut visitor, Some(&token)), (vec!["11".into(), "21".into()], 1, "valid".into()));
        let row = visitor.query_one("SELECT * FROM public.get_shared_evaluation($1) LIMIT 1", &[&token]).unwrap();
        let columns: Vec<&str> = row.columns().iter().map(|column| column.name()).collect();
        assert_eq!(
            columns,
            [
                "tooth",
                "treatment_type",
                "cavity_class",
                "status",
                "ai_treatment_indication",
                "created_at",
                "clinic_name",
                "patient_document"
            ]
        );
        assert_eq!(row.get::<_, &str>("clinic_name"), "Clínica São João");
        assert_eq!(row.get::<_, Option<&str>>("ai_treatment_indication"), None);
        let dsd = visitor
            .query_one(
                "SELECT length(dsd_analysis ->> 'sorriso'), dsd_simulation_url, dsd_simulation_layers::text, photo_frontal
                   FROM public.get_shared_dsd($1)",
                &[&token],
            )
            .unwrap();
        assert_eq!(dsd.get::<_, i32>(0), 12_000);
        assert_eq!(dsd.get::<_, &str>(1), "11/sorriso.jpg");
        assert_eq!(dsd.get::<_, Option<&str>>(2), None);
        assert_eq!(dsd.get::<_, &str>(3), "frente.jpg");
    }
}

#[test]
fn a_token_opens_no_case_that_another_dentist_has_in_the_same_session() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    let token = share(&db, ana);
    share(&db, bia);
    // Even where the backend has let a link point at a foreign session.
    db.superuser()
        .execute(
            "UPDATE public.shared_links SET session_id = (
                SELECT session_id FROM public.evaluations WHERE user_id = $1 LIMIT 1)
              WHERE token = $2",
            &[&bia, &token],
        )
        .unwrap();
    assert_eq!(opened(&mut db.anon(), Some(&token)), nothing("valid"));
}

#[test]
fn an_expired_token_opens_nothing_and_says_so() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let token = share(&db, dentist);
    db.superuser().run("UPDATE public.shared_links SET expires_at = now()");
    assert_eq!(opened(&mut db.anon(), Some(&token)), nothing("expired"));
}

#[test]
fn a_malformed_token_is_not_found_and_never_an_error() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let token = share(&db, dentist);
    let mut visitor = db.anon();
    for malformed in [
        None,
        Some(String::new()),
        Some(token[1..].to_owned()),
        Some(format!("{token}0")),
        Some(format!("{token}\n")),
        Some(format!(" {token}")),
        Some("g".repeat(64)),
        Some("é".repeat(32)),
        Some("é".repeat(64)),
        Some("\u{ff10}".repeat(64)),
        Some("%".repeat(64)),
        Some("' OR true --".into()),
        Some("0".repeat(64)),
        Some("f".repeat(50_000_000)),
    ] {
        assert_eq!(
            opened(&mut visitor, malformed.as_deref()),
            nothing("not_found"),
            "{:.80}",
            format!("{malformed:?}")
        );
    }
}

#[test]
fn a_stored_token_that_is_malformed_opens_nothing() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let token = share(&db, dentist);
    let mut superuser = db.superuser();
    // As a database from before the constraint may hold it.
    superuser.run(
        "DO $$ DECLARE c text; BEGIN
             FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 'public.shared_links'::regclass AND contype = 'c' LOOP
                 EXECUTE format('ALTER TABLE public.shared_links DROP CONSTRAINT %I', c);
             END LOOP;
         END $$; SET session_replication_role = replica",
    );
    let mut visitor = db.anon();
    for stored in ["", "abc", &token[1..], &format!("{token}00"), &"é".repeat(64)] {
        superuser.execute("UPDATE public.shared_links SET token = $1", &[&stored]).unwrap();
        assert_eq!(opened(&mut visitor, Some(stored)), nothing("not_found"), "{stored:?}");
    }
}

#[test]
fn one_statement_may_present_many_tokens() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let tokens: Vec<String> = (0..20).map(|_| share(&db, dentist)).collect();
    let mut visitor = db.anon();
    let row = visitor
        .query_one(
            "SELECT count(e.tooth), count(DISTINCT t), count(d.photo_frontal)
               FROM unnest($1::text[] || ARRAY[NULL, 'x']) t
               LEFT JOIN LATERAL public.get_shared_evaluation(t) e ON true
               LEFT JOIN LATERAL public.get_shared_dsd(t) d ON true",
            &[&tokens],
        )
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (40, 21, 40));
}

#[test]
fn the_functions_of_sharing_and_the_rate_limiter_are_compiled() {
    let db = database();
    let mut session = db.superuser();
    let compiled: Vec<String> = session.value(
        "SELECT array_agg(proname::text ORDER BY proname) FROM pg_proc p JOIN pg_language l ON l.oid = prolang
          WHERE pronamespace = 'public'::regnamespace AND lanname = 'c' AND proname ~ '^(get|check)_.*(share|rate_limit$)'",
    );
    assert_eq!(
        compiled,
        ["check_and_increment_rate_limit", "check_shared_link_status", "get_shared_dsd", "get_shared_evaluation"]
    );
    assert!(session.value::<bool>("SELECT to_regproc('auria.count_request') IS NULL"));
}
