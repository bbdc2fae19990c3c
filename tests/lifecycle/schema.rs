//! The schema of a new database, and of one that an older state is brought to.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use auria_tests::{
    Migration, Source, database, empty_database, migration_count, migrations, public_functions, repository, sources,
};

use crate::support::catalogue::{access, assert_same, column, tables};

/// Columns whose name and type say all there is to say.
const OBVIOUS: &str = "id user_id created_at updated_at applied_at name full_name phone description number brand \
                       opacity aesthetics credits pack_id success priority_support canceled_at trial_start trial_end";

#[test]
fn only_functions_are_members_of_the_extension() {
    let db = database();
    let mut session = db.superuser();
    let kinds = column(
        &mut session,
        "SELECT DISTINCT classid::regclass::text FROM pg_depend
         WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
           AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'auria')",
    );
    assert_eq!(kinds, ["pg_proc"]);
}

#[test]
fn every_function_in_public_is_compiled() {
    let db = database();
    let mut session = db.superuser();
    let others = column(
        &mut session,
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
         WHERE p.pronamespace = 'public'::regnamespace AND NOT (l.lanname = 'c' AND p.probin LIKE '%auria_pg%')
           AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                           WHERE d.objid = p.oid AND d.deptype = 'e' AND e.extname <> 'auria')",
    );
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn the_functions_of_the_library_are_those_that_the_sources_declare() {
    let db = database();
    let mut names = column(
        &mut db.superuser(),
        "SELECT proname::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
         WHERE l.lanname = 'c' AND p.pronamespace = 'public'::regnamespace AND p.probin LIKE '%auria_pg%'",
    );
    let declared = public_functions().into_iter().filter(|function| function.is_compiled);
    let mut expected: Vec<_> = declared.map(|function| function.name).collect();
    expected.sort();
    names.sort();
    assert_eq!(names, expected);
}

/// Asks no server: CREATE EXTENSION stops at the first such function, and every other test with it.
#[test]
fn every_compiled_function_that_sql_declares_has_its_rust() {
    // A rule or a statement of the same name elsewhere has no such attribute. Others may stand between the two.
    let exported: BTreeSet<String> = sources("src", &["rs"])
        .iter()
        .flat_map(|source| source.text.split("#[pg_extern(sql = false)]").skip(1))
        .map(|rest| rest.split_once("fn ").unwrap().1)
        .map(|rest| rest.split(['(', '<']).next().unwrap().to_owned())
        .collect();
    let mut missing = Vec::new();
    for Source { path, text } in sources("sql/functions", &["sql"]) {
        let Some((_, rest)) = text.split_once("AS 'MODULE_PATHNAME', '") else {
            continue;
        };
        let symbol = rest.split('\'').next().unwrap();
        let name = symbol.strip_suffix("_wrapper").unwrap();
        if !exported.contains(name) {
            let place = if !path.starts_with("sql/functions/public/") {
                "src"
            } else if text.contains("RETURNS trigger") {
                "src/triggers"
            } else {
                "src/rpc"
            };
            missing.push(format!("{place}: no function {name}, which {path} declares"));
        }
    }
    assert!(
        missing.is_empty(),
        "without #[pg_extern(sql = false)] and a function of this name there is nothing to call: {missing:#?}"
    );
}

#[test]
fn every_table_and_every_column_that_is_not_obvious_is_explained_in_the_database() {
    let db = database();
    let mut session = db.superuser();
    let tables = column(
        &mut session,
        "SELECT oid::regclass::text FROM pg_class
         WHERE relnamespace IN ('public'::regnamespace, 'auria'::regnamespace) AND relkind = 'r'
           AND obj_description(oid, 'pg_class') IS NULL",
    );
    assert!(tables.is_empty(), "tables without a comment: {tables:?}");
    let columns = column(
        &mut session,
        &format!(
            "SELECT c.oid::regclass || '.' || a.attname
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             WHERE c.relnamespace IN ('public'::regnamespace, 'auria'::regnamespace) AND c.relkind = 'r'
               AND col_description(c.oid, a.attnum) IS NULL
               AND a.attname <> ALL (string_to_array('{OBVIOUS}', ' '))"
        ),
    );
    assert!(columns.is_empty(), "columns without a comment: {columns:?}");
}

#[test]
fn photos_and_simulations_are_private_and_avatars_are_public() {
    let db = database();
    let buckets =
        column(&mut db.superuser(), "SELECT id || ' ' || name || ' ' || public FROM storage.buckets ORDER BY id");
    assert_eq!(
        buckets,
        ["avatars avatars true", "clinical-photos clinical-photos false", "dsd-simulations dsd-simulations false"]
    );
}

#[test]
fn the_record_holds_every_migration_with_the_checksum_of_its_file() {
    let db = database();
    let mut session = db.superuser();
    for (place, Migration { name, sql }) in migrations().iter().enumerate() {
        let number = i32::try_from(place + 1).unwrap();
        let row = session
            .query_one(
                "SELECT name, sha256 = encode(sha256(convert_to($2, 'UTF8')), 'hex')
                 FROM auria.migrations WHERE number = $1",
                &[&number, sql],
            )
            .unwrap();
        assert!(name.ends_with(row.get::<_, &str>(0)), "{name} is recorded as {}", row.get::<_, &str>(0));
        assert!(row.get::<_, bool>(1), "the checksum of {name}");
    }
    assert_eq!(session.value::<i64>("SELECT count(*) FROM auria.migrations"), migration_count());
}

#[test]
fn a_new_database_holds_the_plans_packs_costs_resins_and_shades_on_offer() {
    let db = database();
    let mut session = db.superuser();
    for (table, rows, written) in [
        ("subscription_plans", 4, None),
        ("credit_packs", 3, None),
        ("credit_costs", 2, None),
        ("resins", 14, Some(("indications", "array_to_string(indications, '; ')"))),
        ("resin_catalog", 181, None),
    ] {
        let file = repository().join(format!("tests/schema/seed/{table}.csv"));
        let csv = fs::read_to_string(file).unwrap();
        let header = csv.lines().next().unwrap();
        let columns = match written {
            Some((column, expression)) => header.replace(column, expression),
            None => header.to_owned(),
        };
        let mut seeded = String::new();
        session
            .copy_out(&format!("COPY (SELECT {columns} FROM public.{table}) TO STDOUT (FORMAT csv)"))
            .unwrap()
            .read_to_string(&mut seeded)
            .unwrap();
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
            lines.sort();
            lines
        };
        let expected = sorted(csv.split_once('\n').unwrap().1);
        assert_eq!(expected.len(), rows, "{table}");
        assert_eq!(sorted(&seeded), expected, "{table}");
    }
    let undescribed = session.value::<i64>(
        "SELECT count(*) FROM public.subscription_plans
         WHERE description IS NULL OR jsonb_array_length(features) = 0 OR stripe_price_id IS NOT NULL",
    );
    assert_eq!(undescribed, 0, "plans without description or features, or with a foreign price id");
}

#[test]
fn seeding_again_keeps_what_a_clinic_has_changed() {
    let db = database();
    let mut session = db.superuser();
    session.run(
        "UPDATE public.subscription_plans SET price_monthly = 1, stripe_price_id = 'price_mine' WHERE id = 'starter';
         UPDATE public.credit_costs SET credits = 7 WHERE operation = 'case_analysis';
         UPDATE public.credit_packs SET price = 3 WHERE id = 'pack_10';
         UPDATE public.resins SET description = 'minha' WHERE name = 'Aura';
         UPDATE public.resin_catalog SET opacity = 'minha' WHERE product_line = 'Aura' AND shade = 'A1'",
    );
    let rows = "SELECT string_agg(t::text, ',' ORDER BY t::text) FROM (
                    SELECT to_jsonb(p) - 'updated_at' FROM public.subscription_plans p UNION ALL
                    SELECT to_jsonb(c) FROM public.credit_costs c UNION ALL SELECT to_jsonb(k) FROM public.credit_packs k
                    UNION ALL SELECT to_jsonb(r) FROM public.resins r
                    UNION ALL SELECT to_jsonb(s) FROM public.resin_catalog s) t";
    let before: String = session.value(rows);
    let applied: i64 = session.value("SELECT count(*) FROM auria.migrate(again => true)");
    assert_eq!(applied, migration_count());
    assert_eq!(session.value::<String>(rows), before);
}

#[test]
fn migrations_run_again_change_nothing() {
    let db = database();
    let mut session = db.superuser();
    let before = (tables(&mut session), access(&mut session));
    session.run("SELECT FROM auria.migrate(again => true)");
    assert_same("tables", &tables(&mut session), &before.0);
    assert_same("access", &access(&mut session), &before.1);
    assert_eq!(session.value::<i64>("SELECT count(*) FROM auria.migrate()"), 0);
}

/// Columns that migrations 010 and 008 add: a new database has them from the start, an old one has not.
const LATER_COLUMNS: &str = "treatment_type desired_tooth_shape ideal_resin_id ideal_reason is_from_inventory \
    has_inventory_at_creation ai_treatment_indication ai_indication_reason protocol_layers cementation_protocol \
    generic_protocol checklist_progress alerts warnings photo_45 photo_face additional_photos tooth_bounds \
    dsd_analysis dsd_simulation_url simulation_url patient_aesthetic_goals patient_desired_changes";

#[test]
fn a_database_that_stopped_at_any_migration_reaches_the_last_one() {
    let expected = {
        let db = database();
        let mut session = db.superuser();
        (tables(&mut session), access(&mut session))
    };
    // The functions and the stand-ins are left: the tables are made here, up to the stop.
    let without_schema = "DO $$
        DECLARE statement text;
        BEGIN
            FOR statement IN
                SELECT format('DROP TABLE %I.%I CASCADE', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'
                 UNION ALL
                SELECT format('DROP POLICY %I ON %I.%I', policyname, schemaname, tablename)
                  FROM pg_policies WHERE schemaname = 'storage'
            LOOP
                EXECUTE statement;
            END LOOP;
        END $$;
        DROP TRIGGER on_auth_user_created ON auth.users;
        DELETE FROM storage.buckets;
        DELETE FROM auria.migrations";
    for stop in 1..migrations().len() {
        let db = empty_database();
        let mut session = db.superuser();
        session.run("CREATE EXTENSION auria CASCADE");
        session.run(without_schema);
        for migration in &migrations()[..stop] {
            session.run(&migration.sql.replace("@extschema:pg_trgm@", "public"));
        }
        for column in LATER_COLUMNS.split_whitespace().filter(|_| stop < 10) {
            session.run(&format!("ALTER TABLE public.evaluations DROP COLUMN {column}"));
        }
        if stop < 8 {
            session.run("ALTER TABLE public.evaluations DROP COLUMN session_id");
        }
        session.run("SELECT FROM auria.migrate()");
        let what = format!("a database that stopped at {stop}");
        assert_same(&what, &tables(&mut session), &expected.0);
        assert_same(&what, &access(&mut session), &expected.1);
    }
}
