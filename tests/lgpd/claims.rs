//! The report of an erasure is true: a row that a trigger, a rule or a constraint keeps is not reported as removed.

use auria_tests::{database, refused_with};
use serde_json::Value;

use super::{count, erase, everything, export, practice};
use crate::sealed::seal;

#[test]
fn rows_that_a_trigger_kept_are_not_reached_and_the_record_is_not_complete() {
    for sealed in [false, true] {
        let db = database();
        let ana = practice(&db, "ana");
        if sealed {
            seal(&db);
        }
        let table = if sealed { "auria_raw.patients_raw" } else { "public.patients" };
        db.superuser().run(&format!(
            "SET ROLE auria_owner;
             ALTER TABLE {table} ADD COLUMN deleted_at timestamptz;
             CREATE FUNCTION public.soft_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 UPDATE {table} SET deleted_at = now() WHERE id = OLD.id; RETURN NULL; END $$;
             CREATE TRIGGER keep_deleted BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION public.soft_delete();
             CREATE TABLE public.visitas (id int PRIMARY KEY, patient_id uuid, apagada bool);
             CREATE TABLE public.notas (visita int REFERENCES public.visitas, texto text, apagada bool);
             CREATE FUNCTION public.soft_delete_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 UPDATE public.notas SET apagada = true WHERE ctid = OLD.ctid; RETURN NULL; END $$;
             CREATE TRIGGER keep_notes BEFORE DELETE ON public.notas FOR EACH ROW EXECUTE FUNCTION public.soft_delete_note();
             CREATE RULE keep_visits AS ON DELETE TO public.visitas
                 DO INSTEAD UPDATE public.visitas SET apagada = true WHERE id = OLD.id;
             INSERT INTO public.visitas VALUES (1, '{patient}'), (2, '{other}');
             INSERT INTO public.notas VALUES (1, 'a'), (1, 'b'), (2, 'c')",
            patient = ana.patient,
            other = ana.other_patient,
        ));
        let mut service = db.service();
        let report = erase(&mut service, &format!("erase_patient('{}')", ana.patient));
        assert_eq!(count(&report, "removed", "public.patients"), 0);
        assert_eq!(count(&report, "not reached", "public.patients"), 1);
        assert_eq!(count(&report, "not reached", "public.visitas"), 1);
        assert_eq!(count(&report, "not reached", "public.notas"), 2);
        assert_eq!(count(&report, "removed", "public.evaluations"), 2);
        let details: String = service.value(&format!(
            "SELECT string_agg(detail, ' ') FROM auria.erase_patient('{}') WHERE action = 'not reached'",
            ana.patient
        ));
        for name in ["keep_deleted", "keep_notes", "keep_visits"] {
            assert!(details.contains(name), "{name} in {details}");
        }
        let entry: Value = service.value("SELECT to_jsonb(e) FROM auria.erasures e ORDER BY id LIMIT 1");
        assert_eq!(entry["complete"], false, "{entry}");
        assert_eq!(entry["not_reached"]["public.patients"], 1, "{entry}");
        let report = erase(&mut service, &format!("erase_patient('{}')", ana.other_patient));
        assert_eq!(count(&report, "not reached", "public.notas"), 1);
    }
}

#[test]
fn an_erasure_that_reached_everything_is_recorded_as_complete() {
    let db = database();
    let ana = practice(&db, "ana");
    let mut service = db.service();
    erase(&mut service, &format!("erase_patient('{}')", ana.patient));
    assert!(service.value::<bool>("SELECT complete FROM auria.erasures"));
}

#[test]
fn tables_that_refer_to_each_other_or_to_themselves_are_erased() {
    let db = database();
    let ana = practice(&db, "ana");
    db.superuser().run(&format!(
        "SET ROLE auria_owner;
         CREATE TABLE public.consultas (id int PRIMARY KEY, patient_id uuid, atual int);
         CREATE TABLE public.laudos (id int PRIMARY KEY, consulta int NOT NULL REFERENCES public.consultas, anterior int REFERENCES public.laudos);
         ALTER TABLE public.consultas ADD FOREIGN KEY (atual) REFERENCES public.laudos;
         CREATE TABLE public.adiadas (id int PRIMARY KEY, patient_id uuid, par int REFERENCES public.adiadas DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO public.consultas VALUES (1, '{patient}'), (2, '{other}');
         INSERT INTO public.laudos VALUES (1, 1, NULL), (2, 1, 1), (3, 2, NULL);
         INSERT INTO public.adiadas VALUES (1, '{patient}', 2), (2, '{patient}', 1);
         UPDATE public.consultas SET atual = id",
        patient = ana.patient,
        other = ana.other_patient,
    ));
    db.superuser().run("UPDATE public.consultas SET atual = 3 WHERE id = 2");
    let mut service = db.service();
    let report = erase(&mut service, &format!("erase_patient('{}')", ana.patient));
    assert_eq!(count(&report, "removed", "public.consultas"), 1);
    assert_eq!(count(&report, "removed", "public.laudos"), 2);
    assert_eq!(count(&report, "removed", "public.adiadas"), 2);
    assert!(!everything(&db).contains("Maria"));
    assert_eq!(db.superuser().value::<i64>("SELECT count(*) FROM public.laudos"), 1);
}

#[test]
fn a_constraint_that_forbids_it_is_named_and_nothing_is_changed() {
    let db = database();
    let ana = practice(&db, "ana");
    let bia = db.sign_up("bia@clinica.example");
    db.superuser().run(&format!(
        "SET ROLE auria_owner;
         CREATE TABLE public.pareceres (user_id uuid, paciente uuid,
             CONSTRAINT parecer_do_paciente FOREIGN KEY (paciente) REFERENCES public.patients DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO public.pareceres VALUES ('{bia}', '{}')",
        ana.patient
    ));
    let mut service = db.service();
    let before = export(&mut service, "user", ana.dentist)["tables"].clone();
    let error = refused_with(service.batch_execute(&format!("SELECT auria.erase_user('{}')", ana.dentist)), "23503");
    assert_eq!(error.constraint(), Some("parecer_do_paciente"), "{error:?}");
    assert_eq!(export(&mut service, "user", ana.dentist)["tables"], before);
}
