-- A sample of about 200 pages of a table; all of it where it has no more.
WITH size (pages) AS (
    SELECT COALESCE(sum(pg_catalog.pg_relation_size(relid)), 0) / pg_catalog.current_setting('block_size')::bigint
      FROM (SELECT relid FROM pg_catalog.pg_partition_tree('public.TABLE_NAME')
             UNION
            SELECT 'public.TABLE_NAME'::pg_catalog.regclass) AS stored
), sampled (rows, counts) AS MATERIALIZED (
    SELECT count(*), ARRAY[COUNTS]
      FROM public.TABLE_NAME t
           TABLESAMPLE SYSTEM ((SELECT least(100, 100.0 * 200 / greatest(pages, 1))::real FROM size))
)
SELECT 'phi_rows_sampled', pg_catalog.jsonb_build_object('table', 'TABLE_NAME'), rows::double precision FROM sampled
 UNION ALL
SELECT 'phi_not_encrypted_sampled', pg_catalog.jsonb_build_object('table', 'TABLE_NAME', 'column', c.name),
       counts[c.position]::double precision
  FROM sampled CROSS JOIN pg_catalog.unnest(ARRAY[COLUMNS]) WITH ORDINALITY AS c (name, position)
