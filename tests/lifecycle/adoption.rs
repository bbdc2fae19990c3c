//! Taking over a database that AURIA ran in PL/pgSQL, with what years left in it.

use auria_tests::{Database, empty_database, refused_with};

use crate::support::legacy::{ANA, BIA, LAST, Rows, database_at};

fn legacy_database() -> Database<'static> {
    database_at(LAST)
}

#[test]
fn a_view_over_an_old_function_reads_what_pgcrypto_wrote_with_whatever_options() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(
        admin.value::<String>(
            r#"SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") FROM public.readable_patients"#
        ),
        "João da Conceição, Márcia Araújo, Ícaro Nuñez 🙂, Óscar"
    );
}

#[test]
fn prices_and_shades_of_a_clinics_own_survive_and_the_rest_arrives() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(
        admin.value::<i32>(
            "SELECT price_monthly FROM public.subscription_plans WHERE id = 'price_pro_monthly_v2'"
        ),
        9900
    );
    assert_eq!(
        admin.value::<String>("SELECT opacity FROM public.resin_catalog WHERE shade = 'A2B'"),
        "outra"
    );
    assert_eq!(
        admin.value::<i64>("SELECT count(*) FROM public.resin_catalog"),
        181
    );
}

#[test]
fn what_broke_a_rule_stays_and_nothing_new_breaks_it() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    refused_with(
        admin.execute(
            "INSERT INTO public.patients (user_id, name) VALUES (gen_random_uuid(), 'x')",
            &[],
        ),
        "23503",
    );
    refused_with(
        admin.execute(
            "UPDATE public.subscriptions SET credits_bonus = -1 WHERE status = 'active'",
            &[],
        ),
        "23514",
    );
    // Two rows with one reference are there; a third use of it charges nothing.
    assert!(
        db.service().value::<bool>(&format!(
            "SELECT public.use_credits('{ANA}', 'case_analysis', '00000000-0000-4000-8000-0000000000e1')"
        ))
    );
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM public.credit_usage WHERE reference_id IS NOT NULL"
        ),
        2
    );
    // Deleting a patient keeps the evaluation, as the new foreign key says.
    admin.run("DELETE FROM public.patients WHERE id = '00000000-0000-4000-8000-0000000000a1'");
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM public.evaluations \
              WHERE id = '00000000-0000-4000-8000-0000000000e1' AND patient_id IS NULL"
        ),
        1
    );
}

#[test]
fn an_old_form_of_a_function_with_other_arguments_stays_and_is_told_until_it_is_dropped() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run(
        "CREATE FUNCTION public.use_credits(p_user_id uuid, p_operation text, p_amount integer) \
                RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true'",
    );
    admin.run("CREATE EXTENSION auria CASCADE");
    let told =
        "use_credits(uuid,text,integer) is an old form of a function of ours and stays as it was";
    assert!(
        admin
            .notices()
            .iter()
            .any(|notice| notice.message().contains(told))
    );
    let doctor = r#"SELECT detail FROM auria.doctor() WHERE "check" = 'functions'"#;
    assert!(admin.value::<String>(doctor).contains(told));
    admin.run("DROP ROUTINE public.use_credits(uuid,text,integer)");
    assert_eq!(admin.value::<String>(doctor), "");
}

/// PostgreSQL holds a rule against each update of a row that broke it before, whatever the update changes.
#[test]
fn an_old_row_that_breaks_a_rule_keeps_nobody_elses_month_from_ending() {
    let db = legacy_database();
    let mut admin = db.superuser();
    let month_ended = "UPDATE public.subscriptions SET usage_reset_at = now() - interval '31 days'";
    admin.run(month_ended);
    admin.run("CREATE EXTENSION auria CASCADE");
    assert!(admin.notices().iter().any(|notice| {
        notice.message().contains(
            "1 rows of public.subscriptions break it; it refuses any other change of them",
        )
    }));

    let due = "SELECT count(*) FROM public.subscriptions WHERE usage_reset_at < now() - interval '30 days'";
    let mut service = db.service();
    for reset in [
        "SELECT public.reset_monthly_usage_with_rollover()",
        "SELECT public.reset_monthly_usage()",
        "CALL auria.reset_monthly()",
    ] {
        admin.run(&format!("{month_ended} WHERE user_id = '{ANA}'"));
        assert_eq!(admin.value::<i64>(due), 2);
        service.run(reset);
        assert_eq!(admin.value::<i64>(due), 1, "{reset}");
    }
    admin.run(&format!(
        "UPDATE public.subscriptions SET status = 'past_due', credits_used_this_month = 0, credits_rollover = 0, \
                credits_bonus = 0, cases_used_this_month = 0, dsd_used_this_month = 0 WHERE user_id = '{BIA}'"
    ));
    service.run("CALL auria.reset_monthly()");
    assert_eq!(admin.value::<i64>(due), 0);
}

#[test]
fn the_holes_of_the_old_version_are_closed_and_other_products_left_alone() {
    let db = legacy_database();
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    let mut ana = db.authenticated(ANA.parse().unwrap());
    assert_eq!(ana.value::<i64>("SELECT count(*) FROM public.patients"), 2);
    refused_with(
        ana.execute("UPDATE public.subscriptions SET credits_bonus = 99", &[]),
        "42501",
    );
    refused_with(ana.batch_execute("TRUNCATE public.patients"), "42501");
    assert_eq!(
        db.anon()
            .value::<i64>("SELECT count(id) FROM public.evaluations"),
        0
    );
    refused_with(
        db.anon()
            .query("SELECT public.use_credits(gen_random_uuid(), 'x')", &[]),
        "42501",
    );
    for kept in [
        "invoices_read",
        "reporting_reads",
        "nem os próprios, fora do expediente",
    ] {
        assert_eq!(
            admin.value::<i64>(&format!(
                "SELECT count(*) FROM pg_policy WHERE polname = '{kept}'"
            )),
            1,
            "{kept}"
        );
    }
    assert!(
        admin.value::<bool>("SELECT has_table_privilege('anon', 'public.newsletter', 'INSERT')")
    );
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM pg_policy WHERE polrelid = 'public.patients'::regclass AND polpermissive"
        ),
        4
    );
}

#[test]
fn grants_made_by_hand_stay_also_after_a_dump_and_restore() {
    let (db, copy) = (legacy_database(), empty_database());
    let mut admin = db.superuser();
    admin.run("CREATE EXTENSION auria CASCADE");
    let granted = "SELECT has_function_privilege('reporting', 'public.get_credit_cost(text)', 'EXECUTE WITH GRANT OPTION') \
                      AND has_table_privilege('reporting', 'public.credit_usage', 'SELECT')";
    assert!(admin.value::<bool>(granted));
    db.dump_into(db.cluster(), copy.name());
    let mut restored = copy.superuser();
    assert!(restored.value::<bool>(granted));
    Rows::of(&mut admin).assert_unchanged(&mut restored);
}
