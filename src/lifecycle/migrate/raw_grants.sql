-- The grants on the view public.$1 and its columns that were made by hand, as statements that make them on the table that takes
-- its name. What the API roles and the owner may do is for the migrations to say.
WITH grants (privilege, place, column_name, grantee, grantable) AS (
    SELECT a.privilege_type, c.relname, NULL, a.grantee, a.is_grantable
      FROM pg_catalog.pg_class c
     CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
     WHERE c.oid = pg_catalog.to_regclass('public.' || $1) AND a.grantee <> c.relowner
     UNION ALL
    SELECT a.privilege_type, c.relname, t.attname, a.grantee, a.is_grantable
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_attribute v ON v.attrelid = c.oid AND v.attnum > 0
      -- The view may have had columns that the table has not.
      JOIN pg_catalog.pg_attribute t ON t.attrelid = pg_catalog.to_regclass('public.' || $1 || '_raw')
                                    AND t.attname = v.attname AND NOT t.attisdropped
     CROSS JOIN LATERAL pg_catalog.aclexplode(v.attacl) AS a
     WHERE c.oid = pg_catalog.to_regclass('public.' || $1) AND a.grantee <> c.relowner
)
SELECT pg_catalog.format('GRANT %s%s ON TABLE public.%I TO %s%s', g.privilege,
           CASE WHEN g.column_name IS NULL THEN '' ELSE pg_catalog.format(' (%I)', g.column_name) END, g.place,
           CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END,
           CASE WHEN g.grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM grants g
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
 WHERE g.grantee = 0 OR r.rolname NOT IN ('anon', 'authenticated', 'service_role')
