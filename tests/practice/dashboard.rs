//! `get_dashboard_metrics()`.

use auria_tests::{Database, Session, database, insert_evaluation, refused_with};
use serde_json::{Value, json};
use uuid::Uuid;

fn metrics(session: &mut Session, user: Uuid) -> Value {
    session.query_one("SELECT public.get_dashboard_metrics($1)", &[&user]).unwrap().get(0)
}

/// An evaluation of the `number`th session, made at a moment that `created_at` gives in SQL.
fn evaluate(db: &Database, user: Uuid, number: u8, status: &str, created_at: &str) {
    let session = format!("'00000000-0000-4000-8000-0000000000{number:02}'");
    db.superuser()
        .execute(
            &insert_evaluation(
                "$1",
                &[("session_id", session.as_str()), ("status", status), ("created_at", created_at)],
            ),
            &[&user],
        )
        .unwrap();
}

#[test]
fn it_counts_evaluations_sessions_and_patients_of_the_user_alone() {
    let db = database();
    let [ana, bia] = ["ana", "bia"].map(|name| db.sign_up(&format!("{name}@clinica.example")));
    let long_ago = "now() - interval '30 days'";
    evaluate(&db, ana, 1, "'completed'", long_ago);
    evaluate(&db, ana, 1, "'completed'", long_ago);
    evaluate(&db, ana, 2, "'completed'", long_ago);
    evaluate(&db, ana, 2, "'draft'", "now()");
    evaluate(&db, ana, 2, "'error'", long_ago);
    evaluate(&db, ana, 3, "NULL", long_ago);
    evaluate(&db, bia, 4, "'draft'", "now()");
    let mut admin = db.superuser();
    // Without a session it counts as an evaluation, and for no session.
    admin.execute(&insert_evaluation("$1", &[("session_id", "NULL"), ("status", "'completed'")]), &[&ana]).unwrap();
    admin
        .execute(
            "INSERT INTO public.patients (user_id, name) VALUES ($1, 'Maria'), ($1, 'João'), ($2, 'Rita')",
            &[&ana, &bia],
        )
        .unwrap();
    let expected = json!({
        "total_evaluations": 7,
        "total_patients": 2,
        "pending_sessions": 2,
        "weekly_sessions": 1,
        "completion_rate": 33,
        "pending_teeth": 3,
    });
    assert_eq!(metrics(&mut db.authenticated(ana), ana), expected);
    assert_eq!(metrics(&mut db.service(), ana), expected);
    let text: String = db.authenticated(bia).value(&format!("SELECT public.get_dashboard_metrics('{bia}')::text"));
    assert!(text.contains(r#""completion_rate":0"#), "{text}");
}

#[test]
fn the_completion_rate_is_rounded_to_whole_percent() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    for (number, status, expected) in [
        (1, "'completed'", 100),
        (2, "'draft'", 50),
        (3, "'completed'", 67),
        (4, "'completed'", 75),
        (5, "'completed'", 80),
        (6, "'completed'", 83),
        (7, "'draft'", 71),
        (8, "'draft'", 63),
    ] {
        evaluate(&db, ana, number, status, "now()");
        assert_eq!(metrics(&mut db.service(), ana)["completion_rate"], expected, "{number} sessions");
    }
}

#[test]
fn somebody_without_rows_sees_zeros() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    let zeros = json!({
        "total_evaluations": 0,
        "total_patients": 0,
        "pending_sessions": 0,
        "weekly_sessions": 0,
        "completion_rate": 0,
        "pending_teeth": 0,
    });
    assert_eq!(metrics(&mut db.authenticated(ana), ana), zeros);
    assert_eq!(metrics(&mut db.service(), Uuid::nil()), zeros);
}

#[test]
fn a_week_begins_on_monday_at_midnight_in_the_time_zone_of_the_session() {
    let db = database();
    for (number, zone) in [(1, "UTC"), (2, "America/Sao_Paulo"), (3, "Pacific/Kiritimati")] {
        let ana = db.sign_up(&format!("ana{number}@clinica.example"));
        let monday = format!("date_trunc('week', now() AT TIME ZONE '{zone}') AT TIME ZONE '{zone}'");
        evaluate(&db, ana, number, "'draft'", &format!("{monday} - interval '1 microsecond'"));
        let mut session = db.authenticated(ana);
        session.run(&format!("SET TimeZone = '{zone}'"));
        assert_eq!(metrics(&mut session, ana)["weekly_sessions"], 0, "{zone}");
        evaluate(&db, ana, number + 10, "'draft'", &monday);
        assert_eq!(metrics(&mut session, ana)["weekly_sessions"], 1, "{zone}");
        // An older tooth of the same session does not take it out of the week.
        evaluate(&db, ana, number + 10, "'draft'", &format!("{monday} - interval '1 day'"));
        assert_eq!(metrics(&mut session, ana)["weekly_sessions"], 1, "{zone}");
    }
}

#[test]
fn nobody_signed_in_asks_about_somebody_else() {
    let db = database();
    let [ana, bia] = ["ana", "bia"].map(|name| db.sign_up(&format!("{name}@clinica.example")));
    let ask = format!("SELECT public.get_dashboard_metrics('{ana}')");
    refused_with(db.authenticated(bia).query(&ask, &[]), "42501");
    refused_with(db.anon().query(&ask, &[]), "42501");
    refused_with(db.authenticated(bia).query("SELECT public.get_dashboard_metrics(NULL)", &[]), "22004");
}
