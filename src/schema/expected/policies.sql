-- The policies of the migrations as they are in force, a line each, without white space (it differs between versions).
-- $1: their names.
SELECT p.polrelid::pg_catalog.regclass::text || ' ' || p.polname
       || ' ' || CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END
       || ' ' || CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
                               WHEN 'd' THEN 'delete' ELSE 'all' END
       || ' to ' || (SELECT pg_catalog.string_agg(COALESCE(r.rolname, 'PUBLIC'), ',' ORDER BY r.rolname)
                       FROM pg_catalog.unnest(p.polroles) AS role
                       LEFT JOIN pg_catalog.pg_roles r ON r.oid = role)
       || ' using ' || COALESCE(pg_catalog.regexp_replace(
                           pg_catalog.pg_get_expr(p.polqual, p.polrelid), '\s', '', 'g'), '-')
       || ' check ' || COALESCE(pg_catalog.regexp_replace(
                           pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '\s', '', 'g'), '-') AS line
  FROM pg_catalog.pg_policy p
 WHERE p.polname = ANY ($1)
   AND p.polrelid::pg_catalog.regclass::text ~ '^(public|auria|auria_raw|storage)\.'
