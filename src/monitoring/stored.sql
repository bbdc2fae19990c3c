-- The ledger, or its partitions, with the number of pages of each.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
       pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint
  FROM (SELECT relid FROM pg_catalog.pg_partition_tree('public.credit_usage')
         UNION
        SELECT 'public.credit_usage'::pg_catalog.regclass) AS tree
  JOIN pg_catalog.pg_class c ON c.oid = tree.relid AND c.relkind = 'r'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY 1
