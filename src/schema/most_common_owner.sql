-- The role without superuser rights that owns most of the tables. $1: the managed tables.
SELECT r.rolname::text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
  JOIN pg_catalog.pg_roles r ON r.oid = c.relowner AND NOT r.rolsuper
 WHERE c.relkind IN ('r', 'p') AND c.relname = ANY ($1)
 GROUP BY r.rolname
 ORDER BY pg_catalog.count(*) DESC, r.rolname
 LIMIT 1
