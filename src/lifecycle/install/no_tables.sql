-- What has the name of a managed table and is none: what it is, and its name.
-- $1: the managed tables; $2: those whose names views of the original may have.
SELECT CASE c.relkind WHEN 'r' THEN 'partition' WHEN 'p' THEN 'partition' WHEN 'v' THEN 'view'
                      WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                      ELSE 'index or type' END,
       c.oid::pg_catalog.regclass::text
  FROM pg_catalog.unnest($1) AS name
  JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass('public.' || name)
 WHERE (c.relkind NOT IN ('r', 'p') OR c.relispartition) AND name <> ALL ($2)
 ORDER BY name
