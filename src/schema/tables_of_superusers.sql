-- Managed tables that belong to a superuser. $1: the managed tables; $2: the schema's owner.
SELECT pg_catalog.format('table %s belongs to superuser "%s": run ALTER TABLE %1$s OWNER TO %3$I',
                         c.oid::pg_catalog.regclass, r.rolname, $2)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_roles r ON r.oid = c.relowner AND r.rolsuper
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND (n.nspname = 'public' AND c.relname = ANY ($1) OR n.nspname = 'auria_raw')
 ORDER BY 1
