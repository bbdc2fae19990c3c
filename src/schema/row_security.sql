-- Managed tables, and partitions of them, whose row security is off or holds for the owner as well.
-- $1: the managed tables.
WITH RECURSIVE managed (oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relname = ANY ($1) AND c.relkind IN ('r', 'p')
        OR n.nspname = 'auria' AND c.relkind = 'r'
        OR n.nspname = 'auria_raw' AND c.relkind IN ('r', 'p')
        OR n.nspname = 'storage' AND c.relname = 'objects'
     UNION
    SELECT i.inhrelid FROM managed m JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid
)
SELECT pg_catalog.format('%s: run ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY', c.oid::pg_catalog.regclass)
  FROM managed m JOIN pg_catalog.pg_class c ON c.oid = m.oid
 WHERE NOT c.relrowsecurity
UNION ALL
-- The owner, whose rights the functions have, would see no row.
SELECT pg_catalog.format('%s: run ALTER TABLE %1$s NO FORCE ROW LEVEL SECURITY', c.oid::pg_catalog.regclass)
  FROM managed m JOIN pg_catalog.pg_class c ON c.oid = m.oid
 WHERE c.relforcerowsecurity
 ORDER BY 1
