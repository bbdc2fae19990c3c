-- What each table of AURIA holds: bytes with its indexes and its TOAST.
SELECT c.relname AS table, sum(c2.reltuples)::bigint AS rows, sum(pg_table_size(c2.oid)) AS heap_and_toast, sum(pg_indexes_size(c2.oid)) AS indexes,
       (sum(pg_total_relation_size(c2.oid)) / nullif(sum(greatest(c2.reltuples, 0)), 0))::bigint AS bytes_per_row
  FROM pg_class c CROSS JOIN LATERAL (
       SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)) AS t (oid)
  JOIN pg_class c2 ON c2.oid = t.oid AND c2.relkind = 'r'
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
 GROUP BY c.relname HAVING sum(greatest(c2.reltuples, 0)) > 0 ORDER BY sum(pg_total_relation_size(c2.oid)) DESC;
