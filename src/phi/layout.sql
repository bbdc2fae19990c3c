-- What is wrong with the views of the sealed layout, and who may do what with a stored table that they may not.
-- $1: the sealed tables.
WITH sealed (name, stored) AS (
    SELECT name, pg_catalog.to_regclass('auria_raw.' || name || '_raw')::pg_catalog.oid
      FROM pg_catalog.unnest($1) AS name
), expected (stored, grantee, privilege) AS (
    SELECT s.stored, role, privilege
      FROM sealed s
     CROSS JOIN pg_catalog.unnest('{authenticated,service_role}'::text[]) AS role
     CROSS JOIN pg_catalog.unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS privilege
     UNION ALL
    SELECT s.stored, 'anon', 'SELECT' FROM sealed s WHERE s.name = 'evaluations'
), granted (stored, grantee, privilege) AS (
    SELECT s.stored, COALESCE(r.rolname, 'PUBLIC'), a.privilege_type
      FROM sealed s
      JOIN pg_catalog.pg_class c ON c.oid = s.stored
     CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
      LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
     WHERE a.grantee = 0 OR r.rolname IN ('anon', 'authenticated', 'service_role')
)
SELECT pg_catalog.format('view public.%s is missing, or reads its table with its owner''s rights', s.name)
  FROM sealed s
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class v
                    WHERE v.oid = pg_catalog.to_regclass('public.' || s.name) AND v.relkind = 'v'
                      AND pg_catalog.lower(v.reloptions::text COLLATE "C") ~ 'security_invoker=(true|on|1)')
 UNION ALL
SELECT pg_catalog.format('trigger %s is missing or disabled', w.place)
  FROM sealed s
 CROSS JOIN LATERAL (VALUES (pg_catalog.to_regclass('public.' || s.name)::pg_catalog.oid, 'sealed_insert', 'for INSERT on view public.' || s.name),
                            (pg_catalog.to_regclass('public.' || s.name)::pg_catalog.oid, 'sealed_update', 'for UPDATE on view public.' || s.name),
                            (pg_catalog.to_regclass('public.' || s.name)::pg_catalog.oid, 'sealed_delete', 'for DELETE on view public.' || s.name),
                            (s.stored, 'refuse_direct_write', 'refuse_direct_write on auria_raw.' || s.name || '_raw'))
            AS w (relation, function, place)
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                     JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
                     JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                    WHERE t.tgrelid = w.relation AND p.proname = w.function AND n.nspname = 'auria'
                      AND t.tgenabled IN ('O', 'A'))
 UNION ALL
SELECT pg_catalog.format('%s may not %s on %s', e.grantee, e.privilege, e.stored::pg_catalog.regclass)
  FROM (SELECT * FROM expected EXCEPT SELECT * FROM granted) AS e
 UNION ALL
SELECT pg_catalog.format('%s may %s on %s: run REVOKE %s ON TABLE %s FROM %s', g.grantee, g.privilege,
                         g.stored::pg_catalog.regclass, g.privilege, g.stored::pg_catalog.regclass, g.grantee)
  FROM (SELECT * FROM granted EXCEPT SELECT * FROM expected) AS g
 ORDER BY 1
