//! The first steps that README.md shows.

use auria_tests::empty_database;

const README: &str = include_str!("../../README.md");

fn sql_blocks() -> impl Iterator<Item = &'static str> {
    README.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap())
}

#[test]
fn the_first_steps_run_as_they_stand() {
    let db = empty_database();
    let mut dba = db.superuser();
    assert_eq!(sql_blocks().count(), 1);
    for block in sql_blocks() {
        dba.run(block);
    }
    let row = dba
        .query_one(
            "SELECT full_name, credits_used_this_month, public.phi_decrypt(name_encrypted) \
               FROM public.profiles JOIN public.subscriptions USING (user_id) JOIN public.patients USING (user_id)",
            &[],
        )
        .unwrap();
    assert_eq!(
        (row.get::<_, &str>(0), row.get::<_, i32>(1), row.get::<_, &str>(2)),
        ("Ana Souza", 1, "Maria Oliveira")
    );
}
