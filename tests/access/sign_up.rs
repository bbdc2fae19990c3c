//! The trigger on `auth.users`, and the one that stamps `updated_at`.

use auria_tests::{database, refused_with};

#[test]
fn a_sign_up_makes_the_profile_from_its_metadata() {
    let db = database();
    let mut session = db.superuser();
    session.run(
        r#"INSERT INTO auth.users (id, email, raw_user_meta_data)
           VALUES (gen_random_uuid(), 'ana@clinica.test', '{"full_name": "Ana Souza", "cro": "SP-1"}')"#,
    );
    let row = session
        .query_one("SELECT full_name, cro FROM public.profiles", &[])
        .unwrap();
    assert_eq!((row.get(0), row.get(1)), ("Ana Souza", "SP-1"));
}

#[test]
fn odd_metadata_never_makes_a_sign_up_fail() {
    let db = database();
    let mut session = db.superuser();
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    for metadata in [
        "NULL".to_owned(),
        "'null'".into(),
        "'7'".into(),
        "'[]'".into(),
        r#"'{"full_name": 7, "cro": {"uf": "SP"}}'"#.into(),
        r#"'{"full_name": null}'"#.into(),
        format!(r#"'{{"full_name": {deep}}}'"#),
        format!(r#"'{{"other": "{}"}}'"#, "x".repeat(1_000_000)),
    ] {
        session.run(&format!(
            "INSERT INTO auth.users (id, raw_user_meta_data) VALUES (gen_random_uuid(), {metadata})"
        ));
    }
    let row = session
        .query_one(
            "SELECT count(*), count(full_name), count(cro) FROM public.profiles",
            &[],
        )
        .unwrap();
    assert_eq!(
        (
            row.get::<_, i64>(0),
            row.get::<_, i64>(1),
            row.get::<_, i64>(2)
        ),
        (8, 0, 0)
    );
}

#[test]
fn a_profile_that_exists_stays_as_it_is() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let mut session = db.superuser();
    session.run(
        "UPDATE public.profiles SET full_name = 'Ana'; \
         CREATE TABLE public.kept AS SELECT * FROM auth.users; \
         ALTER TABLE public.profiles DROP CONSTRAINT profiles_user_id_fkey; \
         DELETE FROM auth.users; \
         INSERT INTO auth.users SELECT * FROM public.kept",
    );
    let name: String = session
        .query_one(
            "SELECT full_name FROM public.profiles WHERE user_id = $1",
            &[&user],
        )
        .unwrap()
        .get(0);
    assert_eq!(name, "Ana");
}

#[test]
fn a_profile_that_cannot_be_made_is_a_warning_and_not_a_failed_sign_up() {
    let db = database();
    let mut session = db.superuser();
    session.run("ALTER TABLE public.profiles ADD COLUMN branch text NOT NULL");
    session
        .run("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'ana@clinica.test')");
    assert_eq!(session.value::<i64>("SELECT count(*) FROM auth.users"), 1);
    let warnings = session.notices();
    assert!(warnings[0].message().contains("23502"), "{warnings:?}");
    assert!(!warnings[0].message().contains("ana@"), "{warnings:?}");
}

#[test]
fn an_update_stamps_updated_at_and_a_table_without_it_is_told() {
    let db = database();
    let user = db.sign_up("ana@clinica.test");
    let mut session = db.superuser();
    session
        .execute(
            "UPDATE public.profiles SET updated_at = '2000-01-01' WHERE user_id = $1",
            &[&user],
        )
        .unwrap();
    assert!(session.value::<bool>(
        "WITH u AS (UPDATE public.profiles SET phone = '1' RETURNING updated_at) \
         SELECT updated_at = now() FROM u"
    ));
    session.run(
        "CREATE TABLE public.bare (x int); INSERT INTO public.bare VALUES (1); \
         CREATE TRIGGER stamp BEFORE UPDATE ON public.bare \
            FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column()",
    );
    let refusal = refused_with(
        session.execute("UPDATE public.bare SET x = 2", &[]),
        "42703",
    );
    assert!(refusal.message().contains("updated_at"));
    assert_eq!(session.value::<i32>("SELECT x FROM public.bare"), 1);
}

#[test]
fn a_trigger_function_called_directly_is_refused() {
    let db = database();
    for function in [
        "handle_new_user",
        "update_updated_at_column",
        "encrypt_patient_phi",
        "encrypt_evaluation_phi",
    ] {
        refused_with(
            db.superuser()
                .query(&format!("SELECT public.{function}()"), &[]),
            "39P01",
        );
        refused_with(
            db.service()
                .query(&format!("SELECT public.{function}()"), &[]),
            "42501",
        );
    }
}
