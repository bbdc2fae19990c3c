-- The planner's estimates: no table is read. $1: the tables of schema public.
SELECT 'rows_estimate', pg_catalog.jsonb_build_object('table', k.relname),
       CASE k.relkind
           WHEN 'r' THEN greatest(k.reltuples, 0)
           ELSE (SELECT COALESCE(sum(greatest(c.reltuples, 0)), 0)
                   FROM pg_catalog.pg_partition_tree(k.oid::pg_catalog.regclass) AS t
                   JOIN pg_catalog.pg_class c ON c.oid = t.relid
                  WHERE t.isleaf)
       END::double precision
  FROM pg_catalog.unnest($1) AS name
  JOIN pg_catalog.pg_class k ON k.oid = pg_catalog.to_regclass('public.' || name) AND k.relkind IN ('r', 'p')
