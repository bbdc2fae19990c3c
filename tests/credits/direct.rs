//! A charge and a refund find and write their rows without SQL where the tables are ordinary. Where a statement would do
//! more, SQL does it, and either way leaves the same rows.

use auria_tests::{As, Database, Session, database, refused_with};
use postgres::Client;
use uuid::Uuid;

/// SQL locks the subscription by SELECT … FOR NO KEY UPDATE, or its key for a new entry of the ledger by FOR KEY SHARE, and
/// so the table in this mode; and it reads the ledger in that of SELECT. Nothing else in a charge or refund does.
const IS_BY_SQL: &str = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() \
                         AND (mode, relation) IN (('RowShareLock', 'public.subscriptions'::regclass), \
                                                  ('AccessShareLock', 'public.credit_usage'::regclass)))";

/// Whether the statement, in a transaction that is committed, wrote rows without SQL. It must answer true.
pub(crate) fn is_direct(session: &mut Client, statement: &str) -> bool {
    let mut transaction = session.transaction().unwrap();
    let answer: bool = transaction.query_one(statement, &[]).unwrap().get(0);
    assert!(answer, "{statement}");
    let is_by_sql: bool = transaction.query_one(IS_BY_SQL, &[]).unwrap().get(0);
    transaction.commit().unwrap();
    !is_by_sql
}

pub(crate) fn use_of(user: Uuid) -> String {
    format!("SELECT public.use_credits('{user}', 'case_analysis')")
}

/// pg_locks is for everyone to read, and the functions are the backend's.
pub(super) fn service_on_plan(db: &Database) -> (Session, Uuid) {
    let user = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    (db.service(), user)
}

#[test]
fn charges_and_refunds_run_no_sql_where_the_tables_are_ordinary() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    let reference = Uuid::new_v4();
    for statement in [
        use_of(user),
        format!("SELECT public.refund_credits('{user}', 'case_analysis')"),
        format!("SELECT public.use_credits('{user}', 'dsd_simulation', '{reference}')"),
        format!("SELECT public.use_credits('{user}', 'dsd_simulation', '{reference}')"),
        format!("SELECT public.refund_credits('{user}', 'dsd_simulation', '{reference}')"),
        format!("SELECT public.refund_credits('{user}', 'dsd_simulation', '{reference}')"),
    ] {
        assert!(is_direct(&mut service, &statement), "{statement}");
    }
}

/// An object that a statement respects, and a query that shows that it did.
const MORE_THAN_A_STATEMENT: [(&str, &str, &str); 13] = [
    (
        "a trigger on the ledger",
        "CREATE TABLE public.seen (id uuid);
         CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
             AS $$ BEGIN INSERT INTO public.seen VALUES (new.id); RETURN new; END $$;
         CREATE TRIGGER see AFTER INSERT ON public.credit_usage FOR EACH ROW EXECUTE FUNCTION public.see()",
        "SELECT count(*) = 1 FROM public.seen",
    ),
    (
        "a trigger on the ledger, for each statement",
        "CREATE TABLE public.seen (at timestamptz);
         CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
             AS $$ BEGIN INSERT INTO public.seen VALUES (now()); RETURN NULL; END $$;
         CREATE TRIGGER see BEFORE INSERT ON public.credit_usage EXECUTE FUNCTION public.see()",
        "SELECT count(*) = 1 FROM public.seen",
    ),
    (
        "a trigger on subscriptions",
        "CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN new.stripe_customer_id := 'seen'; RETURN new; END $$;
         CREATE TRIGGER see BEFORE UPDATE ON public.subscriptions FOR EACH ROW EXECUTE FUNCTION public.see()",
        "SELECT stripe_customer_id = 'seen' FROM public.subscriptions",
    ),
    (
        "a trigger function of the extension that a team has replaced",
        "CREATE OR REPLACE FUNCTION public.update_updated_at_column() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN new.updated_at := '2000-01-01'; RETURN new; END $$",
        "SELECT updated_at = '2000-01-01' FROM public.subscriptions",
    ),
    ("a rule", "CREATE RULE see AS ON INSERT TO public.credit_usage DO ALSO NOTIFY seen", "SELECT true"),
    (
        "a generated column",
        "ALTER TABLE public.credit_usage ADD COLUMN twice integer GENERATED ALWAYS AS (credits_used * 2) STORED",
        "SELECT twice = credits_used * 2 FROM public.credit_usage",
    ),
    (
        "a column of a domain with a default",
        "CREATE DOMAIN public.word AS text DEFAULT 'none'; ALTER TABLE public.credit_usage ADD COLUMN word public.word",
        "SELECT word = 'none' FROM public.credit_usage",
    ),
    (
        "a default that calls a function of a team's",
        "CREATE FUNCTION public.word() RETURNS text LANGUAGE sql AS $$ SELECT 'called' $$;
         ALTER TABLE public.credit_usage ADD COLUMN word text DEFAULT public.word()",
        "SELECT word = 'called' FROM public.credit_usage",
    ),
    (
        "a CHECK that calls a function of a team's",
        "CREATE FUNCTION public.is_right(integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;
         ALTER TABLE public.credit_usage ADD CHECK (public.is_right(credits_used))",
        "SELECT true",
    ),
    (
        "a constraint that is checked at the end of the transaction",
        "ALTER TABLE public.credit_usage ADD CONSTRAINT one_entry UNIQUE (entry) DEFERRABLE INITIALLY DEFERRED",
        "SELECT true",
    ),
    (
        "a foreign key that is checked at the end of the transaction",
        "ALTER TABLE public.credit_usage ADD FOREIGN KEY (user_id) REFERENCES public.profiles (user_id)
             DEFERRABLE INITIALLY DEFERRED",
        "SELECT true",
    ),
    (
        "a table that inherits",
        "CREATE TABLE public.old_usage () INHERITS (public.credit_usage)",
        "SELECT count(*) = 1 FROM ONLY public.credit_usage",
    ),
    (
        "row-level security for its owner",
        "ALTER TABLE public.credit_usage FORCE ROW LEVEL SECURITY;
         CREATE POLICY owner ON public.credit_usage TO auria_owner USING (true) WITH CHECK (true)",
        "SELECT true",
    ),
];

#[test]
fn what_a_statement_would_do_more_is_done_by_one() {
    for (what, made, shows) in MORE_THAN_A_STATEMENT {
        let db = database();
        let (mut service, user) = service_on_plan(&db);
        // The session knows the table as it was.
        assert!(is_direct(&mut service, &use_of(user)), "{what}");
        let mut dba = db.superuser();
        // Not TRUNCATE, at which every session looks at the table anew.
        dba.run("DELETE FROM public.credit_usage");
        dba.run(made);
        assert!(!is_direct(&mut service, &use_of(user)), "{what}");
        assert!(dba.value::<bool>(shows), "{what}");
    }
}

#[test]
fn a_debug_message_says_why_sql_has_to_do_it() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    service.run("SET client_min_messages = debug1");
    let reasons = |session: &mut Session| -> Vec<String> {
        session.value::<bool>(&use_of(user));
        let messages = session.notices().into_iter().map(|notice| notice.message().to_owned());
        messages.filter(|message| message.starts_with("auria: by SQL")).collect()
    };
    assert_eq!(reasons(&mut service), [""; 0]);
    db.superuser().run("CREATE RULE see AS ON INSERT TO public.credit_usage DO ALSO NOTIFY seen");
    let [reason] = &reasons(&mut service)[..] else { panic!("one reason") };
    assert!(reason.ends_with("or rules or policies apply"), "{reason}");
}

#[test]
fn a_session_that_replicates_and_one_that_keeps_its_snapshot_use_sql() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        service.run(&format!("SET default_transaction_isolation = '{level}'"));
        assert!(!is_direct(&mut service, &use_of(user)), "{level}");
    }
    let mut dba = db.superuser();
    dba.run("SET session_replication_role = replica");
    assert!(!is_direct(&mut dba, &use_of(user)));
}

#[test]
fn constraints_defaults_and_indexes_of_a_team_hold_without_sql() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    let mut dba = db.superuser();
    dba.run(
        "ALTER TABLE public.credit_usage ADD COLUMN clinic text DEFAULT upper('centro'), ADD COLUMN gone text;
         ALTER TABLE public.credit_usage DROP COLUMN gone, ADD COLUMN note text;
         ALTER TABLE public.credit_usage ADD CONSTRAINT small CHECK (credits_used < 3);
         CREATE INDEX ON public.subscriptions (credits_used_this_month);
         CREATE INDEX ON public.credit_usage (lower(operation)) WHERE credits_used > 0",
    );
    assert!(is_direct(&mut service, &use_of(user)));
    assert!(dba.value::<bool>("SELECT clinic = 'CENTRO' AND note IS NULL FROM public.credit_usage"));
    // The index over the counter has the new value, and no longer the old one.
    dba.run("SET enable_seqscan = off");
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.subscriptions WHERE credits_used_this_month = 1"), 1);
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.subscriptions WHERE credits_used_this_month = 0"), 0);
    assert_eq!(
        dba.value::<i64>(
            "SELECT count(*) FROM public.credit_usage WHERE lower(operation) = 'case_analysis' AND credits_used > 0"
        ),
        1
    );

    dba.run("UPDATE public.credit_costs SET credits = 3 WHERE operation = 'case_analysis'");
    let refusal = refused_with(service.batch_execute(&use_of(user)), "23514");
    assert!(refusal.message().contains("\"small\""), "{refusal}");
    dba.run("ALTER TABLE public.credit_usage DROP CONSTRAINT small; ALTER TABLE public.subscriptions ADD CONSTRAINT few CHECK (credits_used_this_month < 4)");
    let refusal = refused_with(service.batch_execute(&use_of(user)), "23514");
    assert!(refusal.message().contains("\"few\""), "{refusal}");
    assert_eq!(dba.value::<i32>("SELECT credits_used_this_month FROM public.subscriptions"), 1);
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.credit_usage"), 1);
}

#[test]
fn a_foreign_key_whose_value_is_a_default_is_looked_at() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    let mut dba = db.superuser();
    dba.run(
        "CREATE TABLE public.clinics (id uuid PRIMARY KEY);
         INSERT INTO public.clinics VALUES ('00000000-0000-4000-8000-000000000001');
         GRANT SELECT, REFERENCES, UPDATE ON public.clinics TO auria_owner; ALTER TABLE public.clinics OWNER TO auria_owner;
         ALTER TABLE public.credit_usage ADD COLUMN clinic uuid DEFAULT '00000000-0000-4000-8000-000000000001'
             REFERENCES public.clinics",
    );
    service.run(&use_of(user));
    dba.run("TRUNCATE public.credit_usage; DELETE FROM public.clinics");
    refused_with(service.batch_execute(&use_of(user)), "23503");
    // A column that stays NULL references nothing.
    dba.run("ALTER TABLE public.credit_usage ALTER clinic DROP DEFAULT");
    assert!(is_direct(&mut service, &use_of(user)));
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.credit_usage"), 1);
}

#[test]
fn a_column_stores_no_finer_time_than_its_type_says() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    let whole = |dba: &mut Session, column: &str, table: &str| {
        dba.value::<bool>(&format!("SELECT bool_and({column} = date_trunc('second', {column})) FROM public.{table}"))
    };
    let mut dba = db.superuser();
    dba.run(
        "ALTER TABLE public.credit_usage ALTER created_at TYPE timestamptz(0);
         ALTER TABLE public.rate_limits ALTER updated_at TYPE timestamptz(0)",
    );
    let window = "now() - interval '1 hour'";
    for _ in 0..3 {
        service.run(&use_of(user));
        service
            .run(&format!("SELECT public.check_and_increment_rate_limit('{user}', 'f', {window}, {window}, {window})"));
        assert!(whole(&mut dba, "created_at", "credit_usage"));
        assert!(whole(&mut dba, "updated_at", "rate_limits"));
    }
    dba.run(
        "ALTER TABLE public.credit_usage ALTER created_at TYPE timestamptz;
         ALTER TABLE public.subscriptions ALTER updated_at TYPE timestamptz(0)",
    );
    service.run(&use_of(user));
    assert!(whole(&mut dba, "updated_at", "subscriptions"));
}

#[test]
fn a_partial_index_is_not_taken_for_the_whole_table() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    let mut dba = db.superuser();
    dba.run(
        "ALTER TABLE public.subscriptions DROP CONSTRAINT subscriptions_user_unique;
         CREATE UNIQUE INDEX active ON public.subscriptions (user_id) WHERE status = 'active';
         UPDATE public.subscriptions SET status = 'trialing'",
    );
    assert!(!is_direct(&mut service, &use_of(user)));
    assert!(service.value::<bool>(&format!("SELECT public.can_use_credits('{user}', 'case_analysis')")));
    assert_eq!(dba.value::<i32>("SELECT credits_used_this_month FROM public.subscriptions"), 1);
}

/// As an adopted ledger has it in which old rows repeat a reference.
#[test]
fn an_index_that_leaves_out_old_rows_makes_only_references_a_matter_of_sql() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    let reference = Uuid::new_v4();
    let charge = format!("SELECT public.use_credits('{user}', 'case_analysis', '{reference}')");
    assert!(is_direct(&mut service, &charge));
    db.superuser().run(
        "DROP INDEX public.credit_usage_open_reference_key;
         CREATE UNIQUE INDEX credit_usage_open_reference_key
             ON public.credit_usage (user_id, operation, reference_id, counterpart)
          WHERE reference_id IS NOT NULL AND created_at > TIMESTAMPTZ '2100-01-01'",
    );
    assert!(is_direct(&mut service, &use_of(user)));
    let refund = format!("SELECT public.refund_credits('{user}', 'case_analysis')");
    assert!(is_direct(&mut service, &refund));
    assert!(!is_direct(&mut service, &charge), "the old use is found by SQL");
    let refund = format!("SELECT public.refund_credits('{user}', 'case_analysis', '{reference}')");
    assert!(!is_direct(&mut service, &refund));
    let [charged, refunded] = ["> 0", "< 0"].map(|sign| {
        service.value::<i64>(&format!("SELECT count(*) FROM public.credit_usage WHERE credits_used {sign}"))
    });
    assert_eq!((charged, refunded), (2, 2));
}

#[test]
fn a_subscription_of_no_user_is_refused_although_it_is_charged_in_the_same_statement() {
    let db = database();
    let mut dba = db.superuser();
    // The foreign key is checked when the statement ends; the charge has replaced the row by then.
    for (user, plan) in [("gen_random_uuid()", "starter"), ("id", "no_plan")] {
        db.sign_up(&format!("{plan}@clinica.test"));
        refused_with(
            dba.batch_execute(&format!(
                "WITH made AS (INSERT INTO public.subscriptions (user_id, plan_id, status, credits_bonus)
                               SELECT {user}, '{plan}', 'active', 9 FROM auth.users LIMIT 1 RETURNING user_id)
                 SELECT public.use_credits(user_id, 'case_analysis') FROM made"
            )),
            "23503",
        );
    }
    dba.run(
        "CREATE FUNCTION public.charge() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN PERFORM public.use_credits(new.user_id, 'case_analysis'); RETURN NULL; END $$;
         CREATE TRIGGER \"A\" AFTER INSERT ON public.subscriptions FOR EACH ROW EXECUTE FUNCTION public.charge()",
    );
    refused_with(
        dba.batch_execute(
            "INSERT INTO public.subscriptions (user_id, plan_id, status, credits_bonus)
             VALUES (gen_random_uuid(), 'starter', 'active', 9)",
        ),
        "23503",
    );
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.subscriptions"), 0);
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.credit_usage"), 0);
}

#[test]
fn a_user_is_not_deleted_under_a_charge_that_names_him() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    service.run("BEGIN");
    service.run(&use_of(user));
    let mut dba = db.superuser();
    dba.run("SET lock_timeout = '200ms'");
    let delete = "DELETE FROM auth.users";
    refused_with(dba.batch_execute(delete), "55P03");
    // His own row, not only his subscription's.
    refused_with(dba.batch_execute("SELECT FROM auth.users FOR UPDATE"), "55P03");
    dba.run("BEGIN; SELECT FROM auth.users FOR NO KEY UPDATE; COMMIT");
    service.run("COMMIT");
    dba.run(delete);
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.credit_usage"), 0);
}

#[test]
fn a_charge_waits_for_another_of_the_user_and_counts_on_what_that_left() {
    let db = database();
    let (mut first, user) = service_on_plan(&db);
    let reference = Uuid::new_v4();
    let once = format!("SELECT public.use_credits('{user}', 'case_analysis', '{reference}')");
    first.run("BEGIN");
    first.run(&once);
    let answers = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut second = db.session(As::Service);
            (is_direct(&mut second, &use_of(user)), second.value::<bool>(&once))
        });
        let mut admin = db.superuser();
        while !admin
            .value::<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')")
        {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        first.run("COMMIT");
        waiting.join().unwrap()
    });
    assert_eq!(answers, (true, true));
    let mut dba = db.superuser();
    assert_eq!(dba.value::<i32>("SELECT credits_used_this_month FROM public.subscriptions"), 2);
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.credit_usage"), 2);
}

#[test]
fn an_index_that_is_built_while_clients_charge_has_every_row() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    let other = db.sign_up_on_plan("bia@clinica.test", "price_pro_monthly_v2");
    let mut dba = db.superuser();
    // The build waits for this one, after the index is in the catalogue and before anybody writes to it.
    let mut early = db.service();
    early.run("BEGIN");
    early.run(&use_of(other));
    std::thread::scope(|scope| {
        let building = scope.spawn(|| {
            let mut builder = db.superuser();
            builder.run("CREATE INDEX CONCURRENTLY late ON public.credit_usage (credits_used, user_id)");
        });
        while !dba.value::<bool>(
            "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.late') AND NOT indisready)",
        ) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(is_direct(&mut service, &use_of(user)));
        early.run("COMMIT");
        building.join().unwrap();
    });
    assert!(is_direct(&mut service, &use_of(user)));
    dba.run("SET enable_seqscan = off; SET enable_bitmapscan = off");
    let plan = dba.query("EXPLAIN SELECT credits_used FROM public.credit_usage WHERE credits_used = 1", &[]).unwrap();
    let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("late"), "{plan}");
    assert_eq!(dba.value::<i64>("SELECT count(*) FROM public.credit_usage WHERE credits_used = 1"), 3);
}

#[test]
fn a_charge_works_after_one_that_an_index_refused() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    // The last index of all, so that the others, a BRIN among them, had taken the row.
    db.superuser().run("CREATE UNIQUE INDEX one_of_a_price ON public.credit_usage (user_id, credits_used)");
    assert!(is_direct(&mut service, &use_of(user)));
    for _ in 0..3 {
        refused_with(service.batch_execute(&use_of(user)), "23505");
    }
    let other = format!("SELECT public.use_credits('{user}', 'dsd_simulation')");
    assert!(is_direct(&mut service, &other));
    assert_eq!(db.superuser().value::<i32>("SELECT credits_used_this_month FROM public.subscriptions"), 3);
}

/// A generator of numbers that are the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn one_history_leaves_the_same_rows_with_sql_without_it_and_with_sql_on_the_ledger_alone() {
    const USERS: u64 = 8;
    const STEPS: usize = 1500;
    let id = |n: u64| format!("00000000-0000-4000-8000-{n:012}");
    let databases = [database(), database(), database(), database()];
    let mut sessions: Vec<Session> = databases
        .iter()
        .map(|db| {
            let mut dba = db.superuser();
            for user in 0..USERS {
                let user = id(user);
                dba.run(&format!("INSERT INTO auth.users (id, email) VALUES ('{user}', '{user}@clinica.test')"));
            }
            dba
        })
        .collect();
    // Nothing but a reason to use SQL.
    super::make_sql_necessary(&mut sessions[1]);
    super::make_sql_necessary_on(&["credit_usage"], &mut sessions[2]);
    sessions[3].run("SET default_transaction_isolation = 'repeatable read'");
    let mut draw = Draw(20_261_126);
    let mut kinds = std::collections::BTreeMap::<String, u32>::new();
    for step in 0..STEPS {
        let user = id(draw.below(USERS));
        let operation = ["case_analysis", "dsd_simulation", "other"][draw.below(3) as usize];
        let reference = id(1000 + draw.below(40));
        let statement = match draw.below(22) {
            0..6 => format!("SELECT public.use_credits('{user}', '{operation}')"),
            6..10 => format!("SELECT public.use_credits('{user}', '{operation}', '{reference}')"),
            10..12 => format!("SELECT public.refund_credits('{user}', '{operation}')"),
            12..15 => format!("SELECT public.refund_credits('{user}', '{operation}', '{reference}')"),
            15 => match draw.below(4) {
                0 => format!("SELECT public.add_bonus_credits('{user}', {})", draw.below(9)),
                1 | 2 => {
                    format!("SELECT public.add_bonus_credits('{user}', {}, 'cs_{}')", draw.below(9), draw.below(20))
                }
                _ => {
                    format!("SELECT public.revoke_bonus_credits('{user}', {}, 'cs_{}')", draw.below(9), draw.below(20))
                }
            },
            16 => format!(
                "UPDATE public.subscriptions SET plan_id = '{}' WHERE user_id = '{user}'",
                ["starter", "price_pro_monthly_v2", "price_elite_monthly"][draw.below(3) as usize]
            ),
            17 => format!(
                "UPDATE public.subscriptions SET status = '{}' WHERE user_id = '{user}'",
                ["active", "trialing", "past_due", "active"][draw.below(4) as usize]
            ),
            18 => format!(
                "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ('{user}', 'starter', 'active')
                     ON CONFLICT (user_id) DO UPDATE SET usage_reset_at = now() - interval '31 days'"
            ),
            19 => "SELECT public.reset_monthly_usage_with_rollover()".to_owned(),
            _ => {
                let mut window = || format!("'2026-01-01'::timestamptz + {} * interval '1 minute'", draw.below(4));
                let windows = [window(), window(), window()].join(", ");
                format!(
                    "SELECT r::text FROM public.check_and_increment_rate_limit('{user}', '{operation}', {windows}) r"
                )
            }
        };
        let answers: Vec<String> = sessions
            .iter_mut()
            .map(|session| match session.simple_query(&statement) {
                Ok(messages) => format!(
                    "{:?}",
                    messages.iter().find_map(|message| match message {
                        postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                        _ => None,
                    })
                ),
                Err(error) => format!("{:?}", error.code()),
            })
            .collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "step {step}: {statement}: {answers:?}");
        *kinds.entry(format!("{} {}", &statement[..22], answers[0])).or_default() += 1;
    }
    // The history has charges, refusals and refunds of every kind.
    assert!(kinds.len() > 8, "{kinds:?}");
    let rows = [
        "SELECT coalesce(string_agg(s::text, E'\\n' ORDER BY user_id), '')
           FROM (SELECT user_id, plan_id, status, credits_used_this_month, credits_used_hidden, credits_rollover,
                        credits_bonus, cases_used_this_month, dsd_used_this_month, usage_reset_entry,
                        plan_change_entry, settled_rollover, settled_bonus, updated_at > created_at AS changed
                   FROM public.subscriptions) s",
        "SELECT coalesce(string_agg(u::text, E'\\n' ORDER BY entry), '')
           FROM (SELECT entry, user_id, subscription_id IS NOT NULL AS subscribed, operation, credits_used, reference_id,
                        is_free, from_rollover, from_bonus, from_hidden, counterpart FROM public.credit_usage) u",
    ];
    let events = "SELECT string_agg(e::text, E'\\n' ORDER BY entry)
           FROM (SELECT entry, user_id, kind, plan_id, credits_per_month, reference, credits, made_by, changed_used,
                        changed_hidden, changed_rollover, changed_bonus, used, hidden, rollover, bonus,
                        settled_rollover, settled_bonus, granted, expired, carried_over, spent_monthly, spent_rollover,
                        spent_bonus, is_by_hand FROM public.credit_events) e";
    for query in rows.into_iter().chain([events]).chain(["SELECT string_agg(r::text, E'\\n' ORDER BY user_id, function_name)
           FROM (SELECT user_id, function_name, minute_count, minute_window, hour_count, hour_window, day_count, day_window,
                        updated_at > created_at AS changed FROM public.rate_limits) r"]) {
        let [without, others @ ..] = [0, 1, 2, 3].map(|side: usize| sessions[side].value::<String>(query));
        assert!(without.lines().count() >= USERS as usize);
        for with in others {
            assert_eq!(with, without);
        }
    }
    let are_direct = [0, 1, 2, 3].map(|side: usize| {
        let user = databases[side].sign_up_on_plan("last@clinica.test", "price_elite_monthly");
        is_direct(&mut sessions[side], &use_of(user))
    });
    assert_eq!(are_direct, [true, false, false, false]);
}

fn how_charges_go(session: &mut Client) -> String {
    let note = "SELECT substr(detail, length('note: ') + 1) FROM auria.doctor() WHERE \"check\" = 'charges' AND ok";
    session.query_one(note, &[]).unwrap().get(0)
}

#[test]
fn the_doctor_and_the_metrics_say_how_charges_go_and_name_what_makes_them_go_by_sql() {
    let db = database();
    let (mut service, user) = service_on_plan(&db);
    assert_eq!(how_charges_go(&mut service), "charges go by rows");
    let mut dba = db.superuser();
    for (made, unmade, named) in [
        (
            "CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
             CREATE TRIGGER see AFTER INSERT ON public.credit_usage FOR EACH ROW EXECUTE FUNCTION public.see()",
            "DROP TRIGGER see ON public.credit_usage",
            "public.credit_usage: its trigger see",
        ),
        (
            "CREATE TRIGGER count BEFORE UPDATE ON public.subscriptions FOR EACH ROW EXECUTE FUNCTION public.see()",
            "DROP TRIGGER count ON public.subscriptions",
            "public.subscriptions: its trigger count",
        ),
        (
            "CREATE FUNCTION public.is_fine(int4) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
             ALTER TABLE public.credit_usage ADD CONSTRAINT fine CHECK (public.is_fine(credits_used))",
            "ALTER TABLE public.credit_usage DROP CONSTRAINT fine",
            "public.credit_usage: a default, constraint, column or index",
        ),
        (
            "ALTER TABLE public.subscriptions FORCE ROW LEVEL SECURITY",
            "ALTER TABLE public.subscriptions NO FORCE ROW LEVEL SECURITY",
            "public.subscriptions: ",
        ),
    ] {
        dba.run(made);
        assert!(!is_direct(&mut service, &use_of(user)), "{made}");
        let said = how_charges_go(&mut service);
        assert!(said.starts_with(&format!("charges go by SQL: {named}")), "{said}");
        let metric =
            "SELECT labels ->> 'why' FROM auria.metrics('charges') WHERE metric = 'charges_by_rows' AND value = 0";
        let why: String = service.query_one(metric, &[]).unwrap().get(0);
        assert!(said.ends_with(&why), "{said} {why}");
        dba.run(unmade);
        assert!(is_direct(&mut service, &use_of(user)), "{unmade}");
        assert_eq!(how_charges_go(&mut service), "charges go by rows");
    }
}
