-- The grants to the API roles on the table public.$1 and its columns, as statements that make them on the view of that name.
SELECT pg_catalog.format('GRANT %s ON TABLE public.%I TO %I', a.privilege_type, $1, r.rolname)
  FROM pg_catalog.pg_class c
 CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
  JOIN pg_catalog.pg_roles r ON r.oid = a.grantee AND r.rolname IN ('anon', 'authenticated', 'service_role')
 WHERE c.oid = pg_catalog.to_regclass('public.' || $1)
 UNION ALL
SELECT pg_catalog.format('GRANT %s (%I) ON TABLE public.%I TO %I', a.privilege_type, t.attname, $1, r.rolname)
  FROM pg_catalog.pg_attribute t
 CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a
  JOIN pg_catalog.pg_roles r ON r.oid = a.grantee AND r.rolname IN ('anon', 'authenticated', 'service_role')
 WHERE t.attrelid = pg_catalog.to_regclass('public.' || $1) AND t.attnum > 0 AND NOT t.attisdropped
