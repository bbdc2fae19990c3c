//! Tables that a team has added.

use auria_tests::{As, database, refused_with};

use super::{count, erase, export, practice, rows};

/// A table of each kind, in a schema of the team.
fn team_tables(db: &auria_tests::Database, ana: &super::Practice) {
    db.superuser().run(&format!(
        "CREATE SCHEMA equipe AUTHORIZATION auria_owner;
         SET ROLE auria_owner;
         CREATE TABLE equipe.visitas (id int PRIMARY KEY, paciente uuid NOT NULL REFERENCES public.patients);
         CREATE TABLE equipe.fotos (visita int REFERENCES equipe.visitas, legenda text);
         CREATE TABLE equipe.preferencias (user_id text, \"Cor Preferida\" text);
         CREATE TABLE equipe.artigos (titulo text, revisor uuid REFERENCES auth.users ON DELETE SET NULL);
         CREATE TABLE equipe.registros (user_id uuid, mes int) PARTITION BY LIST (mes);
         CREATE TABLE equipe.registros_1 PARTITION OF equipe.registros FOR VALUES IN (1);
         RESET ROLE;
         INSERT INTO equipe.visitas VALUES (1, '{patient}'), (2, '{other}');
         INSERT INTO equipe.fotos VALUES (1, 'sorriso'), (2, 'perfil');
         INSERT INTO equipe.preferencias VALUES ('{dentist}', 'azul'), ('outra', 'verde');
         INSERT INTO equipe.artigos VALUES ('Resinas', '{dentist}');
         INSERT INTO equipe.registros VALUES ('{dentist}', 1);
         CREATE ROLE lgpd_estranho;
         CREATE SCHEMA estranho AUTHORIZATION lgpd_estranho;
         CREATE TABLE estranho.segredos (user_id uuid, patient_id uuid);
         ALTER TABLE estranho.segredos OWNER TO lgpd_estranho;
         INSERT INTO estranho.segredos VALUES ('{dentist}', '{patient}');
         CREATE TABLE public.filtrada (user_id uuid);
         ALTER TABLE public.filtrada ENABLE ROW LEVEL SECURITY;
         GRANT ALL ON public.filtrada TO auria_owner;
         INSERT INTO public.filtrada VALUES ('{dentist}')",
        patient = ana.patient,
        other = ana.other_patient,
        dentist = ana.dentist,
    ));
}

#[test]
fn tables_of_a_team_are_exported_and_erased_and_those_out_of_reach_are_named() {
    let db = database();
    let ana = practice(&db, "ana");
    team_tables(&db, &ana);
    let mut service = db.service();

    let document = export(&mut service, "user", ana.dentist);
    // A row that belongs to a patient through a foreign key belongs to the dentist.
    for (table, expected) in [
        ("equipe.visitas", 2),
        ("equipe.fotos", 2),
        ("equipe.preferencias", 1),
        ("equipe.registros", 1),
        ("equipe.artigos", 0),
        ("estranho.segredos", 0),
    ] {
        assert_eq!(rows(&document, table), expected, "{table}");
    }
    let named = document["not_included"].to_string();
    for table in ["equipe.artigos", "estranho.segredos", "public.filtrada", "auth.users"] {
        assert!(named.contains(table), "{table} in {named}");
    }

    let report = erase(&mut service, &format!("erase_patient('{}')", ana.patient));
    assert_eq!(count(&report, "removed", "equipe.fotos"), 1);
    assert_eq!(count(&report, "removed", "equipe.visitas"), 1);

    let report = erase(&mut service, &format!("erase_user('{}')", ana.dentist));
    for table in ["equipe.fotos", "equipe.visitas", "equipe.preferencias", "equipe.registros"] {
        assert_eq!(count(&report, "removed", table), 1, "{table}");
    }
    for (action, table) in
        [("not reached", "estranho.segredos"), ("not reached", "public.filtrada"), ("kept", "equipe.artigos")]
    {
        assert!(
            report.iter().any(|(did, object, _)| did == action && object == table),
            "{action} {table} in {report:#?}"
        );
    }
    let mut admin = db.superuser();
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM estranho.segredos"), 1);
    assert_eq!(admin.value::<i64>("SELECT count(*) FROM equipe.preferencias"), 1);
    admin.run("DROP SCHEMA estranho CASCADE; DROP ROLE lgpd_estranho");
}

#[test]
fn a_trigger_of_a_team_runs_with_the_rights_of_the_schemas_owner_and_no_others() {
    let db = database();
    let ana = practice(&db, "ana");
    db.superuser().run(
        "CREATE TABLE public.quem (nome text);
         GRANT INSERT ON public.quem TO auria_owner;
         CREATE FUNCTION public.anota() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO public.quem VALUES (current_user); RETURN OLD; END $$;
         CREATE TRIGGER anota BEFORE DELETE ON public.patients FOR EACH ROW EXECUTE FUNCTION public.anota()",
    );
    erase(&mut db.session(As::Superuser), &format!("erase_patient('{}')", ana.patient));
    assert_eq!(db.superuser().value::<String>("SELECT string_agg(nome, ',') FROM public.quem"), "auria_owner");
}

#[test]
fn rows_that_a_team_protects_stop_an_erasure_as_a_whole() {
    let db = database();
    let ana = practice(&db, "ana");
    // Another dentist's second opinion on the patient: nobody's to remove but theirs.
    let bia = db.sign_up("bia@clinica.example");
    db.superuser().run(&format!(
        "SET ROLE auria_owner;
         CREATE TABLE public.pareceres (user_id uuid, paciente uuid REFERENCES public.patients);
         INSERT INTO public.pareceres VALUES ('{bia}', '{}')",
        ana.patient
    ));
    let mut service = db.service();
    let before = export(&mut service, "user", ana.dentist)["tables"].clone();
    let error = refused_with(service.batch_execute(&format!("SELECT auria.erase_user('{}')", ana.dentist)), "23503");
    assert!(error.message().contains("pareceres"), "{error:?}");
    assert_eq!(export(&mut service, "user", ana.dentist)["tables"], before);
}
