-- ALTER TABLE for each table, view and sequence that is to belong to the owner. $1: the managed tables; $2: the owner.
SELECT pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, $2)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
 WHERE r.rolname <> $2
   AND (n.nspname = 'public' AND c.relkind IN ('r', 'p')
            AND (c.relname = ANY ($1)
                 OR EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) AS a (relid)
                              JOIN pg_catalog.pg_class p ON p.oid = a.relid
                             WHERE p.relnamespace = n.oid AND p.relname = ANY ($1)))
        OR r.rolsuper AND (n.nspname = 'auria_raw' AND c.relkind IN ('r', 'p')
                           OR n.nspname = 'public' AND c.relkind = 'v'
                              AND pg_catalog.to_regclass('auria_raw.' || c.relname || '_raw') IS NOT NULL)
        OR n.nspname = 'auria' AND (c.relkind = 'r' AND c.relname NOT IN ('replaced_functions', 'erasures')
                                    OR c.relkind = 'S' AND c.relname LIKE 'refused\_%'))
