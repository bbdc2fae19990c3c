-- Default privileges that give API roles rights, where managed objects are made: a line for each role that makes them, and
-- schema.
SELECT pg_catalog.format('default privileges of role "%s"%s give %s rights on new %s', maker.rolname,
                         ' in schema ' || n.nspname,
                         pg_catalog.string_agg(DISTINCT r.rolname::text, ', '),
                         pg_catalog.string_agg(DISTINCT CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences'
                                                             ELSE 'functions' END, ', '))
  FROM pg_catalog.pg_default_acl d
  JOIN pg_catalog.pg_roles maker ON maker.oid = d.defaclrole
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS a
  JOIN pg_catalog.pg_roles r ON r.oid = a.grantee AND r.rolname IN ('anon', 'authenticated', 'service_role')
 WHERE d.defaclobjtype IN ('r', 'S', 'f')
   AND (d.defaclnamespace = 0 OR n.nspname IN ('public', 'auria', 'auria_raw'))
 GROUP BY maker.rolname, n.nspname
 ORDER BY 1
