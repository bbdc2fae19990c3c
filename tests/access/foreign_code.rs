//! Code that belongs to somebody else and is called by the extension's functions: it runs with the caller's rights.

use auria_tests::{database, refused_with};

#[test]
fn a_strangers_auth_uid_gains_no_rights_from_the_functions_that_call_it() {
    let db = database();
    let user = db.sign_up("ana@clinica.example");
    let stranger = format!("{}_stranger", db.name());
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "CREATE ROLE {stranger}; GRANT USAGE, CREATE ON SCHEMA auth TO {stranger};
         ALTER FUNCTION auth.uid() OWNER TO {stranger};
         SET ROLE {stranger};
         CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE plpgsql VOLATILE AS $f$
         DECLARE attempt text;
         BEGIN
             FOREACH attempt IN ARRAY ARRAY[
                 'ALTER ROLE {stranger} SUPERUSER',
                 'DO $$ BEGIN IF NOT has_table_privilege(''public.patients'', ''TRIGGER'') THEN RAISE ''none''; END IF; END $$',
                 'GRANT auria_owner TO {stranger}',
                 'RESET ROLE',
                 'RESET SESSION AUTHORIZATION',
                 'SET ROLE auria_owner',
                 'SET SESSION AUTHORIZATION postgres',
                 'CREATE FUNCTION public.left_behind() RETURNS int LANGUAGE sql AS ''SELECT 1'''
             ] LOOP
                 BEGIN
                     EXECUTE attempt;
                     RAISE WARNING 'succeeded as %: %', current_user, attempt;
                 EXCEPTION WHEN OTHERS THEN
                     NULL;
                 END;
             END LOOP;
             RAISE NOTICE 'ran as %', current_user;
             RETURN current_setting('request.jwt.claims', true)::json ->> 'sub';
         END $f$;
         RESET ROLE"
    ));
    let claims = format!(r#"{{"sub": "{user}", "role": "authenticated"}}"#);
    // PostgREST's login, and a superuser who took the role: the latter could go back to his own.
    let mut as_superuser = db.superuser();
    as_superuser.run("SET ROLE authenticated");
    for mut session in [db.authenticated(user), as_superuser] {
        session.execute("SELECT set_config('request.jwt.claims', $1, false)", &[&claims]).unwrap();
        for call in ["can_use_credits($1, 'case_analysis')", "can_create_case($1)"] {
            session.notices();
            let answer: bool = session.query_one(&format!("SELECT public.{call}"), &[&user]).unwrap().get(0);
            assert!(answer);
            let notices: Vec<String> = session.notices().iter().map(|notice| notice.message().to_owned()).collect();
            assert_eq!(notices, ["ran as authenticated"], "{call}");
            // The rights are the caller's again, also after an error.
            refused_with(session.query(&format!("SELECT public.{call}"), &[&uuid::Uuid::new_v4()]), "42501");
            assert_eq!(session.value::<String>("SELECT current_user::text"), "authenticated");
        }
    }
    assert!(superuser.value::<bool>(&format!(
        "SELECT NOT rolsuper AND NOT pg_has_role(oid, 'auria_owner', 'MEMBER') FROM pg_roles WHERE rolname = '{stranger}'"
    )));
    superuser
        .run(&format!("ALTER FUNCTION auth.uid() OWNER TO postgres; DROP OWNED BY {stranger}; DROP ROLE {stranger}"));
}
