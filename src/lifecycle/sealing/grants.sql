-- The grants on the table public.$1 and its columns, as statements that make them on the view that takes its name. A view reads
-- its table with the rights of whoever reads the view: who may read any of it may read the stored table, whose schema only the
-- API roles may use.
WITH grants (privilege, column_name, grantee, grantable) AS (
    SELECT a.privilege_type, NULL, a.grantee, a.is_grantable
      FROM pg_catalog.pg_class c
     CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
     WHERE c.oid = pg_catalog.to_regclass('public.' || $1) AND a.grantee <> c.relowner
     UNION ALL
    SELECT a.privilege_type, t.attname, a.grantee, a.is_grantable
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
     CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a
     WHERE c.oid = pg_catalog.to_regclass('public.' || $1) AND a.grantee <> c.relowner
), named AS (
    SELECT g.*, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END AS role
      FROM grants g
      LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
     WHERE g.grantee = 0 OR r.oid IS NOT NULL
)
SELECT pg_catalog.format('GRANT %s%s ON TABLE public.%I TO %s%s', n.privilege,
           CASE WHEN n.column_name IS NULL THEN '' ELSE pg_catalog.format(' (%I)', n.column_name) END, $1, n.role,
           CASE WHEN n.grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM named n
 UNION ALL
SELECT DISTINCT pg_catalog.format('GRANT SELECT ON TABLE auria_raw.%I TO %s', $1 || '_raw', n.role)
  FROM named n
 WHERE n.privilege = 'SELECT' AND n.role NOT IN ('anon', 'authenticated', 'service_role', 'PUBLIC')
