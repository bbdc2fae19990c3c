//! A dump restored is the same database: rows, ciphertext, policies, grants,
//! triggers, members. And DROP EXTENSION takes no row along.

use std::fs;

use auria_tests::{As, ClusterOptions, Database, Session, database, empty_database, migration_count, refused_with};
use uuid::Uuid;

use crate::support::catalogue::{self, column};

/// The schema as it is, one line for each thing that a restore could lose.
pub const CATALOGUE: &str = "
    SELECT line FROM (
        SELECT format('table %s owner=%s rls=%s owner-only=%s acl=%s', c.oid::regclass, c.relowner::regrole, c.relrowsecurity,
                      c.relforcerowsecurity, (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(c.relacl, acldefault('r', c.relowner))) a)) AS line
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('public', 'auria', 'auth', 'storage') AND c.relkind = 'r'
        UNION ALL
        SELECT format('column %s.%s %s default=%s notnull=%s acl=%s', c.oid::regclass, a.attname,
                      format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull,
                      (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(a.attacl) x))
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE n.nspname IN ('public', 'auria', 'auth', 'storage') AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT format('constraint %s %s valid=%s %s', conrelid::regclass, conname, convalidated, pg_get_constraintdef(oid))
          FROM pg_constraint WHERE conrelid <> 0 AND connamespace::regnamespace::text IN ('public', 'auria', 'auth', 'storage')
        UNION ALL
        SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname IN ('public', 'auria', 'auth', 'storage')
        UNION ALL
        SELECT format('trigger %s', pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL
        SELECT format('policy %s on %s %s %s %s %s %s', polname, polrelid::regclass, polcmd, polpermissive,
                      (SELECT string_agg(CASE WHEN r = 0 THEN 'public' ELSE r::regrole::text END, ',') FROM unnest(polroles) r),
                      pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
          FROM pg_policy
        UNION ALL
        SELECT format('function %s owner=%s lang=%s definer=%s config=%s acl=%s', p.oid::regprocedure, p.proowner::regrole,
                      l.lanname, p.prosecdef, p.proconfig, (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(p.proacl, acldefault('f', p.proowner))) a))
          FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname IN ('public', 'auria', 'auth', 'storage')
        UNION ALL
        SELECT format('%s %s', CASE d.deptype WHEN 'e' THEN 'member' ELSE 'tied' END, pg_describe_object(classid, objid, objsubid))
          FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid WHERE d.deptype IN ('e', 'x') AND e.extname = 'auria'
        UNION ALL
        SELECT format('comment %s: %s', pg_describe_object(classoid, objoid, objsubid), description)
          FROM pg_description d WHERE classoid = 'pg_class'::regclass
           AND (SELECT relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = d.objoid) IN ('public', 'auria')
        UNION ALL
        SELECT format('extension %s %s', extname, extversion) FROM pg_extension
    ) AS everything ORDER BY line COLLATE \"C\"";

/// A checksum of the rows of every table, ciphertext byte for byte.
pub fn rows(session: &mut Session) -> Vec<String> {
    let tables: Vec<String> = session
        .query(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
              WHERE schemaname IN ('public', 'auria', 'auth', 'storage') ORDER BY 1",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    tables
        .iter()
        .map(|table| {
            let sum: String = session.value(&format!(
                "SELECT format('%s rows %s', count(*), md5(string_agg(t::text, '|' ORDER BY t::text))) FROM {table} AS t"
            ));
            format!("{table} {sum}")
        })
        .collect()
}

fn catalogue(session: &mut Session) -> Vec<String> {
    column(session, CATALOGUE)
}

#[track_caller]
fn assert_same(before: &[String], after: &[String]) {
    catalogue::assert_same("what came back", after, before);
}

/// A practice with rows in the tables that matter, and what a DBA added by hand.
pub fn fill(db: &Database) -> Uuid {
    let ana = db.sign_up_on_plan("ana@clinica.test", "price_pro_monthly_v2");
    let mut admin = db.superuser();
    admin.run(
        "DO $$ BEGIN CREATE ROLE reporting; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$; \
         GRANT SELECT ON public.credit_usage TO reporting; \
         ALTER TABLE public.patients ADD COLUMN chart_number text; \
         CREATE INDEX patients_chart ON public.patients (chart_number); \
         CREATE VIEW public.readable AS SELECT id, public.phi_decrypt(name_encrypted) AS name FROM public.patients; \
         UPDATE public.subscription_plans SET price_monthly = 4900 WHERE id = 'price_essencial_monthly'",
    );
    let mut session = db.authenticated(ana);
    for name in ["João da Conceição", "Márcia 'a' \\ Araújo", "Ícaro\nNuñez"] {
        session
            .execute("INSERT INTO public.patients (user_id, name, notes) VALUES ($1, $2, 'alergia')", &[&ana, &name])
            .unwrap();
    }
    db.service().execute("SELECT public.use_credits($1, 'case_analysis')", &[&ana]).unwrap();
    ana
}

/// Charges, decrypts and encrypts go on.
pub fn works(db: &Database, ana: Uuid) {
    let mut service = db.service();
    assert!(service.query_one("SELECT public.use_credits($1, 'case_analysis')", &[&ana]).unwrap().get::<_, bool>(0));
    assert_eq!(
        service.value::<i64>("SELECT count(*) FROM public.patients WHERE public.phi_decrypt(name_encrypted) = name"),
        3
    );
    let mut session = db.authenticated(ana);
    session.execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Nova')", &[&ana]).unwrap();
    assert_eq!(session.value::<i64>("SELECT count(name_encrypted) FROM public.patients"), 4);
    let other = db.sign_up("bia@clinica.test");
    assert_eq!(db.authenticated(other).value::<i64>("SELECT count(*) FROM public.patients"), 0);
}

#[test]
fn a_plain_dump_restored_in_one_transaction_is_the_same_database() {
    let (db, copy) = (database(), empty_database());
    let ana = fill(&db);
    db.dump_into(db.cluster(), copy.name());
    assert_same(&catalogue(&mut db.superuser()), &catalogue(&mut copy.superuser()));
    assert_same(&rows(&mut db.superuser()), &rows(&mut copy.superuser()));
    works(&copy, ana);
}

#[test]
fn a_custom_dump_restored_by_two_jobs_is_the_same_database() {
    let (db, copy) = (database(), empty_database());
    let ana = fill(&db);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    db.cluster().client_succeeds("pg_dump", &["-Fc", "-f", path, db.name()]);
    db.cluster().client_succeeds("pg_restore", &["--exit-on-error", "-j", "2", "-d", copy.name(), path]);
    assert_same(&catalogue(&mut db.superuser()), &catalogue(&mut copy.superuser()));
    assert_same(&rows(&mut db.superuser()), &rows(&mut copy.superuser()));
    works(&copy, ana);
}

#[test]
fn a_dump_restored_into_a_new_server_brings_the_roles_it_needs() {
    let db = database();
    let mut admin = db.superuser();
    let ana = db.sign_up_on_plan("ana@clinica.test", "starter");
    db.authenticated(ana).execute("INSERT INTO public.patients (user_id, name) VALUES ($1, 'João')", &[&ana]).unwrap();
    let server = ClusterOptions::default().start();
    let key = fs::read_to_string(db.cluster().socket_directory().join("phi.key")).unwrap();
    server.secret_file("phi.key", key.trim());
    server.superuser("postgres").run("CREATE DATABASE restored TEMPLATE template0");
    db.dump_into(&server, "restored");
    let mut restored = server.superuser("restored");
    assert_same(&catalogue(&mut admin), &catalogue(&mut restored));
    assert_same(&rows(&mut admin), &rows(&mut restored));
    assert_eq!(restored.value::<String>("SELECT public.phi_decrypt(name_encrypted) FROM public.patients"), "João");
    assert!(restored.value::<bool>("SELECT rolbypassrls FROM pg_roles WHERE rolname = 'service_role'"));
}

#[test]
fn a_restore_that_creates_no_schema_says_how_to_get_one() {
    let db = empty_database();
    let mut session = db.superuser();
    session.run("SET row_security = off; CREATE EXTENSION auria CASCADE");
    assert!(session.notices().iter().any(|notice| notice.message().contains("auria.migrate()")));
    assert!(session.value::<bool>("SELECT to_regclass('public.patients') IS NULL"));
    session.run("SET row_security = on");
    assert_eq!(session.value::<i64>("SELECT count(*) FROM auria.migrate()"), migration_count());
    assert_eq!(session.value::<i64>("SELECT count(*) FROM auria.migrate()"), 0);
    let fresh = database();
    assert_same(&catalogue(&mut fresh.superuser()), &catalogue(&mut session));
}

#[test]
fn dropping_is_refused_without_cascade_and_loses_no_row_with_it() {
    let db = database();
    let ana = fill(&db);
    let mut admin = db.superuser();
    let (before, schema) = (rows(&mut admin), catalogue(&mut admin));
    refused_with(admin.batch_execute("DROP EXTENSION auria"), "2BP01");
    admin.run("DROP VIEW public.readable; DROP EXTENSION auria CASCADE");
    assert_same(&before, &rows(&mut admin));
    assert_eq!(
        admin.value::<i64>(
            "SELECT count(*) FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
          WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace"
        ),
        0
    );
    // Without the functions nobody but the owner gets in any more easily.
    assert_eq!(db.session(As::User(Uuid::new_v4())).value::<i64>("SELECT count(*) FROM public.patients"), 0);
    admin.run(
        "CREATE EXTENSION auria; \
         CREATE VIEW public.readable AS SELECT id, public.phi_decrypt(name_encrypted) AS name FROM public.patients",
    );
    let patients = |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !line.starts_with("auria.migrations")).cloned().collect()
    };
    assert_same(&patients(&before), &patients(&rows(&mut admin)));
    assert_same(&schema, &catalogue(&mut admin));
    works(&db, ana);
}

#[test]
fn a_dump_after_the_extension_was_dropped_holds_every_row() {
    let (db, copy) = (database(), empty_database());
    fill(&db);
    let mut admin = db.superuser();
    admin.run("DROP EXTENSION auria CASCADE");
    db.dump_into(db.cluster(), copy.name());
    let mut restored = copy.superuser();
    assert_same(&rows(&mut admin), &rows(&mut restored));
    restored.run("CREATE EXTENSION auria CASCADE");
    assert_eq!(
        copy.service()
            .value::<i64>("SELECT count(*) FROM public.patients WHERE public.phi_decrypt(name_encrypted) = name"),
        3
    );
}
