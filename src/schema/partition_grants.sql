-- Grants to PUBLIC and the API roles on partitions of managed tables: who reads a partition reads it past the policies of
-- its parent. service_role bypasses those anyhow.
-- $1: the managed tables.
WITH RECURSIVE partitions (oid) AS (
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i
      JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relname = ANY ($1) OR n.nspname = 'auria_raw'
     UNION
    SELECT i.inhrelid FROM partitions p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid
)
SELECT pg_catalog.format('partition %s is open to %s: run REVOKE ALL ON TABLE %1$s FROM %2$s',
                         c.oid::pg_catalog.regclass, COALESCE(pg_catalog.quote_ident(r.rolname), 'PUBLIC'))
  FROM partitions p
  JOIN pg_catalog.pg_class c ON c.oid = p.oid
 CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE a.grantee = 0 OR r.rolname IN ('anon', 'authenticated')
 GROUP BY c.oid, r.rolname
 ORDER BY 1
