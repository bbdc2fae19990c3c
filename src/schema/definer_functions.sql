-- Functions of public that run with the rights of a superuser who owns them, with the command that changes it.
-- $1: the schema's owner; $2: the signatures of the managed functions.
SELECT pg_catalog.format(
           CASE WHEN l.lanname <> 'c' AND EXISTS (SELECT FROM pg_catalog.unnest($2) AS signature
                                                   WHERE pg_catalog.to_regprocedure(signature) = p.oid)
                THEN '%s runs with the rights of superuser "%s": run SELECT auria.restore_function(%4$L)'
                ELSE '%s runs with the rights of superuser "%s": run ALTER FUNCTION %1$s OWNER TO %3$I' END,
           p.oid::pg_catalog.regprocedure, r.rolname, $1, p.oid::pg_catalog.regprocedure::text)
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  JOIN pg_catalog.pg_roles r ON r.oid = p.proowner AND r.rolsuper
 WHERE (p.prosecdef OR l.lanname = 'c' AND p.probin = '$libdir/auria_pg')
   AND p.pronamespace = 'public'::pg_catalog.regnamespace
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 1
