-- Managed tables that Citus keeps on other servers. $1: their names in public.
-- 'n' with 's' or 'c' is a table on this server that Citus only knows of.
SELECT p.logicalrelid::pg_catalog.text
  FROM pg_catalog.pg_dist_partition p
  JOIN pg_catalog.pg_class c ON c.oid = p.logicalrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE (n.nspname = 'public' AND c.relname = ANY ($1) OR n.nspname IN ('auria', 'auria_raw'))
   AND NOT (p.partmethod = 'n' AND p.repmodel <> 't')
 ORDER BY 1
