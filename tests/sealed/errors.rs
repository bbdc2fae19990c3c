//! The fields of errors that name objects, which clients read.

use auria_tests::{As, Session, database, refused};

use super::{insert_patient, sealed_practice};

/// Code, message, and the names of schema, table, column, type and constraint.
fn fields(session: &mut Session, statement: &str) -> Vec<String> {
    let refusal = refused(session.batch_execute(statement));
    let names = [refusal.schema(), refusal.table(), refusal.column(), refusal.datatype(), refusal.constraint()];
    let mut fields = vec![refusal.code().code().to_owned(), refusal.message().to_owned()];
    fields.extend(names.map(|name| name.unwrap_or_default().to_owned()));
    fields
}

#[test]
fn the_fields_of_errors_are_those_of_the_open_layout() {
    let db = database();
    let (mut session, dentist, patient, _) = sealed_practice(&db);
    let other = insert_patient(&mut session, dentist, "Outra");
    let bruno = db.sign_up("bruno@clinica.test");
    let statements = [
        format!("INSERT INTO public.patients (user_id) VALUES ('{dentist}')"),
        format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria Oliveira')"),
        format!("INSERT INTO public.patients (user_id, name) VALUES ('{bruno}', 'x')"),
        format!("INSERT INTO public.evaluation_drafts (user_id) VALUES ('{dentist}')"),
        format!("UPDATE public.patients SET name = NULL WHERE id = '{patient}'"),
        format!("UPDATE public.patients SET name = 'Maria Oliveira' WHERE id = '{other}'"),
        format!("UPDATE public.patients SET notes_encrypted = name_encrypted WHERE id = '{other}'"),
        "UPDATE public.evaluations SET status = 'perdida'".to_owned(),
        "UPDATE public.evaluations SET tooth = NULL".to_owned(),
        "UPDATE public.evaluations SET ideal_resin_id = gen_random_uuid()".to_owned(),
    ];
    let sealed = statements.each_ref().map(|statement| fields(&mut session, statement));
    db.superuser().run("CALL auria.phi_unseal()");
    let mut session = db.session(As::User(dentist));
    for (statement, sealed) in statements.iter().zip(&sealed) {
        assert_eq!(sealed, &fields(&mut session, statement), "{statement}");
    }
    assert_eq!(sealed[0][2..], ["public", "patients", "name", "", ""]);
    assert_eq!(sealed[1][2..], ["public", "patients", "", "", "patients_user_id_name_key"]);
}

#[test]
fn an_error_of_postgresql_in_a_trigger_function_keeps_its_fields() {
    let db = database();
    let mut dba = db.superuser();
    let dentist = db.sign_up_on_plan("ana@clinica.test", "price_essencial_monthly");
    // More than the plan grants: what bonus paid is recorded when the plan changes.
    dba.run(&format!(
        "SELECT public.add_bonus_credits(p_user_id => '{dentist}', p_credits => 10);
         SELECT public.use_credits(p_user_id => '{dentist}', p_operation => 'case_analysis') FROM generate_series(1, 25);
         ALTER TABLE public.credit_usage ADD CONSTRAINT no_change CHECK (operation <> 'plan_change')"
    ));
    let refused = fields(
        &mut dba,
        "UPDATE public.subscriptions
            SET plan_id = (SELECT id FROM public.subscription_plans ORDER BY credits_per_month DESC LIMIT 1)",
    );
    assert_eq!(refused[0], "23514", "{refused:?}");
    assert_eq!(refused[2..], ["public", "credit_usage", "", "", "no_change"]);
}
