//! Rotation of the key of a sealed database, with clients at work.

use std::thread;
use std::time::Duration;

use auria_tests::{As, Cluster, ClusterOptions, Database, Session, refused_with};
use uuid::Uuid;

use super::{insert_patient, seal};

pub const FIRST: &str = "first-secret-of-thirty-two-octets";
pub const SECOND: &str = "second-secret-of-thirty-two-octets";
const THIRD: &str = "third-secret-of-thirty-two-octets";

pub fn use_keys(cluster: &Cluster, dba: &mut Session, current: &str, previous: Option<&str>) {
    let current = cluster.secret_file(&format!("{current}.key"), current);
    dba.run(&format!("ALTER SYSTEM SET auria.phi_key_file = '{}'", current.display()));
    match previous {
        Some(secret) => {
            let previous = cluster.secret_file("previous.key", secret);
            dba.run(&format!("ALTER SYSTEM SET auria.phi_previous_key_file = '{}'", previous.display()));
        }
        None => dba.run("ALTER SYSTEM RESET auria.phi_previous_key_file"),
    }
    cluster.reload();
    std::thread::sleep(std::time::Duration::from_millis(300));
}

fn insert_of(dentist: Uuid, name: &str) -> String {
    format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', '{name}')")
}

/// A superuser's session, which knows the settings, while the first key is the only one.
pub fn under_the_first_key(cluster: &Cluster, db: &Database<'_>) -> Session {
    let mut dba = db.superuser();
    dba.run("LOAD 'auria_pg'");
    use_keys(cluster, &mut dba, FIRST, None);
    dba
}

#[test]
fn names_stay_unique_and_readable_while_the_key_changes_under_four_writers() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let mut dba = under_the_first_key(&cluster, &db);
    let dentist = db.sign_up("ana@clinica.test");
    for number in 0..50 {
        insert_patient(&mut db.service(), dentist, &format!("Antiga {number}"));
    }
    seal(&db);
    use_keys(&cluster, &mut dba, SECOND, Some(FIRST));

    // A name that was stored under the previous key is still unique.
    let mut session = db.session(As::User(dentist));
    refused_with(session.batch_execute(&insert_of(dentist, "Antiga 7")), "23505");
    let outcomes = db.concurrently(5, As::User(dentist), |place, session| {
        if place == 0 {
            let mut dba = db.superuser();
            dba.run("CALL auria.phi_backfill(10)");
            return 0;
        }
        (0..40)
            .filter(|number| {
                // Each name is tried by all four.
                session
                    .execute(
                        "INSERT INTO public.patients (user_id, name, phone) VALUES ($1, $2, '1')",
                        &[&dentist, &format!("Nova {number}")],
                    )
                    .is_ok()
            })
            .count()
    });
    assert_eq!(outcomes.iter().sum::<usize>(), 40, "{outcomes:?}");
    dba.run("CALL auria.phi_backfill(1000)");
    assert!(!dba.value::<bool>("SELECT bool_or(previous_key_needed OR outdated > 0) FROM auria.phi_status()"));
    use_keys(&cluster, &mut dba, SECOND, None);
    let mut session = db.session(As::User(dentist));
    assert_eq!(session.value::<i64>("SELECT count(DISTINCT name) FROM public.patients"), 90);
    for name in ["Antiga 7", "Nova 7"] {
        refused_with(session.batch_execute(&insert_of(dentist, name)), "23505");
    }
}

#[test]
fn a_writer_that_began_under_the_old_key_and_one_under_the_new_cannot_both_store_a_name() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let mut dba = under_the_first_key(&cluster, &db);
    let dentist = db.sign_up("ana@clinica.test");
    seal(&db);
    let insert = insert_of(dentist, "Maria");

    // The old one first, not committed.
    let mut old = db.session(As::User(dentist));
    old.run("BEGIN; SELECT count(name) FROM public.patients; INSERT INTO public.patients (user_id, name) VALUES (auth.uid(), 'Outra')");
    use_keys(&cluster, &mut dba, SECOND, Some(FIRST));
    old.run(&insert);
    let mut new = db.session(As::User(dentist));
    new.run("SET statement_timeout = '500ms'");
    refused_with(new.batch_execute(&insert), "57014");
    new.run("RESET statement_timeout");
    old.run("COMMIT");
    refused_with(new.batch_execute(&insert), "23505");
}

/// A transaction that knows the first key alone, which is not the current one any more.
fn begun_under_the_first_key(cluster: &Cluster, db: &Database<'_>, dentist: Uuid) -> (Session, Session) {
    let mut dba = under_the_first_key(cluster, db);
    let mut old = db.session(As::User(dentist));
    old.run("BEGIN; INSERT INTO public.patients (user_id, name) VALUES (auth.uid(), 'Outra')");
    use_keys(cluster, &mut dba, SECOND, Some(FIRST));
    (old, dba)
}

#[test]
fn an_old_writer_meets_a_name_that_was_committed_under_the_new_key_and_backfilled() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    under_the_first_key(&cluster, &db);
    let dentist = db.sign_up("ana@clinica.test");
    insert_patient(&mut db.service(), dentist, "Antiga");
    seal(&db);
    let insert = |name: &str| insert_of(dentist, name);
    let rename = |name: &str| format!("UPDATE public.patients SET name = '{name}' WHERE name = 'Outra'");

    for statement in [insert("Maria"), insert("Renomeada"), rename("Maria"), rename("Antiga")] {
        let (mut old, mut dba) = begun_under_the_first_key(&cluster, &db, dentist);
        let mut new = db.session(As::User(dentist));
        new.run("DELETE FROM public.patients WHERE name <> 'Antiga'");
        new.run(&insert("Maria"));
        new.run(&insert("Nova"));
        new.run("UPDATE public.patients SET name = 'Renomeada' WHERE name = 'Nova'");
        // It passes over all rows, and then waits for the old writer.
        dba.run("SET statement_timeout = '2s'");
        refused_with(dba.batch_execute("CALL auria.phi_backfill(10)"), "57014");
        refused_with(old.batch_execute(&statement), "23505");
        old.run("ROLLBACK");
        // And whoever comes under the new key meets what was kept for the old one.
        refused_with(new.batch_execute(&insert("Maria")), "23505");
        dba.run("RESET statement_timeout");
        dba.run("CALL auria.phi_backfill(10)");
        assert!(!dba.value::<bool>("SELECT bool_or(previous_key_needed OR outdated > 0) FROM auria.phi_status()"));
        use_keys(&cluster, &mut dba, SECOND, None);
        for name in ["Antiga", "Maria", "Renomeada"] {
            refused_with(new.batch_execute(&insert(name)), "23505");
        }
        // Back to the first key, for the next round.
        use_keys(&cluster, &mut dba, FIRST, Some(SECOND));
        dba.run("CALL auria.phi_backfill(10)");
    }
}

#[test]
fn a_name_settled_under_the_new_key_is_met_by_a_writer_that_keeps_the_old_digest() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let mut dba = under_the_first_key(&cluster, &db);
    let dentist = db.sign_up("ana@clinica.test");
    seal(&db);
    use_keys(&cluster, &mut dba, SECOND, Some(FIRST));
    let insert = insert_of(dentist, "Maria");
    let mut settled = db.session(As::User(dentist));
    settled.run(&format!("BEGIN; {insert}"));
    // From here on, there is a writer under a key that is no longer the current one.
    use_keys(&cluster, &mut dba, THIRD, Some(SECOND));
    let mut new = db.session(As::User(dentist));
    new.run("SET statement_timeout = '500ms'");
    refused_with(new.batch_execute(&insert), "57014");
    settled.run("COMMIT");
    refused_with(new.batch_execute(&insert), "23505");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Write {
    Insert,
    Update,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Second {
    /// Writes while the first one has not committed.
    WhileTheFirstRuns,
    /// Writes once the first one has committed.
    AfterTheFirst,
}

/// Each of two transactions, one that began under the old key and one under the new, gives a patient the same name.
#[test]
fn one_of_two_writers_under_different_keys_stores_a_name_in_every_order() {
    let cluster = ClusterOptions::default().start();
    let db = cluster.database();
    let mut dba = db.superuser();
    dba.run("LOAD 'auria_pg'");
    seal(&db);
    let key = |number: usize| format!("secret-of-thirty-two-octets-and-{number}");
    let mut number = 0;
    for old_writes in [Write::Insert, Write::Update] {
        for new_writes in [Write::Insert, Write::Update] {
            for old_is_first in [true, false] {
                for second in [Second::WhileTheFirstRuns, Second::AfterTheFirst] {
                    for first_commits in [true, false] {
                        let case = format!(
                            "old {old_writes:?}, new {new_writes:?}, old is first: {old_is_first}, {second:?}, \
                             the first commits: {first_commits}"
                        );
                        number += 1;
                        use_keys(&cluster, &mut dba, &key(number), None);
                        let dentist = db.sign_up(&format!("dentista{number}@clinica.test"));
                        let ids = ["Um", "Dois"]
                            .map(|name| insert_patient(&mut db.session(As::User(dentist)), dentist, name));
                        let statement = |write: Write, row: usize| match write {
                            Write::Insert => insert_of(dentist, "Maria"),
                            Write::Update => {
                                format!("UPDATE public.patients SET name = 'Maria' WHERE id = '{}'", ids[row])
                            }
                        };
                        let mut old = db.session(As::User(dentist));
                        old.run("BEGIN; SELECT max(name) FROM public.patients");
                        use_keys(&cluster, &mut dba, &key(number + 1), Some(&key(number)));
                        let mut new = db.session(As::User(dentist));
                        new.run("BEGIN");
                        let (mut first, first_write, mut last, last_write) = if old_is_first {
                            (old, statement(old_writes, 0), new, statement(new_writes, 1))
                        } else {
                            (new, statement(new_writes, 1), old, statement(old_writes, 0))
                        };
                        let end = if first_commits { "COMMIT" } else { "ROLLBACK" };
                        first.run(&first_write);
                        let outcome = if second == Second::AfterTheFirst {
                            first.run(end);
                            last.batch_execute(&last_write)
                        } else {
                            thread::scope(|scope| {
                                let waiting = scope.spawn(|| last.batch_execute(&last_write));
                                thread::sleep(Duration::from_millis(150));
                                assert!(!waiting.is_finished(), "{case}: the second does not wait");
                                first.run(end);
                                waiting.join().unwrap()
                            })
                        };
                        if first_commits {
                            let Err(error) = outcome else { panic!("{case}: both store the name") };
                            let refusal = error.as_db_error().unwrap();
                            assert_eq!(refusal.code().code(), "23505", "{case}: {refusal:?}");
                            assert!(refusal.message().contains("patients_user_id_name_key"), "{case}: {refusal:?}");
                            last.run("ROLLBACK");
                        } else {
                            assert!(outcome.is_ok(), "{case}: {outcome:?}");
                            last.run("COMMIT");
                        }
                        let mut session = db.session(As::User(dentist));
                        assert_eq!(
                            session.value::<i64>("SELECT count(*) FROM public.patients WHERE name = 'Maria'"),
                            1,
                            "{case}"
                        );
                    }
                }
            }
        }
    }
}
