//! The draft of an evaluation: the newest client saves it by a plain INSERT, older ones upsert.

use auria_tests::{As, Database, Session, database, refused_with};
use uuid::Uuid;

const SAVE: &str = "INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ($1, $2::text::jsonb)
    RETURNING id, created_at::text, draft_data ->> 'step'";

/// One step of the wizard, saved by this statement; what RETURNING gives.
fn save(session: &mut Session, user: Uuid, step: &str) -> (Uuid, String, String) {
    let row = session.query_one(SAVE, &[&user, &format!(r#"{{"step": "{step}"}}"#)]).unwrap();
    (row.get(0), row.get(1), row.get(2))
}

/// The drafts as they are stored: id, time, step, and whether the encrypted value says the same.
fn stored(db: &Database) -> Vec<(Uuid, String, String, bool)> {
    db.superuser()
        .query(
            "SELECT id, created_at::text, draft_data ->> 'step', public.phi_decrypt(draft_data_encrypted)::jsonb = draft_data
               FROM public.evaluation_drafts ORDER BY user_id",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect()
}

#[test]
fn a_second_draft_that_is_inserted_replaces_the_first_and_is_returned() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    for mut session in [db.authenticated(ana), db.service()] {
        db.superuser().run("DELETE FROM public.evaluation_drafts");
        save(&mut db.authenticated(bia), bia, "hers");
        let first = save(&mut session, ana, "1");
        for step in ["2", "3"] {
            assert_eq!(save(&mut session, ana, step), (first.0, first.1.clone(), step.into()));
        }
        let drafts = stored(&db);
        assert!(drafts.contains(&(first.0, first.1, "3".into(), true)), "{drafts:?}");
        assert_eq!(drafts.len(), 2);
        // Its time of change is that of the last save.
        assert!(session.value::<bool>("SELECT bool_and(updated_at >= created_at) FROM public.evaluation_drafts"));
    }
}

#[test]
fn each_form_of_upsert_does_what_it_did() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    let mut session = db.authenticated(ana);
    let first = save(&mut session, ana, "1");
    let insert = |step: &str, rest: &str| {
        format!(
            r#"INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ('{ana}', '{{"step": "{step}"}}') {rest}"#
        )
    };
    for rest in ["ON CONFLICT DO NOTHING", "ON CONFLICT (user_id) DO NOTHING"] {
        assert_eq!(session.execute(&insert("ignored", rest), &[]).unwrap(), 0, "{rest}");
        assert_eq!(stored(&db), [(first.0, first.1.clone(), "1".into(), true)], "{rest}");
    }
    let merge = "ON CONFLICT (user_id) DO UPDATE
                 SET draft_data = evaluation_drafts.draft_data || jsonb_build_object('step',
                        (evaluation_drafts.draft_data ->> 'step') || '+' || (excluded.draft_data ->> 'step'))";
    assert_eq!(session.execute(&insert("2", merge), &[]).unwrap(), 1);
    assert_eq!(stored(&db), [(first.0, first.1.clone(), "1+2".into(), true)]);
    // As PostgREST writes it.
    session.run(&format!("WITH saved AS ({} RETURNING id) SELECT * FROM saved", insert("4", merge)));
    assert_eq!(stored(&db)[0].2, "1+2+4");
    session.run(&format!("WITH saved AS ({} RETURNING id) SELECT * FROM saved", insert("5", "")));
    assert_eq!(stored(&db), [(first.0, first.1, "5".into(), true)]);
}

#[test]
fn a_save_inside_a_function_replaces_and_an_upsert_inside_one_does_what_it_did() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    db.superuser().run(
        "CREATE FUNCTION public.save_plain(p_step text) RETURNS uuid LANGUAGE plpgsql AS $$
         DECLARE saved uuid;
         BEGIN INSERT INTO public.evaluation_drafts (user_id, draft_data)
               VALUES (auth.uid(), jsonb_build_object('step', p_step)) RETURNING id INTO saved; RETURN saved; END $$;
         CREATE FUNCTION public.save_or_keep(p_step text) RETURNS void LANGUAGE sql AS $$
            INSERT INTO public.evaluation_drafts (user_id, draft_data)
            VALUES (auth.uid(), jsonb_build_object('step', p_step)) ON CONFLICT (user_id) DO NOTHING $$",
    );
    // Each in a session of its own: the library is loaded in the middle of the statement.
    let first: Uuid = db.authenticated(ana).value("SELECT public.save_plain('1')");
    assert_eq!(db.authenticated(ana).value::<Uuid>("SELECT public.save_plain('2')"), first);
    db.authenticated(ana).run("SELECT public.save_or_keep('ignored')");
    assert_eq!(stored(&db)[0].2, "2");
}

#[test]
fn eight_sessions_that_save_at_once_all_succeed_and_one_draft_is_left() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    for is_there in [false, true] {
        if !is_there {
            db.superuser().run("DELETE FROM public.evaluation_drafts");
        }
        let ids = db.concurrently(8, As::User(ana), |place, session| {
            (0..20).map(|n| save(session, ana, &format!("{place}-{n}")).0).collect::<Vec<_>>()
        });
        let drafts = stored(&db);
        assert_eq!(drafts.len(), 1);
        assert!(ids.iter().flatten().all(|id| *id == drafts[0].0), "the id of the draft changed");
        assert!(drafts[0].3 && drafts[0].2.ends_with("-19"), "{drafts:?}");
    }
}

#[test]
fn saves_by_insert_and_by_upsert_at_once_all_succeed() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    db.concurrently(8, As::User(ana), |place, session| {
        for n in 0..20 {
            if place % 2 == 0 {
                save(session, ana, &format!("{place}-{n}"));
            } else {
                session
                    .execute(
                        "INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ($1, '{\"step\": \"x-19\"}')
                         ON CONFLICT (user_id) DO UPDATE SET draft_data = excluded.draft_data",
                        &[&ana],
                    )
                    .unwrap();
            }
        }
    });
    assert_eq!(stored(&db).len(), 1);
}

#[test]
fn an_insert_replaces_only_what_its_writer_could_have_updated() {
    let db = database();
    let (ana, bia) = (db.sign_up("ana@clinica.example"), db.sign_up("bia@clinica.example"));
    save(&mut db.authenticated(bia), bia, "hers");
    let insert = "INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ($1, '{\"step\": \"new\"}')";
    refused_with(db.authenticated(ana).execute(insert, &[&bia]), "42501");
    refused_with(db.anon().execute(insert, &[&bia]), "42501");
    assert_eq!(stored(&db)[0].2, "hers");

    // A team that lets nobody change a draft: a second one is refused, as without the trigger.
    let mut admin = db.superuser();
    admin.run("DROP POLICY evaluation_drafts_update_own ON public.evaluation_drafts");
    refused_with(db.authenticated(bia).execute(insert, &[&bia]), "23505");
    admin.run(
        "SELECT * FROM auria.migrate(again => true);
         DO $$ BEGIN CREATE ROLE importer; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         ALTER ROLE importer BYPASSRLS;
         GRANT USAGE ON SCHEMA public TO importer;
         GRANT INSERT ON public.evaluation_drafts TO importer;
         SET ROLE importer",
    );
    refused_with(admin.execute(insert, &[&bia]), "23505");
    assert_eq!(admin.execute(insert, &[&ana]).unwrap(), 1);
    assert_eq!(stored(&db).iter().filter(|draft| draft.2 == "hers").count(), 1);
}

#[test]
fn what_refers_to_a_draft_stays_when_it_is_replaced_and_a_row_of_two_counts_last() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    let mut session = db.authenticated(ana);
    let first = save(&mut session, ana, "1");
    let mut admin = db.superuser();
    admin.run(
        "CREATE TABLE public.draft_photos (draft_id uuid REFERENCES public.evaluation_drafts (id) ON DELETE CASCADE);
         INSERT INTO public.draft_photos SELECT id FROM public.evaluation_drafts",
    );
    save(&mut session, ana, "2");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.draft_photos"), 1);
    session
        .execute(
            "INSERT INTO public.evaluation_drafts (user_id, draft_data)
             VALUES ($1, '{\"step\": \"3\"}'), ($1, '{\"step\": \"4\"}')",
            &[&ana],
        )
        .unwrap();
    assert_eq!(stored(&db), [(first.0, first.1, "4".into(), true)]);
    admin.run("DELETE FROM public.evaluation_drafts");
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM public.draft_photos"), 0);
}

#[test]
fn a_save_that_fails_or_is_rolled_back_leaves_the_last_one() {
    let db = database();
    let ana = db.sign_up("ana@clinica.example");
    let mut session = db.authenticated(ana);
    let first = save(&mut session, ana, "1");
    db.superuser().run("ALTER TABLE public.evaluation_drafts ADD CHECK (draft_data ->> 'step' <> 'bad')");
    refused_with(
        session.execute(
            "INSERT INTO public.evaluation_drafts (user_id, draft_data) VALUES ($1, '{\"step\": \"bad\"}')",
            &[&ana],
        ),
        "23514",
    );
    session.run("BEGIN");
    save(&mut session, ana, "2");
    session.run("ROLLBACK");
    assert_eq!(stored(&db), [(first.0, first.1, "1".into(), true)]);
    // A copy is no save: its second row is a mistake.
    let copy = db.cluster().client(
        "psql",
        &[
            "-X",
            "-d",
            db.name(),
            "-c",
            "COPY public.evaluation_drafts (user_id, draft_data) FROM PROGRAM 'echo ANA {}' (DELIMITER ' ')"
                .replace("ANA", &ana.to_string())
                .as_str(),
        ],
    );
    assert!(String::from_utf8_lossy(&copy.stderr).contains("evaluation_drafts_user_id_key"), "{copy:?}");
}
