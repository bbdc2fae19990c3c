//! Which rows a policy shows, and the form that every policy has.

use auria_tests::{database, insert_evaluation};
use uuid::Uuid;

use super::matrix::EVALUATION;
use crate::support::catalogue::column;

#[test]
fn an_evaluation_points_only_at_a_patient_of_its_owner() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    let mut session = db.superuser();
    let mut patient = |user: Uuid| -> Uuid {
        session
            .query_one("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Paciente') RETURNING id", &[&user])
            .unwrap()
            .get(0)
    };
    let (own, foreign) = (patient(ana), patient(bia));
    let mut ana_session = db.authenticated(ana);
    ana_session.run(&EVALUATION.replace("$user", &ana.to_string()));
    let point = "UPDATE public.evaluations SET patient_id = $1";
    assert_eq!(ana_session.execute(point, &[&own]).unwrap(), 1);
    let with_patient =
        |patient: Uuid| insert_evaluation(&format!("'{ana}'"), &[("patient_id", &format!("'{patient}'"))]);
    assert_eq!(ana_session.execute(&with_patient(own), &[]).unwrap(), 1);
    auria_tests::refused_with(ana_session.execute(point, &[&foreign]), "42501");
    auria_tests::refused_with(ana_session.execute(&with_patient(foreign), &[]), "42501");
}

#[test]
fn every_policy_on_a_row_that_names_a_patient_asks_whose_patient_it_is() {
    let db = database();
    let mut session = db.superuser();
    // So that expressions name the schema.
    session.run("SET search_path = pg_catalog");
    let rows = session
        .query(
            "SELECT c.relname::text, a.attname::text, p.polname::text,
                    coalesce(pg_get_expr(coalesce(p.polwithcheck, p.polqual), c.oid), '')
             FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS key (from_column, to_column)
                  JOIN pg_attribute id ON id.attrelid = k.confrelid AND id.attnum = key.to_column AND id.attname = 'id'
                  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.from_column
                  JOIN pg_class c ON c.oid = k.conrelid AND c.relnamespace = 'public'::regnamespace
                  JOIN pg_policy p ON p.polrelid = c.oid AND p.polcmd IN ('a', 'w', '*')
                       AND p.polroles && ARRAY[0::oid, 'authenticated'::regrole]
             WHERE k.contype = 'f' AND k.confrelid = 'public.patients'::regclass
             ORDER BY 1, 2, 3",
            &[],
        )
        .unwrap();
    // evaluations_insert_own and evaluations_update_own, or the query finds nothing.
    assert!(rows.len() >= 2, "{rows:?}");
    let wrong: Vec<_> = rows
        .iter()
        .map(|row| -> [String; 4] { std::array::from_fn(|place| row.get(place)) })
        .filter(|[table, column, _, check]| {
            !["public.patients", "patients.user_id", &format!("{table}.{column}")]
                .iter()
                .all(|part| check.contains(part))
        })
        .map(|[table, column, policy, _]| {
            format!(
                "sql/migrations: the policy {policy} of public.{table} lets {column} name another dentist's patient: \
                 ask public.patients in its WITH CHECK, as evaluations_insert_own in 001 does"
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn both_sides_of_a_referral_see_it_and_nobody_else_does() {
    let db = database();
    let [ana, bia, caio] = ["ana", "bia", "caio"].map(|name| db.sign_up(&format!("{name}@clinica.example")));
    db.service()
        .execute(
            "WITH code AS (INSERT INTO public.referral_codes (user_id, code) VALUES ($1, 'ANA10') RETURNING id)
             INSERT INTO public.referral_conversions (referrer_id, referred_id, referral_code_id) SELECT $1, $2, id FROM code",
            &[&ana, &bia],
        )
        .unwrap();
    let seen = "SELECT count(*) FROM public.referral_conversions";
    for (dentist, expected) in [(ana, 1), (bia, 1), (caio, 0)] {
        assert_eq!(db.authenticated(dentist).value::<i64>(seen), expected);
    }
}

#[test]
fn nobody_refers_themselves_and_nobody_is_referred_twice() {
    let db = database();
    let [ana, bia, caio] = ["ana", "bia", "caio"].map(|name| db.sign_up(&format!("{name}@clinica.example")));
    let mut service = db.service();
    let code: Uuid = service
        .query_one("INSERT INTO public.referral_codes (user_id, code) VALUES ($1, 'ANA10') RETURNING id", &[&ana])
        .unwrap()
        .get(0);
    let mut convert = |referrer: Uuid, referred: Uuid| {
        service.execute(
            "INSERT INTO public.referral_conversions (referrer_id, referred_id, referral_code_id) VALUES ($1, $2, $3)",
            &[&referrer, &referred, &code],
        )
    };
    auria_tests::refused_with(convert(ana, ana), "23514");
    convert(ana, bia).unwrap();
    auria_tests::refused_with(convert(caio, bia), "23505");
}

#[test]
fn a_plan_that_is_not_on_offer_is_seen_by_the_backend_alone() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    db.superuser().run("UPDATE public.subscription_plans SET is_active = false WHERE id = 'starter'");
    let plans = "SELECT count(*) FROM public.subscription_plans";
    assert_eq!(db.anon().value::<i64>(plans), 3);
    assert_eq!(db.authenticated(dentist).value::<i64>(plans), 3);
    assert_eq!(db.service().value::<i64>(plans), 4);
}

#[test]
fn policies_name_their_roles_ask_once_per_query_and_never_overlap() {
    let db = database();
    let mut session = db.superuser();
    let managed = "FROM pg_policy p WHERE p.polrelid IN (SELECT oid FROM pg_class WHERE relnamespace IN \
                ('public'::regnamespace, 'auria'::regnamespace) OR oid = 'storage.objects'::regclass)";
    for (defect, query) in [
        ("for PUBLIC", format!("SELECT polname::text {managed} AND 0 = ANY (polroles)")),
        ("an UPDATE without WITH CHECK", format!("SELECT polname::text {managed} AND polcmd = 'w' AND polwithcheck IS NULL")),
        (
            "auth.uid() or a setting asked per row",
            format!(
                "SELECT polname::text {managed} AND concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
                     ~ '(?<!SELECT )(auth\\.uid\\(\\)|current_setting\\()'"
            ),
        ),
        (
            "several policies of one table for one role and command",
            format!(
                "SELECT polrelid::regclass::text {managed} AND polrelid <> 'storage.objects'::regclass
                 GROUP BY polrelid, polcmd, polroles HAVING count(*) > 1"
            ),
        ),
        (
            "a function of the extension, without which the policy would go too",
            format!(
                "SELECT polname::text {managed} AND EXISTS (
                     SELECT FROM pg_depend d JOIN pg_depend m ON m.classid = 'pg_proc'::regclass AND m.objid = d.refobjid
                      WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                        AND d.refclassid = 'pg_proc'::regclass AND m.deptype = 'e')"
            ),
        ),
    ] {
        let found = column(&mut session, &query);
        assert!(found.is_empty(), "{defect}: {found:?}");
    }
    let unprotected = column(
        &mut session,
        "SELECT oid::regclass::text FROM pg_class c
         WHERE relnamespace IN ('public'::regnamespace, 'auria'::regnamespace, 'storage'::regnamespace) AND relkind = 'r'
           AND (NOT relrowsecurity
                OR relnamespace <> 'storage'::regnamespace AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid))",
    );
    assert!(unprotected.is_empty(), "tables without row-level security, or with no policy: {unprotected:?}");
}
