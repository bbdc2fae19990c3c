//! Who may do what: every cell of the access matrix, walked with real statements as the real roles.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use auria_tests::{Session, Source, database, insert_evaluation, sources};
use postgres::Transaction;
use uuid::Uuid;

/// S I U D as in the specification. `T` is S for whoever presents a share token, and for nobody else.
struct Rights {
    table: &'static str,
    anon: &'static str,
    own: &'static str,
    others: &'static str,
    service: &'static str,
    /// Makes a row of the user `$user`, in one statement; without an owner in the table, any row. There are a session of
    /// evaluations and a patient with the user's own id, for what the row refers to.
    row: &'static str,
    key: &'static str,
}

/// Of the links in these tests.
const TOKEN: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

const fn owned(table: &'static str, own: &'static str, row: &'static str) -> Rights {
    Rights { table, anon: "", own, others: "", service: "SIUD", row, key: "id" }
}

/// Readable by everyone; the rows belong to nobody.
const fn public(table: &'static str, key: &'static str, row: &'static str) -> Rights {
    Rights { table, anon: "S", own: "S", others: "S", service: "SIUD", row, key }
}

const fn backend_only(table: &'static str, key: &'static str, row: &'static str) -> Rights {
    Rights { table, anon: "", own: "", others: "", service: "SIUD", row, key }
}

/// Written by the extension alone.
const fn read_by_backend(table: &'static str, key: &'static str, row: &'static str) -> Rights {
    Rights { service: "S", ..backend_only(table, key, row) }
}

static EVALUATION: LazyLock<String> =
    LazyLock::new(|| insert_evaluation("'$user'", &[("session_id", "'$user'"), ("patient_name", "'Paciente'")]));

/// Whom a row may refer to: a policy does not see a patient whom the same statement makes.
const PATIENT: &str = "INSERT INTO public.patients (id, user_id, name) VALUES ('$user', '$user', 'Paciente');";

/// Statements that make a row of this table for the user, and a patient for it to refer to.
pub fn row_of(table: &str, user: Uuid) -> String {
    let Some(rights) = MATRIX.iter().find(|rights| rights.table == table) else {
        panic!("{table} is not in MATRIX of tests/access/matrix.rs")
    };
    format!("{PATIENT} {}", rights.row).replace("$user", &user.to_string())
}

static MATRIX: LazyLock<Vec<Rights>> = LazyLock::new(|| {
    vec![
    owned("public.profiles", "SIU", "INSERT INTO public.profiles (user_id) VALUES ('$user')"),
    owned("public.patients", "SIUD", "INSERT INTO public.patients (user_id, name) VALUES ('$user', 'Paciente')"),
    Rights { anon: "T", ..owned("public.evaluations", "SIUD", &EVALUATION) },
    owned("public.evaluation_drafts", "SIUD",
        "INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ('$user', '{}')"),
    owned("public.user_inventory", "SIUD",
        "INSERT INTO public.user_inventory (user_id, resin_id)
         VALUES ('$user', (SELECT id FROM public.resin_catalog ORDER BY brand, shade LIMIT 1))"),
    owned("public.session_detected_teeth", "SIUD",
        "INSERT INTO public.session_detected_teeth (session_id, user_id, tooth) VALUES ('$user', '$user', '11')"),
    Rights { anon: "T", ..owned("public.shared_links", "SIUD",
        "INSERT INTO public.shared_links (user_id, session_id, token) VALUES ('$user', '$user', repeat('c0ffee00', 8))") },
    owned("public.subscriptions", "S", "INSERT INTO public.subscriptions (user_id) VALUES ('$user')"),
    owned("public.rate_limits", "S",
        "INSERT INTO public.rate_limits (user_id, function_name) VALUES ('$user', 'analyze')"),
    owned("public.credit_usage", "S",
        "INSERT INTO public.credit_usage (user_id, operation, credits_used) VALUES ('$user', 'case_analysis', 1)"),
    owned("public.payment_history", "S",
        "INSERT INTO public.payment_history (user_id, amount, status) VALUES ('$user', 5900, 'succeeded')"),
    owned("public.credit_pack_purchases", "S",
        "INSERT INTO public.credit_pack_purchases (user_id, pack_id, credits, amount) VALUES ('$user', 'pack_10', 10, 2900)"),
    public("public.resins", "id",
        "INSERT INTO public.resins (name, manufacturer, type, opacity, resistance, polishing, aesthetics, price_range)
         VALUES ('Nova', 'Nova', 'Nova', 'a', 'a', 'a', 'a', 'a')"),
    public("public.resin_catalog", "id",
        "INSERT INTO public.resin_catalog (brand, product_line, shade, type, opacity) VALUES ('Nova', 'Nova', 'A1', 'Body', 'media')"),
    public("public.credit_costs", "operation", "INSERT INTO public.credit_costs (operation, credits) VALUES ('nova', 1)"),
    public("public.credit_packs", "id",
        "INSERT INTO public.credit_packs (id, name, credits, price) VALUES ('novo', 'Novo', 1, 1)"),
    public("public.subscription_plans", "id",
        "INSERT INTO public.subscription_plans (id, name, price_monthly) VALUES ('novo', 'Novo', 1)"),
    backend_only("public.prompt_executions", "id",
        "INSERT INTO public.prompt_executions (prompt_id, prompt_version, model, latency_ms, success)
         VALUES ('p', '1', 'm', 1, true)"),
    backend_only("public.credit_transactions", "id",
        "INSERT INTO public.credit_transactions (user_id, operation_id, operation, type)
         VALUES ('$user', 'op-1', 'case_analysis', 'consume')"),
    backend_only("public.webhook_events", "id",
        "INSERT INTO public.webhook_events (stripe_event_id, event_type) VALUES ('evt_1', 'invoice.paid')"),
    owned("public.referral_codes", "SI", "INSERT INTO public.referral_codes (user_id, code) VALUES ('$user', 'CONVITE')"),
    // Whoever was referred is neither of the two who ask.
    owned("public.referral_conversions", "S",
        "WITH code AS (INSERT INTO public.referral_codes (user_id, code) VALUES ('$user', 'CONVITE') RETURNING id)
         INSERT INTO public.referral_conversions (referrer_id, referred_id, referral_code_id)
         SELECT '$user', (SELECT user_id FROM public.profiles ORDER BY created_at DESC LIMIT 1), id FROM code"),
    backend_only("auria.migrations", "number",
        "INSERT INTO auria.migrations (number, name, sha256) VALUES (999, 'x', 'x')"),
    read_by_backend("auria.installed_functions", "signature",
        "INSERT INTO auria.installed_functions (signature) VALUES ('x')"),
    read_by_backend("auria.erasures", "subject",
        "INSERT INTO auria.erasures (subject, login, role, removed, kept, not_reached, files)
         VALUES ('patient', 'x', 'x', '{}', '{}', '{}', 0)"),
    read_by_backend("auria.replaced_functions", "signature",
        "INSERT INTO auria.replaced_functions (signature, definition, owner) VALUES ('x', 'x', 'x')"),
]
});

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Anon,
    Authenticated,
    Service,
}

/// What became of one statement, in a transaction that leaves nothing behind.
fn is_allowed(
    session: &mut Session,
    rights: &Rights,
    command: char,
    role: Role,
    asks: Uuid,
    owner: Uuid,
    token: bool,
) -> bool {
    let mut transaction = session.transaction().unwrap();
    let row = rights.row.replace("$user", &owner.to_string());
    // The row asked for is the only one of its table, and what it points at is there.
    let setup = format!(
        "DELETE FROM {};
         {}
         {}
         {}
         {}",
        rights.table,
        if rights.table == "public.patients" { String::new() } else { PATIENT.replace("$user", &owner.to_string()) },
        if rights.table == "public.shared_links" || token && rights.table != "public.evaluations" {
            EVALUATION.replace("$user", &owner.to_string()) + ";"
        } else {
            String::new()
        },
        if token && rights.table != "public.shared_links" {
            format!(
                "INSERT INTO public.shared_links (user_id, session_id, token) VALUES ('{owner}', '{owner}', '{TOKEN}');"
            )
        } else {
            String::new()
        },
        if command == 'I' { "" } else { row.as_str() },
    );
    transaction.batch_execute(&setup).unwrap_or_else(|error| panic!("{setup}\n{error:?}"));
    become_role(&mut transaction, role, asks, token.then_some(TOKEN));
    let statement = match command {
        'S' => format!("SELECT 1 FROM {}", rights.table),
        'I' => row,
        'U' => format!("UPDATE {0} SET {1} = {1}", rights.table, rights.key),
        _ => format!("DELETE FROM {}", rights.table),
    };
    match transaction.execute(&statement, &[]) {
        Ok(rows) => rows == 1,
        Err(error) => {
            let refusal = error.as_db_error().unwrap();
            assert_eq!(refusal.code().code(), "42501", "{statement} as {role:?}: {refusal:?}");
            false
        }
    }
}

fn become_role(transaction: &mut Transaction, role: Role, user: Uuid, token: Option<&str>) {
    let (name, claims) = match role {
        Role::Anon => ("anon", "{\"role\": \"anon\"}".to_owned()),
        Role::Authenticated => ("authenticated", format!("{{\"sub\": \"{user}\", \"role\": \"authenticated\"}}")),
        Role::Service => ("service_role", "{\"role\": \"service_role\"}".to_owned()),
    };
    let headers = token.map_or_else(String::new, |token| format!("{{\"x-share-token\": \"{token}\"}}"));
    transaction
        .batch_execute(&format!(
            "SET LOCAL \"request.jwt.claims\" = '{claims}';
             SET LOCAL \"request.headers\" = '{headers}';
             SET LOCAL ROLE {name}"
        ))
        .unwrap();
}

#[test]
fn every_role_may_do_on_every_table_what_the_matrix_says_and_nothing_else() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    db.sign_up("caio@clinica.example");
    let mut session = db.superuser();
    let mut wrong = Vec::new();
    for rights in MATRIX.iter() {
        for command in ['S', 'I', 'U', 'D'] {
            for (role, owner, cell, who) in [
                (Role::Anon, ana, rights.anon, "anon"),
                (Role::Authenticated, ana, rights.own, "authenticated, own"),
                (Role::Authenticated, bia, rights.others, "authenticated, others'"),
                (Role::Service, ana, rights.service, "service_role"),
            ] {
                let expected = cell.contains(command);
                let found = is_allowed(&mut session, rights, command, role, ana, owner, false);
                if found != expected {
                    wrong.push(format!("{} {command} {who}: {found}", rights.table));
                }
                // With a token anon may read where the cell says T; a token adds nothing for anybody else.
                let expected = expected || command == 'S' && cell == "T";
                let found = is_allowed(&mut session, rights, command, role, ana, owner, true);
                if found != expected {
                    wrong.push(format!("{} {command} {who}, with a token: {found}", rights.table));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not as MATRIX in tests/access/matrix.rs says; a policy or a grant of the table's migration is missing, or the \
         matrix is wrong: {wrong:#?}"
    );
}

#[test]
fn the_matrix_holds_every_table() {
    let db = database();
    let mut session = db.superuser();
    let mut tables = strings(
        &mut session,
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('public', 'auria')
           AND (c.relkind IN ('r', 'p', 'v', 'm', 'f')
                OR c.relkind = 'S' AND EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner))",
    );
    let mut expected: Vec<_> = MATRIX.iter().map(|rights| rights.table.to_owned()).collect();
    tables.sort();
    expected.sort();
    let missing: Vec<_> = tables.iter().filter(|name| !expected.contains(name)).collect();
    assert!(missing.is_empty(), "say who may do what: add them to MATRIX in tests/access/matrix.rs: {missing:?}");
    let unmade: Vec<_> = expected.iter().filter(|name| !tables.contains(name)).collect();
    assert!(
        unmade.is_empty(),
        "in MATRIX of tests/access/matrix.rs, and no migration in sql/migrations makes it: {unmade:?}"
    );
    assert_eq!(tables, expected);
}

#[test]
fn no_api_role_holds_a_right_on_a_table_that_the_matrix_does_not_name() {
    let db = database();
    let mut session = db.superuser();
    let held = strings(
        &mut session,
        "SELECT c.oid::regclass || ' ' || g.name || ' ' || a.privilege_type
         FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
         CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS name) AS g
         WHERE c.relnamespace IN ('public'::regnamespace, 'auria'::regnamespace)
           AND (g.name = 'PUBLIC' OR a.is_grantable
                OR g.name IN ('anon', 'authenticated', 'service_role')
                   AND a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
           AND a.grantee <> c.relowner",
    );
    assert!(held.is_empty(), "{held:?}");
}

#[test]
fn a_row_cannot_be_given_away() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    let mut session = db.superuser();
    for rights in MATRIX.iter().filter(|rights| rights.own.contains('U')) {
        let mut transaction = session.transaction().unwrap();
        let evaluation = EVALUATION.replace("$user", &ana.to_string());
        let row = rights.row.replace("$user", &ana.to_string());
        transaction
            .batch_execute(
                &format!(
                    "DELETE FROM public.profiles; {PATIENT} {evaluation}; {}; {row}",
                    if rights.table == "public.patients" { "DELETE FROM public.patients" } else { "" }
                )
                .replace("$user", &ana.to_string()),
            )
            .unwrap();
        become_role(&mut transaction, Role::Authenticated, ana, None);
        let given = transaction.execute(&format!("UPDATE {} SET user_id = $1", rights.table), &[&bia]);
        let refusal = given.unwrap_err();
        assert_eq!(refusal.code().unwrap().code(), "42501", "{}", rights.table);
    }
}

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

/// Who may execute which function of the extension: anon, authenticated, service_role, in this order.
const FUNCTIONS: &str = "
    public.use_credits(uuid,text)                           - - s
    public.use_credits(uuid,text,uuid)                      - - s
    public.refund_credits(uuid,text)                        - - s
    public.refund_credits(uuid,text,uuid)                   - - s
    public.can_use_credits(uuid,text)                       - u s
    public.get_credit_cost(text)                            a u s
    public.add_bonus_credits(uuid,integer)                  - - s
    public.reset_monthly_usage_with_rollover()              - - s
    public.can_create_case(uuid)                            - u s
    public.increment_case_usage(uuid)                       - - s
    public.reset_monthly_usage()                            - - s
    public.cleanup_old_rate_limits()                        - - s
    public.cleanup_stale_drafts()                           - - s
    public.cleanup_expired_shared_links()                   - - s
    public.cleanup_stuck_evaluations()                      - - s
    public.get_dashboard_metrics(uuid)                      - u s
    public.verify_phi_encryption()                          - - s
    public.phi_encrypt(text)                                - - s
    public.phi_decrypt(bytea)                               - - s
    public.handle_new_user()                                - - -
    public.update_updated_at_column()                       - - -
    public.keep_created_at()                                - - -
    public.replace_draft()                                  - - -
    public.settle_plan_change()                             - - -
    public.record_plan_change()                             - - -
    public.check_subscription_status()                      - - -
    public.encrypt_patient_phi()                            - - -
    public.encrypt_evaluation_phi()                         - - -
    public.encrypt_evaluation_draft_phi()                   - - -
    public.get_shared_evaluation(text)                      a u s
    public.get_shared_dsd(text)                             a u s
    public.check_shared_link_status(text)                   a u s
    public.check_and_increment_rate_limit(uuid,text,timestamptz,timestamptz,timestamptz)  - - s
    auria.new_share_token()                                 - u s
    auria.phi_status()                                      - - s
    auria.doctor()                                          - - s
    auria.phi_backfill(integer)                             - - s
    auria.reset_monthly(integer)                            - - s
    auria.metrics(text)                                     - - s
    auria.export_user(uuid)                                 - - s
    auria.export_patient(uuid)                              - - s
    auria.erase_user(uuid,boolean)                          - - s
    auria.erase_patient(uuid)                               - - s
    auria.erase_again(bytea[],boolean)                      - - s
    auria.open_text(bytea,boolean)                          - u s
    auria.bound_value(bytea,uuid)                           - - -
    auria.unbound_value(bytea)                              - - -
    auria.open_for_owner(bytea,uuid,boolean)                - - -
    auria.name_digest(uuid,bytea)                           - - -
    auria.old_row_support(internal)                         - - -
    auria.phi_seal()                                        - - -
    auria.phi_unseal()                                      - - -
    auria.refuse_direct_write()                             - - -
    auria.sealed_insert()                                   - - -
    auria.sealed_update()                                   - - -
    auria.sealed_delete()                                   - - -
    auria.restore_replaced()                                - - -
    auria.migrate(boolean)                                  - - -
    auria.schedule()                                        - - -
    auria.prepare_install()                                 - - -
    auria.finish_install()                                  - - -
    auria.restore_function(text)                            - - -
    auria.run_as_owner(text)                                - - -
    auria.refuse_row()                                      - - -
    auria.cleanup_credit_transactions()                     - - -
    auria.create_missing_profiles()                         - - -
    auria.ensure_check(text,text,text,text)                 - - -
    auria.ensure_foreign_key(text,text,text,text,text,text) - - -
    auria.ensure_index(text,text,text)                      - - -
    auria.ensure_unique(text,text,text[])                   - - -
    auria.ensure_unique_index(text,text,text,text)          - - -
    auria.number_ledger()                                   - - -
    auria.report_unknown_statuses()                         - - -
    auria.settled_bonus(text,integer,integer,integer)       - - -
    auria.settled_rollover(text,integer,integer)            - - -
";

fn strings(session: &mut Session, query: &str) -> Vec<String> {
    session.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// The functions of the list, each with its three rights.
fn functions() -> impl Iterator<Item = (&'static str, [bool; 3])> {
    FUNCTIONS.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let mut words = line.split_whitespace();
        let signature = words.next().unwrap();
        let rights: Vec<bool> = words.map(|word| word != "-").collect();
        (signature, rights.try_into().unwrap())
    })
}

/// The same, each with the signature that the database gives it as well.
#[track_caller]
fn functions_of_the_database(session: &mut Session) -> Vec<(&'static str, String, [bool; 3])> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (signature, rights) in functions() {
        match session.value(&format!("SELECT to_regprocedure('{signature}')::text")) {
            Some(name) => found.push((signature, name, rights)),
            None => missing.push(signature),
        }
    }
    assert!(
        missing.is_empty(),
        "FUNCTIONS in tests/access/matrix.rs names {}, and no file in sql/functions declares it",
        missing.join(" and ")
    );
    found
}

#[test]
fn every_function_may_be_executed_by_those_the_matrix_names_and_by_nobody_else() {
    let db = database();
    let mut session = db.superuser();
    session.run("CREATE ROLE stranger");
    let rows = session
        .query(
            "SELECT p.oid::regprocedure::text, has_function_privilege('anon', p.oid, 'EXECUTE'),
                    has_function_privilege('authenticated', p.oid, 'EXECUTE'),
                    has_function_privilege('service_role', p.oid, 'EXECUTE'),
                    has_function_privilege('stranger', p.oid, 'EXECUTE')
             FROM pg_proc p
             WHERE EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                           WHERE e.extname = 'auria' AND d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                             AND d.deptype IN ('e', 'x'))",
            &[],
        )
        .unwrap();
    session.run("DROP ROLE stranger");
    let mut expected: Vec<_> =
        functions_of_the_database(&mut session).into_iter().map(|(_, name, rights)| (name, rights)).collect();
    let mut wrong = Vec::new();
    for row in rows {
        let signature: String = row.get(0);
        let found: [bool; 3] = [row.get(1), row.get(2), row.get(3)];
        let place = expected.iter().position(|(name, _)| *name == signature);
        let expected = match place {
            Some(place) => expected.swap_remove(place).1,
            None => {
                wrong.push(format!("{signature}: say who may call it: add it to FUNCTIONS in tests/access/matrix.rs"));
                continue;
            }
        };
        if found != expected || row.get::<_, bool>(4) {
            wrong.push(format!("{signature}: {found:?}, PUBLIC {}", row.get::<_, bool>(4)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(expected.is_empty(), "neither members of the extension nor tied to it: {expected:?}");
}

#[test]
fn a_call_without_the_right_is_refused_and_changes_nothing() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.example");
    let mut sessions = [db.anon(), db.authenticated(dentist), db.service()];
    for (signature, _, rights) in functions_of_the_database(&mut db.superuser()) {
        let (name, types) = signature.trim_end_matches(')').split_once('(').unwrap();
        if types == "internal" {
            // No value of this type can be written in SQL.
            continue;
        }
        // Not constants: the planner answers a STRICT function of NULL without asking who calls.
        let (arguments, columns): (Vec<_>, Vec<_>) = types
            .split(',')
            .filter(|name| !name.is_empty())
            .enumerate()
            .map(|(place, name)| (format!("a{place}"), format!("NULL::{name} AS a{place}")))
            .unzip();
        let is_procedure: bool =
            db.superuser().value(&format!("SELECT prokind = 'p' FROM pg_proc WHERE oid = '{signature}'::regprocedure"));
        let call = if is_procedure {
            let nulls: Vec<_> = columns.iter().map(|column| column.split(' ').next().unwrap()).collect();
            format!("CALL {name}({})", nulls.join(", "))
        } else {
            format!(
                "SELECT {name}({}) FROM (SELECT {} OFFSET 0) AS arguments",
                arguments.join(", "),
                columns.join(", ")
            )
        };
        for (session, may) in sessions.iter_mut().zip(rights) {
            let answer = session.query(&call, &[]);
            let is_refused = answer
                .as_ref()
                .is_err_and(|error| error.as_db_error().unwrap().message().starts_with("permission denied for"));
            // The schema auria is closed to users; the default of shared_links.token needs no way in.
            let may = may
                && !(name.starts_with("auria.")
                    && session.value::<String>("SELECT current_user::text") == "authenticated");
            assert_eq!(is_refused, !may, "{call}: {answer:?}");
        }
    }
}

/// Whether a test's source calls the function, by SQL or through PostgREST. Another function's name may end with this one.
fn calls(source: &str, name: &str) -> bool {
    let is_part_of_a_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    source.match_indices(name).any(|(place, _)| {
        let (before, after) = (&source[..place], &source[place + name.len()..]);
        !before.ends_with(is_part_of_a_name)
            && !before.ends_with("fn ")
            && (after.starts_with('(')
                || !after.starts_with(is_part_of_a_name)
                    && ["rpc/", "rpc('", "rpc(`"].iter().any(|call| before.ends_with(call)))
    })
}

#[test]
fn what_every_function_of_public_answers_a_client_has_a_test() {
    let mut tests = sources("tests", &["rs", "js"]);
    // Both name every function, for who may call it.
    tests.retain(|Source { path, .. }| path != "tests/access/matrix.rs" && !path.starts_with("tests/api/lint/"));
    let untested: BTreeSet<_> = functions()
        .filter(|(_, rights)| rights.contains(&true))
        .filter_map(|(signature, _)| signature.strip_prefix("public.")?.split('(').next())
        .filter(|name| !tests.iter().any(|test| calls(&test.text, name)))
        .map(|name| format!("no test in tests/ calls {name}: add one to the folder of its subject"))
        .collect();
    assert!(untested.is_empty(), "{untested:#?}");
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
        let found = strings(&mut session, &query);
        assert!(found.is_empty(), "{defect}: {found:?}");
    }
    let unprotected = strings(
        &mut session,
        "SELECT oid::regclass::text FROM pg_class c
         WHERE relnamespace IN ('public'::regnamespace, 'auria'::regnamespace, 'storage'::regnamespace) AND relkind = 'r'
           AND (NOT relrowsecurity
                OR relnamespace <> 'storage'::regnamespace AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid))",
    );
    assert!(unprotected.is_empty(), "tables without row-level security, or with no policy: {unprotected:?}");
}
