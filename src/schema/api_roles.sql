-- The API roles must have the attributes that the access rules build on, and no more.
SELECT pg_catalog.format('role %s is missing: run SELECT * FROM auria.migrate()', name)
  FROM pg_catalog.unnest(ARRAY['anon', 'authenticated', 'service_role']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = name)
UNION ALL
SELECT 'service_role does not bypass row security: run ALTER ROLE service_role BYPASSRLS'
  FROM pg_catalog.pg_roles r WHERE r.rolname = 'service_role' AND NOT r.rolbypassrls
UNION ALL
SELECT pg_catalog.format('%s has %s: run ALTER ROLE %1$I NO%2$s', r.rolname, attribute)
  FROM pg_catalog.pg_roles r
 CROSS JOIN LATERAL (VALUES ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls AND r.rolname <> 'service_role'),
                            ('CREATEROLE', r.rolcreaterole)) AS a (attribute, is_set)
 WHERE r.rolname IN ('anon', 'authenticated', 'service_role') AND a.is_set
UNION ALL
SELECT pg_catalog.format('%s is a member of %s: run REVOKE %2$I FROM %1$I', member.rolname, granted.rolname)
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles member ON member.oid = m.member
  JOIN pg_catalog.pg_roles granted ON granted.oid = m.roleid
 WHERE member.rolname IN ('anon', 'authenticated') AND granted.rolname = 'service_role'
 ORDER BY 1
