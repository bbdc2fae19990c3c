//! Rate limits with windows that cannot be right.

use auria_tests::Database;
use uuid::Uuid;

/// Counts a request in these windows, each in SQL, and returns the counts.
fn count(db: &Database, user: Uuid, windows: &str) -> [i32; 3] {
    let query = format!("SELECT * FROM public.check_and_increment_rate_limit('{user}', 'analyze', {windows})");
    let row = db.service().query_one(&query, &[]).unwrap();
    [0, 1, 2].map(|column| row.get(column))
}

/// The hours from now until the stored windows begin.
fn stored(db: &Database) -> [f64; 3] {
    let row = db
        .superuser()
        .query_one(
            "SELECT extract(epoch FROM minute_window - now())::float8 / 3600,
                    extract(epoch FROM hour_window - now())::float8 / 3600,
                    extract(epoch FROM day_window - now())::float8 / 3600 FROM public.rate_limits",
            &[],
        )
        .unwrap();
    [0, 1, 2].map(|column| f64::round(row.get::<_, f64>(column) * 10.0) / 10.0)
}

fn a_window_later_than_a_day_from_now_is_stored_as_a_day_from_now(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    let far = "now() + interval '23 hours', now() + interval '25 hours', '2100-01-01'";
    for counts in [[1, 1, 1], [2, 2, 2]] {
        // The first is sent with a window of its own each time, and begins anew.
        assert_eq!(count(db, user, far), [1, counts[1], counts[2]]);
        assert_eq!(stored(db), [23.0, 24.0, 24.0]);
    }
    assert_eq!(count(db, user, "'infinity', 'infinity', '-infinity'"), [2, 3, 3]);
    assert_eq!(stored(db), [24.0, 24.0, 24.0]);
    // A clock that is right again counts into them until they have begun.
    assert_eq!(count(db, user, "now(), now(), now()"), [3, 4, 4]);
    assert_eq!(stored(db), [24.0, 24.0, 24.0]);
}

fn a_window_that_was_stored_for_another_century_ends_in_a_day(db: &Database<'_>) {
    let user = db.sign_up("ana@clinica.test");
    count(db, user, "now(), now(), now()");
    db.superuser().run("UPDATE public.rate_limits SET minute_window = '2100-01-01', hour_window = 'infinity'");
    assert_eq!(count(db, user, "now(), now(), now()"), [2, 2, 1]);
    assert_eq!(stored(db), [24.0, 24.0, 0.0]);
}

all_ways! {
    a_window_later_than_a_day_from_now_is_stored_as_a_day_from_now,
    a_window_that_was_stored_for_another_century_ends_in_a_day,
}
