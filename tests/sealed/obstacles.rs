//! Objects and values that stop sealing, and the errors that name them.

use auria_tests::database;

use super::{insert_patient, refused_by, seal, sealed_practice};

#[test]
fn what_a_team_built_on_plain_columns_stops_sealing_by_its_name() {
    let db = database();
    let mut dba = db.superuser();
    for (create, name, drop) in [
        (
            "CREATE VIEW public.lista AS SELECT id, name FROM public.patients",
            "lista",
            "DROP VIEW public.lista",
        ),
        (
            "CREATE INDEX por_nome ON public.patients (lower(name))",
            "por_nome",
            "DROP INDEX public.por_nome",
        ),
        (
            "ALTER TABLE public.patients ADD CONSTRAINT com_telefone CHECK (phone <> '')",
            "com_telefone",
            "ALTER TABLE public.patients DROP CONSTRAINT com_telefone",
        ),
        (
            "CREATE POLICY so_maria ON public.patients FOR SELECT TO service_role USING (name = 'Maria')",
            "so_maria",
            "DROP POLICY so_maria ON public.patients",
        ),
        (
            "CREATE FUNCTION public.avisar() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER avisar BEFORE UPDATE OF phone ON public.patients FOR EACH ROW EXECUTE FUNCTION public.avisar()",
            "avisar",
            "DROP FUNCTION public.avisar() CASCADE",
        ),
        (
            "CREATE FUNCTION public.primeiro_nome(p public.patients) RETURNS text LANGUAGE sql AS 'SELECT split_part(p.name, '' '', 1)'",
            "primeiro_nome",
            "DROP FUNCTION public.primeiro_nome(public.patients)",
        ),
        (
            "CREATE FUNCTION public.nomes() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT name FROM public.patients; END",
            "nomes()",
            "DROP FUNCTION public.nomes()",
        ),
        (
            "CREATE PUBLICATION nomes FOR TABLE public.patients (id, name)",
            "publication",
            "DROP PUBLICATION nomes",
        ),
        (
            "CREATE STATISTICS public.nomes (dependencies) ON name, phone FROM public.patients",
            "nomes",
            "DROP STATISTICS public.nomes",
        ),
    ] {
        dba.run(create);
        let refusal = refused_by(&mut dba, "2BP01", "CALL auria.phi_seal()");
        assert!(
            format!("{} {}", refusal.message(), refusal.detail().unwrap_or_default()).contains(name),
            "{create}: {refusal:?}"
        );
        dba.run(drop);
    }
    seal(&db);
    assert_eq!(
        dba.value::<i64>("SELECT count(*) FROM auria.doctor() WHERE NOT ok"),
        0,
        "{:?}",
        dba.value::<Option<String>>(
            "SELECT string_agg(\"check\" || ': ' || detail, E'\\n') FROM auria.doctor() WHERE NOT ok"
        )
    );
}

#[test]
fn values_that_are_not_encrypted_or_differ_stop_sealing_and_nothing_changes() {
    let db = database();
    let dentist = db.sign_up("ana@clinica.test");
    let mut service = db.service();
    insert_patient(&mut service, dentist, "Maria");
    let mut dba = db.superuser();
    for breakage in [
        "UPDATE public.patients SET phone_encrypted = NULL",
        "UPDATE public.patients SET phone_encrypted = public.phi_encrypt('outro')",
        "UPDATE public.patients SET phone_encrypted = '\\xc30d'",
    ] {
        dba.run(&format!("SET session_replication_role = replica; {breakage}; RESET session_replication_role"));
        let refusal = refused_by(&mut dba, "55000", "CALL auria.phi_seal()");
        assert!(refusal.hint().unwrap().contains("phi_backfill"), "{refusal:?}");
        assert_eq!(
            dba.value::<String>("SELECT relkind::text FROM pg_class WHERE oid = 'public.patients'::regclass"),
            "r"
        );
        dba.run("CALL auria.phi_backfill(100)");
    }
    seal(&db);
}

#[test]
fn a_lock_that_is_not_to_be_had_ends_sealing_and_leaves_everything_open() {
    let db = database();
    let mut holder = db.superuser();
    holder.run("BEGIN; LOCK TABLE public.evaluations IN ROW EXCLUSIVE MODE");
    let mut dba = db.superuser();
    dba.run("SET lock_timeout = '300ms'");
    refused_by(&mut dba, "55P03", "CALL auria.phi_seal()");
    assert_eq!(
        dba.value::<i64>(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'auria_raw'::regnamespace AND relkind = 'r'"
        ),
        0
    );
    holder.run("ROLLBACK");
    seal(&db);
    seal(&db);
}

#[test]
fn only_superusers_change_the_layout_and_only_outside_of_transactions() {
    let db = database();
    let mut service = db.service();
    refused_by(&mut service, "42501", "CALL auria.phi_seal()");
    refused_by(&mut service, "42501", "CALL auria.phi_unseal()");
    let mut dba = db.superuser();
    dba.run("BEGIN");
    refused_by(&mut dba, "2D000", "CALL auria.phi_seal()");
}

#[test]
fn functions_with_the_columns_in_their_text_and_publications_are_reported() {
    let db = database();
    let mut dba = db.superuser();
    dba.run(
        "CREATE FUNCTION public.relatorio() RETURNS bigint LANGUAGE plpgsql AS
             'BEGIN RETURN (SELECT count(*) FROM public.patients WHERE phone IS NOT NULL); END';
         CREATE PUBLICATION tudo FOR TABLE public.patients",
    );
    dba.notices();
    dba.run("CALL auria.phi_seal()");
    let notices: String = dba.notices().iter().map(|notice| notice.message().to_owned()).collect::<Vec<_>>().join("\n");
    for text in ["relatorio()", "publication tudo", "pg_statistic"] {
        assert!(notices.contains(text), "{text} in {notices}");
    }
    assert_eq!(dba.value::<i64>("SELECT public.relatorio()"), 0);
}

#[test]
fn what_a_team_built_on_a_view_stops_unsealing() {
    let db = database();
    let (mut session, ..) = sealed_practice(&db);
    let mut dba = db.superuser();
    dba.run("CREATE VIEW public.lista WITH (security_invoker = true) AS SELECT id, name FROM public.patients; GRANT SELECT ON public.lista TO authenticated");
    assert_eq!(session.value::<String>("SELECT name FROM public.lista"), "Maria Oliveira");
    let refusal = refused_by(&mut dba, "2BP01", "CALL auria.phi_unseal()");
    assert!(refusal.message().contains("lista"), "{refusal:?}");
    assert_eq!(session.value::<String>("SELECT name FROM public.lista"), "Maria Oliveira");
}
