//! The second line of defence: whatever was granted, a function of the backend refuses anon and authenticated inside.

use auria_tests::{Session, database, refused, refused_with};

/// The managed functions that service_role alone may execute, each as a call with values that no argument check refuses.
/// From the catalogue, so that a function added later is asked as well.
const CALLS: &str = "
    SELECT format('%s %s(%s)', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, p.oid::regproc,
                  (SELECT string_agg(CASE t.type WHEN 'uuid'::regtype THEN 'gen_random_uuid()'
                                     WHEN 'text'::regtype THEN quote_literal('case_analysis')
                                     WHEN 'bytea'::regtype THEN quote_literal('\\x00') || '::bytea'
                                     WHEN 'bytea[]'::regtype THEN quote_literal('{}') || '::bytea[]'
                                     WHEN 'integer'::regtype THEN '1'
                                     WHEN 'boolean'::regtype THEN 'true' ELSE 'now()' END, ', ' ORDER BY t.place)
                     FROM unnest(p.proargtypes) WITH ORDINALITY AS t (type, place)))
      FROM pg_proc p
      JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'x')
      JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'auria'
     WHERE has_function_privilege('service_role', p.oid, 'EXECUTE')
       AND NOT has_function_privilege('authenticated', p.oid, 'EXECUTE')
     ORDER BY 1";

fn calls(session: &mut Session) -> Vec<String> {
    session.query(CALLS, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

const GRANT_EVERYTHING: &str = "
    GRANT USAGE ON SCHEMA auria TO anon, authenticated;
    GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public, auria TO anon, authenticated, PUBLIC";

#[test]
fn every_function_of_the_backend_refuses_visitors_and_users_whatever_was_granted() {
    let db = database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    let mut admin = db.superuser();
    let calls = calls(&mut admin);
    for part in ["use_credits", "phi_decrypt", "reset_monthly", "erase_user", "cleanup_stale_drafts", "phi_backfill"] {
        assert!(calls.iter().any(|call| call.contains(part)), "{part}: {calls:?}");
    }
    admin.run(GRANT_EVERYTHING);
    let mut wrong = Vec::new();
    for mut session in [db.anon(), db.authenticated(ana)] {
        for call in &calls {
            let answer = session.query(call, &[]);
            let is_refused = answer.as_ref().is_err_and(|error| {
                let refusal = error.as_db_error().unwrap();
                refusal.code().code() == "42501" && refusal.message().contains("is for the backend alone")
            });
            if !is_refused {
                wrong.push(format!("{call}: {answer:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "let them call access::for_the_backend_alone first: {wrong:#?}");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.credit_usage"), 0);
}

/// The refusal is about the two roles of clients alone.
#[test]
fn a_role_of_a_teams_own_may_call_what_it_was_granted() {
    let db = database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    let mut admin = db.superuser();
    admin.run(
        "DO $$ BEGIN CREATE ROLE billing_worker; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         GRANT USAGE ON SCHEMA public TO billing_worker;
         GRANT EXECUTE ON FUNCTION public.use_credits(uuid, text), public.add_bonus_credits(uuid, integer) TO billing_worker;
         SET ROLE billing_worker",
    );
    assert!(admin.query_one("SELECT public.use_credits($1, 'case_analysis')", &[&ana]).unwrap().get::<_, bool>(0));
    admin.query("SELECT public.add_bonus_credits($1, 5)", &[&ana]).unwrap();
}

/// The role in force when the function is called counts, not the login or the roles before.
#[test]
fn a_definer_function_of_a_team_calls_the_backends_functions_for_a_signed_in_user() {
    let db = database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    let mut admin = db.superuser();
    admin.run(
        "SET ROLE auria_owner;
         CREATE FUNCTION public.claim_welcome_credits() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path TO ''
             AS 'SELECT public.add_bonus_credits(auth.uid(), 5)';
         CREATE FUNCTION public.open(value bytea) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path TO ''
             AS 'SELECT public.phi_decrypt(value)';
         CREATE FUNCTION public.as_caller(value bytea) RETURNS text LANGUAGE sql SET search_path TO ''
             AS 'SELECT public.phi_decrypt(value)';
         GRANT EXECUTE ON FUNCTION public.claim_welcome_credits(), public.open(bytea), public.as_caller(bytea) TO authenticated;
         RESET ROLE;
         GRANT EXECUTE ON FUNCTION public.phi_decrypt(bytea) TO authenticated",
    );
    let mut session = db.authenticated(ana);
    session.query("SELECT public.claim_welcome_credits()", &[]).unwrap();
    session.query("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Rita')", &[&ana]).unwrap();
    assert_eq!(session.value::<String>("SELECT public.open(name_encrypted) FROM public.patients"), "Rita");
    refused_with(session.query("SELECT public.as_caller(name_encrypted) FROM public.patients", &[]), "42501");
    assert_eq!(admin.value::<i32>("SELECT credits_bonus FROM public.subscriptions"), 5);
}

/// As a dump of 0.3.1 has them.
#[test]
fn a_function_still_declared_as_before_refuses_those_who_could_call_it_directly() {
    let db = database();
    let ana = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    let mut admin = db.superuser();
    admin.run(
        "ALTER FUNCTION public.add_bonus_credits(uuid, integer) SECURITY DEFINER;
         SET ROLE auria_owner;
         CREATE FUNCTION public.claim_welcome_credits() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path TO ''
             AS 'SELECT public.add_bonus_credits(auth.uid(), 5)';
         GRANT EXECUTE ON FUNCTION public.claim_welcome_credits() TO authenticated;
         RESET ROLE",
    );
    let mut session = db.authenticated(ana);
    session.query("SELECT public.claim_welcome_credits()", &[]).unwrap();
    admin.run("GRANT EXECUTE ON FUNCTION public.add_bonus_credits(uuid, integer) TO anon, authenticated");
    for mut session in [db.anon(), session] {
        let refusal = refused(session.query("SELECT public.add_bonus_credits($1, 1000)", &[&ana]));
        assert_eq!((refusal.code().code(), refusal.hint().is_some()), ("42501", true), "{refusal:?}");
    }
    db.service().query("SELECT public.add_bonus_credits($1, 1)", &[&ana]).unwrap();
    assert_eq!(admin.value::<i32>("SELECT credits_bonus FROM public.subscriptions"), 6);
}
