//! The catalogue's description of a database's tables and of the rights on them, for comparing one database with another.

use std::collections::BTreeSet;

use auria_tests::Session;

use crate::lifecycle::dump_restore;

const TABLES: &str = include_str!("catalogue.sql");

/// Has every name written with its schema.
const FULL_NAMES: &str = "SET search_path = pg_catalog";

/// Row security, policies, grants and comments of every table.
const ACCESS: &str = "
    SELECT format('%s: row security %s', c.oid::regclass, c.relrowsecurity)
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT format('%s: policy %s %s permissive %s %s %s %s', p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive,
                  (SELECT string_agg(r.rolname, ',' ORDER BY r.rolname) FROM pg_roles r WHERE r.oid = ANY (p.polroles)),
                  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p
    UNION ALL
    SELECT format('%s: %s may %s', c.oid::regclass, a.grantee::regrole, a.privilege_type)
    FROM pg_class c, aclexplode(c.relacl) AS a
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT format('%s.%s: %s may %s', t.attrelid::regclass, t.attname, a.grantee::regrole, a.privilege_type)
    FROM pg_attribute t, aclexplode(t.attacl) AS a
    WHERE t.attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL
    SELECT format('%s %s: %s', d.objoid::regclass,
                  (SELECT attname FROM pg_attribute WHERE attrelid = d.objoid AND attnum = d.objsubid), d.description)
    FROM pg_description d JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'";

/// All that PostgreSQL keeps about the functions of the extension and of `public`, pg_trgm's left out.
const FUNCTIONS: &str = "
    SELECT format('%s owner=%s acl=%s initial=%s cost=%s rows=%s comment=%s tied=%s', pg_get_functiondef(p.oid), p.proowner::regrole,
                  (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(coalesce(p.proacl, acldefault('f', p.proowner))) a),
                  (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM pg_init_privs i, unnest(i.initprivs) a
                    WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid),
                  p.procost, p.prorows, obj_description(p.oid, 'pg_proc'),
                  (SELECT string_agg(d.deptype::text || ' ' || e.extname, ',') FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass))
      FROM pg_proc p
     WHERE p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'auria'))
       AND p.prokind IN ('f', 'p')
       AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' AND e.extname <> 'auria')";

const MIGRATIONS: &str = "SELECT format('migration %s %s %s', number, name, sha256) FROM auria.migrations";

/// Everything the catalogue says about a database of AURIA.
pub fn everything(session: &mut Session) -> Vec<String> {
    let mut lines = tables(session);
    lines.extend(access(session));
    session.run("SET search_path = pg_catalog");
    for query in [FUNCTIONS, MIGRATIONS, dump_restore::CATALOGUE] {
        lines.extend(column(session, query));
    }
    lines
}

/// Columns, constraints, indexes and triggers of every table, in the notation and order of `schema/expected.txt`.
pub fn tables(session: &mut Session) -> Vec<String> {
    session.run(FULL_NAMES);
    let mut rows: Vec<(String, i32, String)> =
        session.query(TABLES, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    session.run("RESET search_path");
    rows.sort_by_key(|(table, place, line)| (table.contains('.'), table.clone(), *place, line.clone()));
    rows.into_iter().map(|(table, _, line)| format!("{table}: {line}")).collect()
}

/// Row security, policies, grants and comments of every table.
pub fn access(session: &mut Session) -> Vec<String> {
    session.run(FULL_NAMES);
    let lines = column(session, ACCESS);
    session.run("RESET search_path");
    lines
}

/// The first column of a query's rows.
pub fn column(session: &mut Session, query: &str) -> Vec<String> {
    let rows = session.query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Compares two databases, whatever the order of their lines.
#[track_caller]
pub fn assert_same(what: &str, here: &[String], expected: &[String]) {
    let (found, declared): (BTreeSet<_>, BTreeSet<_>) = (here.iter().collect(), expected.iter().collect());
    let missing: Vec<_> = declared.difference(&found).collect();
    let beyond: Vec<_> = found.difference(&declared).collect();
    assert!(missing.is_empty() && beyond.is_empty(), "{what}: missing {missing:#?}, not expected {beyond:#?}");
}
