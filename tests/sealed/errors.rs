//! The fields of errors that name objects, which clients read.

use auria_tests::{As, Session, database, insert_evaluation, refused};

use super::{insert_patient, sealed_practice};

/// Code, message, the names of schema, table, column, type and constraint, detail, and hint.
fn fields(session: &mut Session, statement: &str) -> Vec<String> {
    let outcome = session.batch_execute(statement);
    assert!(outcome.is_err(), "{statement}");
    let refusal = refused(outcome);
    let names = [refusal.schema(), refusal.table(), refusal.column(), refusal.datatype(), refusal.constraint()];
    let mut fields = vec![refusal.code().code().to_owned(), refusal.message().to_owned()];
    let texts = names.into_iter().chain([refusal.detail(), refusal.hint()]);
    fields.extend(texts.map(|text| text.unwrap_or_default().to_owned()));
    fields
}

const DETAIL: usize = 7;

/// The error of the open layout as the sealed one has it: without patients' names, in an error as in the log.
fn without_names(mut fields: Vec<String>) -> Vec<String> {
    let detail = &mut fields[DETAIL];
    if detail.starts_with("Failing row contains") {
        detail.clear();
    } else if detail.starts_with("Key (user_id, name)=") {
        *detail = "Key (user_id, name) already exists.".to_owned();
    }
    fields
}

#[test]
fn the_fields_of_errors_are_those_of_the_open_layout() {
    let db = database();
    let (mut session, dentist, patient, _) = sealed_practice(&db);
    let other = insert_patient(&mut session, dentist, "Outra");
    let bruno = db.sign_up("bruno@clinica.test");
    let evaluation = |columns: &[(&str, &str)]| insert_evaluation(&format!("'{dentist}'"), columns);
    let statements = [
        format!("INSERT INTO public.patients (user_id) VALUES ('{dentist}')"),
        format!("INSERT INTO public.patients (user_id, name) VALUES ('{dentist}', 'Maria Oliveira')"),
        format!("INSERT INTO public.patients (user_id, name, id) VALUES ('{dentist}', 'x', '{patient}')"),
        format!("INSERT INTO public.patients (user_id, name, created_at) VALUES ('{dentist}', 'x', 'ontem?')"),
        format!("INSERT INTO public.patients (user_id, name, birth_date) VALUES ('{dentist}', 'x', '1980-02-31')"),
        "INSERT INTO public.patients (name) VALUES ('x')".to_owned(),
        format!("INSERT INTO public.evaluation_drafts (user_id) VALUES ('{dentist}')"),
        format!("UPDATE public.patients SET name = NULL WHERE id = '{patient}'"),
        format!("UPDATE public.patients SET name = 'Maria Oliveira' WHERE id = '{other}'"),
        "UPDATE public.evaluations SET status = 'perdida'".to_owned(),
        "UPDATE public.evaluations SET tooth = NULL".to_owned(),
        "UPDATE public.evaluations SET ideal_resin_id = '00000000-0000-4000-8000-000000000001'".to_owned(),
        evaluation(&[("status", "'perdida'")]),
        evaluation(&[("patient_id", "'00000000-0000-4000-8000-000000000001'")]),
    ];
    let users = [
        format!("INSERT INTO public.patients (user_id, name) VALUES ('{bruno}', 'x')"),
        format!("UPDATE public.patients SET user_id = '{bruno}' WHERE id = '{other}'"),
        format!("UPDATE public.patients SET notes_encrypted = name_encrypted WHERE id = '{other}'"),
        "UPDATE public.evaluations SET created_at = created_at - interval '1 day'".to_owned(),
    ];
    let of_user: Vec<_> = statements.iter().chain(&users).collect();
    // Nobody's row-level security keeps keys and rows from the backend's errors.
    let backends = [
        "INSERT INTO public.patients (user_id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'x')".to_owned(),
        format!("UPDATE public.patients SET user_id = NULL WHERE id = '{other}'"),
        format!("UPDATE public.patients SET id = '{patient}' WHERE id = '{other}'"),
    ];
    let of_backend: Vec<_> = statements.iter().chain(&backends).collect();
    let of = |session: &mut Session, statements: &[&String]| {
        Vec::from_iter(statements.iter().map(|statement| fields(session, statement)))
    };
    let sealed = of(&mut session, &of_user);
    let sealed_backend = of(&mut db.service(), &of_backend);
    let too_long = format!(
        "INSERT INTO public.patients (user_id, name)
         SELECT '{dentist}', string_agg(md5(n::text), '') FROM generate_series(1, 200) AS n"
    );
    let sealed_too_long = fields(&mut session, &too_long);
    db.superuser().run("CALL auria.phi_unseal()");
    let mut session = db.session(As::User(dentist));
    for (statement, sealed) in of_user.iter().zip(&sealed) {
        assert_eq!(sealed, &fields(&mut session, statement), "{statement}");
    }
    let mut service = db.service();
    for (statement, sealed) in of_backend.iter().zip(&sealed_backend) {
        assert_eq!(sealed, &without_names(fields(&mut service, statement)), "{statement}");
    }
    assert_eq!(sealed[0][2..], ["public", "patients", "name", "", "", "", ""]);
    assert_eq!(sealed[1][2..], ["public", "patients", "", "", "patients_user_id_name_key", "", ""]);
    assert_eq!(sealed_backend[1][DETAIL], "Key (user_id, name) already exists.");
    let open_too_long = fields(&mut session, &too_long);
    assert_eq!([&sealed_too_long[..1], &sealed_too_long[2..7]], [&open_too_long[..1], &open_too_long[2..7]]);
    assert!(!sealed_too_long[DETAIL].is_empty() && !sealed_too_long[DETAIL + 1].is_empty());
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
    assert_eq!(refused[2..7], ["public", "credit_usage", "", "", "no_change"]);
}
