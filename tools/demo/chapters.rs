//! The chapters of the story, in order. Each hands on the people in it.

use auria_tests::{As, Cluster, Session, compiled_function_names, insert_evaluation, migration_count, public_tables};
use serde_json::json;
use uuid::Uuid;

use crate::story::Story;

/// The database of the practice.
pub const DATABASE: &str = "clinica";

/// Plays the whole story on a new server.
pub fn play(story: &mut Story, cluster: &Cluster) {
    create_extension(story, cluster);
    let practice = Practice { cluster };
    let ana = sign_up(story, &practice);
    register_patients(story, &practice, ana);
    let session = evaluate(story, &practice, ana);
    refund_failed_call(story, &practice, ana);
    let bia = run_out(story, &practice);
    buy_pack(story, &practice, bia);
    race(story, &practice, bia);
    keep_apart(story, &practice, ana, bia);
    share(story, &practice, ana, session);
    settle(story, &practice, ana, bia);
    read_statement(story, &practice, bia);
    seal(story, &practice, ana);
}

/// The database, and who opens sessions to it.
struct Practice<'cluster> {
    cluster: &'cluster Cluster,
}

impl Practice<'_> {
    fn session(&self, role: As) -> Session {
        self.cluster.session(DATABASE, role)
    }

    fn superuser(&self) -> Session {
        self.session(As::Superuser)
    }

    fn service(&self) -> Session {
        self.session(As::Service)
    }

    fn sign_up(&self, name: &str, email: &str) -> Uuid {
        let id = Uuid::new_v4();
        self.superuser()
            .execute(
                "INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES ($1, $2, $3)",
                &[&id, &email, &json!({ "full_name": name, "cro": "SP-48213" })],
            )
            .unwrap();
        id
    }

    fn subscribe(&self, user: Uuid, plan: &str) {
        self.service()
            .execute(
                "INSERT INTO public.subscriptions (user_id, plan_id, status) \
                 VALUES ($1, $2, 'active') ON CONFLICT (user_id) DO UPDATE \
                    SET plan_id = excluded.plan_id, status = excluded.status",
                &[&user, &plan],
            )
            .unwrap();
    }

    fn credits_left(&self, user: Uuid) -> i32 {
        self.service()
            .query_one(
                "SELECT p.credits_per_month + s.credits_rollover + s.credits_bonus \
                        - s.credits_used_this_month \
                   FROM public.subscriptions s JOIN public.subscription_plans p ON p.id = s.plan_id \
                  WHERE s.user_id = $1",
                &[&user],
            )
            .unwrap()
            .get(0)
    }
}

fn asks(session: &mut Session, call: &str, parameters: &[&(dyn postgres::types::ToSql + Sync)]) -> bool {
    session.query_one(&format!("SELECT public.{call}"), parameters).unwrap().get(0)
}

fn create_extension(story: &mut Story, cluster: &Cluster) {
    story.chapter("CREATE EXTENSION auria CASCADE, on an empty database", "one command brings the whole database");
    let mut admin = cluster.superuser("postgres");
    story.show("server", admin.value::<String>("SELECT split_part(version(), ' on ', 1)"));
    admin.run(&format!("CREATE DATABASE {DATABASE} TEMPLATE template0"));
    let mut session = cluster.superuser(DATABASE);
    session.run("CREATE EXTENSION auria CASCADE");
    // What AURIA's newest client shows a new account.
    session.run(&format!(
        "ALTER DATABASE {DATABASE} SET auria.sign_up_plan = 'starter'; \
         ALTER DATABASE {DATABASE} SET auria.sign_up_bonus = 5"
    ));
    session.run(
        "CREATE ROLE authenticator LOGIN NOINHERIT; \
         GRANT anon, authenticated, service_role TO authenticator",
    );
    story.is(
        "tables in schema public",
        session.value::<i64>("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
        i64::try_from(public_tables().len()).unwrap(),
    );
    story.is(
        "native functions in schema public, by name",
        session.value::<i64>(
            "SELECT count(DISTINCT p.proname) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang \
              WHERE l.lanname = 'c' AND p.pronamespace = 'public'::regnamespace \
                AND p.probin LIKE '%auria_pg%'",
        ),
        i64::try_from(compiled_function_names().len()).unwrap(),
    );
    story.is("storage buckets", session.value::<i64>("SELECT count(*) FROM storage.buckets"), 3);
    story.is("migrations recorded", session.value::<i64>("SELECT count(*) FROM auria.migrations"), migration_count());
    story.is(
        "members of the extension that are no functions",
        session.value::<i64>(
            "SELECT count(*) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid \
              WHERE e.extname = 'auria' AND d.deptype = 'e' AND d.classid <> 'pg_proc'::regclass",
        ),
        0,
    );
    let shades: i64 = session.value("SELECT count(*) FROM public.resin_catalog");
    story.is("shades in the resin catalogue", shades, 181);
}

fn sign_up(story: &mut Story, practice: &Practice) -> Uuid {
    story.chapter("Dr. Ana signs up", "a trigger makes profile and subscription, and she reads her own");
    let ana = practice.sign_up("Ana Souza", "ana@clinica.example");
    let name: String = practice.session(As::User(ana)).value("SELECT full_name FROM public.profiles");
    story.is("her profile says", name, "Ana Souza".to_owned());
    story.is("credits of a new account: 5 of Starter, 5 of bonus", practice.credits_left(ana), 10);
    practice.subscribe(ana, "price_pro_monthly_v2");
    story.is("on the Pro plan: 60, and the bonus", practice.credits_left(ana), 65);
    ana
}

fn register_patients(story: &mut Story, practice: &Practice, ana: Uuid) {
    story.chapter(
        "Ana registers three patients",
        "what names them is stored encrypted; only the backend can decrypt it",
    );
    let mut session = practice.session(As::User(ana));
    for (name, phone, birth) in [
        ("João da Conceição", "+55 11 91234-5678", "1961-04-09"),
        ("Márcia Araújo", "+55 11 99876-5432", "1987-12-01"),
        ("Ícaro Nuñez", "+55 21 98888-7777", "2004-02-29"),
    ] {
        session
            .execute(
                "INSERT INTO public.patients (user_id, name, phone, birth_date) \
                 VALUES ($1, $2, $3, $4::text::date)",
                &[&ana, &name, &phone, &birth],
            )
            .unwrap();
    }
    let mut service = practice.service();
    for row in service
        .query(
            "SELECT left(encode(name_encrypted, 'hex'), 40), length(name_encrypted), \
                    public.phi_decrypt(name_encrypted), public.phi_decrypt(birth_date_encrypted) \
               FROM public.patients ORDER BY created_at",
            &[],
        )
        .unwrap()
    {
        let (hex, length): (String, i32) = (row.get(0), row.get(1));
        story.show("in the table", format!("\\x{hex}… ({length} bytes)"));
        story.show("service_role reads", format!("{}, born {}", row.get::<_, &str>(2), row.get::<_, &str>(3)));
    }
    story.is(
        "values that decrypt to what was written",
        service.value::<i64>(
            "SELECT count(*) FROM public.patients \
              WHERE public.phi_decrypt(name_encrypted) = name \
                AND public.phi_decrypt(phone_encrypted) = phone \
                AND public.phi_decrypt(birth_date_encrypted) = birth_date::text",
        ),
        3,
    );
    story.refused(
        "Ana herself may not decrypt",
        session.query("SELECT public.phi_decrypt(name_encrypted) FROM public.patients", &[]),
        "42501",
    );
}

fn evaluate(story: &mut Story, practice: &Practice, ana: Uuid) -> Uuid {
    story.chapter("Ana evaluates a case", "the AI call is charged once, however often it is sent");
    let mut service = practice.service();
    let evaluation = Uuid::new_v4();
    for attempt in ["the Edge Function charges", "its retry is answered", "and once more"] {
        story.is(attempt, asks(&mut service, "use_credits($1, 'case_analysis', $2)", &[&ana, &evaluation]), true);
    }
    story.is("credits left of 65", practice.credits_left(ana), 64);
    let session: Uuid = practice
        .session(As::User(ana))
        .query_one(
            &(insert_evaluation(
                "$2",
                &[
                    ("id", "$1"),
                    ("patient_id", "p.id"),
                    ("patient_name", "p.name"),
                    ("patient_age", "64"),
                    ("tooth", "'21'"),
                    ("ai_treatment_indication", "'resina'"),
                    ("recommended_resin_id", "(SELECT id FROM public.resins WHERE name = 'Estelite Omega')"),
                ],
            ) + " FROM public.patients p WHERE p.name LIKE 'João%' RETURNING session_id"),
            &[&evaluation, &ana],
        )
        .unwrap()
        .get(0);
    session
}

fn refund_failed_call(story: &mut Story, practice: &Practice, ana: Uuid) {
    story.chapter("An AI call fails", "what it cost comes back once, and the ledger shows both");
    let mut service = practice.service();
    let simulation = Uuid::new_v4();
    asks(&mut service, "use_credits($1, 'dsd_simulation', $2)", &[&ana, &simulation]);
    story.is("credits left while it runs", practice.credits_left(ana), 62);
    for attempt in ["the refund", "its retry"] {
        story.is(attempt, asks(&mut service, "refund_credits($1, 'dsd_simulation', $2)", &[&ana, &simulation]), true);
    }
    story.is("credits left", practice.credits_left(ana), 64);
    for row in service
        .query(
            "SELECT operation, credits_used FROM public.credit_usage WHERE user_id = $1 ORDER BY created_at",
            &[&ana],
        )
        .unwrap()
    {
        story.show("ledger", format!("{:>3}  {}", row.get::<_, i32>(1), row.get::<_, &str>(0)));
    }
}

fn run_out(story: &mut Story, practice: &Practice) -> Uuid {
    story.chapter("Dr. Bia, on the Starter plan, runs out", "no credit, no AI call, and no error either");
    let bia = practice.sign_up("Beatriz Lima", "bia@clinica.example");
    let mut service = practice.service();
    let answers: Vec<bool> = (0..11).map(|_| asks(&mut service, "use_credits($1, 'case_analysis')", &[&bia])).collect();
    story.is("analyses that ran, of eleven with ten credits", answers.iter().filter(|ran| **ran).count(), 10);
    story.is("the eleventh", answers[10], false);
    story.is(
        "she may ask that herself",
        asks(&mut practice.session(As::User(bia)), "can_use_credits($1, 'case_analysis')", &[&bia]),
        false,
    );
    bia
}

fn buy_pack(story: &mut Story, practice: &Practice, bia: Uuid) {
    story.chapter("Bia buys a pack of ten", "Stripe sends its event twice, she gets ten credits");
    let mut service = practice.service();
    for _ in 0..2 {
        let new = service
            .execute(
                "INSERT INTO public.credit_pack_purchases \
                        (user_id, pack_id, credits, amount, stripe_session_id, status) \
                 SELECT $1, id, credits, price, 'cs_demo_1', 'completed' \
                   FROM public.credit_packs WHERE id = 'pack_10' \
                 ON CONFLICT (stripe_session_id) DO NOTHING",
                &[&bia],
            )
            .unwrap();
        if new == 1 {
            service.execute("SELECT public.add_bonus_credits($1, 10, 'cs_demo_1')", &[&bia]).unwrap();
        }
    }
    story.is("credits left", practice.credits_left(bia), 10);
}

fn race(story: &mut Story, practice: &Practice, bia: Uuid) {
    story.chapter(
        "Twenty connections race for the last ten credits",
        "exactly what there is gets spent, whoever comes first",
    );
    let won = practice
        .cluster
        .concurrently(DATABASE, 20, As::Service, |_, session| {
            asks(session, "use_credits($1, 'case_analysis')", &[&bia])
        })
        .into_iter()
        .filter(|won| *won)
        .count();
    story.is("connections that won", won, 10);
    story.is("credits left", practice.credits_left(bia), 0);
}

fn keep_apart(story: &mut Story, practice: &Practice, ana: Uuid, bia: Uuid) {
    story.chapter("Bia looks for Ana's patients", "a dentist sees and touches her own rows only");
    let mut session = practice.session(As::User(bia));
    story.is("patients she sees", session.value::<i64>("SELECT count(*) FROM public.patients"), 0);
    story.is("rows she can change", session.execute("UPDATE public.patients SET name = 'x'", &[]).unwrap(), 0);
    story.refused(
        "a row in Ana's name",
        session.execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'x')", &[&ana]),
        "42501",
    );
    story.refused(
        "credits for herself",
        session.execute("UPDATE public.subscriptions SET credits_bonus = 999", &[]),
        "42501",
    );
}

fn share(story: &mut Story, practice: &Practice, ana: Uuid, evaluated: Uuid) {
    story.chapter(
        "Ana shares the case with the patient",
        "the token opens one session, without a name, until it expires",
    );
    let token: String = practice
        .session(As::User(ana))
        .query_one(
            "INSERT INTO public.shared_links (user_id, session_id) VALUES ($1, $2) RETURNING token",
            &[&ana, &evaluated],
        )
        .unwrap()
        .get(0);
    let mut visitor = practice.session(As::Anon);
    let evaluations = "SELECT count(*) FROM (SELECT tooth FROM public.evaluations) AS seen";
    story.is("evaluations a visitor sees without a token", visitor.value::<i64>(evaluations), 0);
    let present = |visitor: &mut Session, token: &str| {
        visitor
            .execute(
                "SELECT set_config('request.headers', $1, false)",
                &[&json!({ "x-share-token": token }).to_string()],
            )
            .unwrap();
    };
    present(&mut visitor, &"0".repeat(64));
    story.is("with a wrong one", visitor.value::<i64>(evaluations), 0);
    present(&mut visitor, &token);
    story.is("with the token in the request header", visitor.value::<i64>(evaluations), 1);
    story.refused("the patient's name", visitor.query("SELECT patient_name FROM public.evaluations", &[]), "42501");
    let shared = visitor
        .query_one("SELECT tooth, ai_treatment_indication FROM public.get_shared_evaluation($1)", &[&token])
        .unwrap();
    story.is(
        "the same by RPC",
        (shared.get::<_, String>(0), shared.get::<_, String>(1)),
        ("21".to_owned(), "resina".to_owned()),
    );
    practice.superuser().run("UPDATE public.shared_links SET expires_at = now() - INTERVAL '1 second'");
    let status: String = visitor.query_one("SELECT public.check_shared_link_status($1)", &[&token]).unwrap().get(0);
    story.is("a week later the link is", status, "expired".to_owned());
    story.is("evaluations it opens then", visitor.value::<i64>(evaluations), 0);
}

fn settle(story: &mut Story, practice: &Practice, ana: Uuid, bia: Uuid) {
    story.chapter(
        "A month passes",
        "what is left rolls over as far as the plan lets it; what was bought and spent is spent",
    );
    let reset = "SELECT public.reset_monthly_usage_with_rollover()";
    practice.superuser().run("UPDATE public.subscriptions SET usage_reset_at = now() - INTERVAL '31 days'");
    let mut service = practice.service();
    story.is("subscriptions settled", service.value::<i32>(reset), 2);
    story.is("settled by a second run", service.value::<i32>(reset), 0);
    story.is("Ana: 60 new, 30 of 59 carried over, 5 of bonus", practice.credits_left(ana), 95);
    story.is("Bia: 5 new, the pack is used up", practice.credits_left(bia), 5);
}

fn read_statement(story: &mut Story, practice: &Practice, bia: Uuid) {
    story.chapter(
        "Dr. Davi's bookkeeper reads a statement",
        "every balance is the one above it and what the line says, whoever reported it how often",
    );
    let davi = practice.sign_up("Davi Rocha", "davi@clinica.example");
    let mut service = practice.service();
    let simulate = |service: &mut Session, times: usize| {
        for _ in 0..times {
            assert!(asks(service, "use_credits($1, 'dsd_simulation')", &[&davi]));
        }
    };
    simulate(&mut service, 3);
    for _ in ["Stripe's webhook", "the page of success"] {
        service.execute("SELECT public.add_bonus_credits($1, 10, 'cs_demo_2')", &[&davi]).unwrap();
    }
    let failed = Uuid::new_v4();
    for call in ["use_credits", "refund_credits"] {
        asks(&mut service, &format!("{call}($1, 'case_analysis', $2)"), &[&davi, &failed]);
    }
    practice.subscribe(davi, "price_essencial_monthly");
    simulate(&mut service, 5);
    practice
        .superuser()
        .execute(
            "UPDATE public.subscriptions SET usage_reset_at = now() - INTERVAL '31 days' WHERE user_id = $1",
            &[&davi],
        )
        .unwrap();
    service.value::<i32>("SELECT public.reset_monthly_usage_with_rollover()");

    let lines = service
        .query(
            "SELECT what, coalesce(operation, reference, ''), credits::integer, available::integer \
               FROM auria.credit_statement($1, now() - INTERVAL '1 day', now() + INTERVAL '1 day')",
            &[&davi],
        )
        .unwrap();
    let lines: Vec<(String, String, i32, i32)> =
        lines.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    for (what, of, credits, available) in &lines {
        story.show("statement", format!("{what:<12} {of:<15} {credits:>+4} {available:>4}"));
    }
    // Starter's 5 and 5; 3 simulations; the pack, once; an analysis and its refund; Essencial's 20 for Starter's 5;
    // 5 simulations; the 5 that are left expire, and 20 are new.
    story.is(
        "what was left after each line",
        lines.iter().map(|line| line.3).collect::<Vec<_>>(),
        vec![10, 8, 6, 4, 14, 13, 14, 29, 27, 25, 23, 21, 19, 34],
    );
    let adds_up = lines.windows(2).all(|pair| pair[0].3 + pair[1].2 == pair[1].3);
    story.is("each is the line above and the credits of its own", adds_up, true);
    story.is("lines about the pack", lines.iter().filter(|line| line.1 == "cs_demo_2").count(), 1);
    story.is("the last line is what he has", practice.credits_left(davi), 34);
    let kinds = "SELECT string_agg(kind, ', ' ORDER BY entry) FROM public.credit_events";
    story.is(
        "what Davi himself reads of it",
        practice.session(As::User(davi)).value::<String>(kinds),
        "start, purchase, plan_change, month".to_owned(),
    );
    story.refused(
        "Bia asks for Davi's statement",
        practice.session(As::User(bia)).query("SELECT auria.credit_statement($1, now(), now())", &[&davi]),
        "42501",
    );
    story.is(
        "accounts that the doctor cannot explain",
        practice.superuser().value::<i64>("SELECT count(*) FROM auria.doctor() WHERE \"check\" = 'ledger' AND NOT ok"),
        0,
    );
}

fn seal(story: &mut Story, practice: &Practice, ana: Uuid) {
    story.chapter(
        "The practice seals its patients",
        "no name is left in the tables, and the same statements read and write as before",
    );
    let names = "SELECT string_agg(name, ', ' ORDER BY name) FROM public.patients";
    let mut dentist = practice.session(As::User(ana));
    let before: String = dentist.value(names);
    let mut dba = practice.superuser();
    dba.run("CALL auria.phi_seal()");
    let plain: i64 = dba.value(
        "SELECT count(*) FROM information_schema.columns
          WHERE table_schema = 'auria_raw' AND column_name IN ('name', 'phone', 'email', 'birth_date', 'notes', 'patient_name')",
    );
    story.is("plain columns in the stored tables", plain, 0);
    story.is("the names, as Ana reads them", dentist.value::<String>(names), before);
    dentist.run(
        "INSERT INTO public.patients (user_id, name, phone) VALUES (auth.uid(), 'Zilda Ramos', '(11) 90000-0000')",
    );
    story.is(
        "a patient found by part of her name",
        dentist.value::<String>("SELECT name FROM public.patients WHERE name ILIKE '%ramos%'"),
        "Zilda Ramos".to_owned(),
    );
    story.show(
        "what the table holds",
        dba.value::<String>(
            "SELECT left(name_encrypted::text, 60) || '…' FROM auria_raw.patients_raw ORDER BY created_at DESC LIMIT 1",
        ),
    );
    let stolen: Vec<u8> =
        dba.value("SELECT name_encrypted FROM auria_raw.patients_raw ORDER BY created_at DESC LIMIT 1");
    let other = practice.sign_up("Caio Prado", "caio@clinica.test");
    let mut thief = practice.session(As::User(other));
    thief.run("INSERT INTO public.patients (user_id, name) VALUES (auth.uid(), 'Isca')");
    dba.execute("UPDATE auria_raw.patients_raw SET notes_encrypted = $1 WHERE user_id = $2", &[&stolen, &other])
        .unwrap();
    story.refused(
        "her name, copied into the row of another dentist",
        thief.query("SELECT notes FROM public.patients", &[]),
        "39000",
    );
}
