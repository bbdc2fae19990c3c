-- What PUBLIC and the API roles may do, a line for each table, sequence, column list and function.
-- $1: the tables of schema public; $2: its functions.
WITH tables (oid) AS (
    SELECT pg_catalog.to_regclass('public.' || name)::pg_catalog.oid
      FROM pg_catalog.unnest($1) AS name
     UNION ALL
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'auria' AND c.relkind = 'r'
     UNION ALL
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'S'
       AND (n.nspname = 'auria'
            OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                         JOIN pg_catalog.unnest($1) AS name ON d.refobjid = pg_catalog.to_regclass('public.' || name)
                        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                          AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')))
), functions (oid) AS (
    SELECT pg_catalog.to_regprocedure(signature)::pg_catalog.oid
      FROM pg_catalog.unnest($2) AS signature
     UNION
    SELECT p.oid FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'auria'
), granted (object, grantee, privilege) AS (
    SELECT c.oid::pg_catalog.regclass::text, a.grantee, lower(a.privilege_type COLLATE "C")
      FROM tables JOIN pg_catalog.pg_class c USING (oid)
     CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
     UNION ALL
    SELECT t.attrelid::pg_catalog.regclass::text, a.grantee, lower(a.privilege_type COLLATE "C") || '(' || t.attname || ')'
      FROM tables JOIN pg_catalog.pg_attribute t ON t.attrelid = tables.oid AND NOT t.attisdropped
     CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a
     UNION ALL
    SELECT p.oid::pg_catalog.regprocedure::text, a.grantee, lower(a.privilege_type COLLATE "C")
      FROM functions JOIN pg_catalog.pg_proc p USING (oid)
     CROSS JOIN LATERAL pg_catalog.aclexplode(
               COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a
)
SELECT pg_catalog.replace(object, ' ', '') || ' ' || COALESCE(r.rolname, 'PUBLIC') || ' '
       || pg_catalog.string_agg(privilege, ',' ORDER BY privilege COLLATE "C") AS line
  FROM granted LEFT JOIN pg_catalog.pg_roles r ON r.oid = granted.grantee
 WHERE grantee = 0 OR r.rolname IN ('anon', 'authenticated', 'service_role')
 GROUP BY object, r.rolname
