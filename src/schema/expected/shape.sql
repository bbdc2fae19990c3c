-- Columns, keys, CHECK constraints and indexes of the tables, in both layouts: what it is, the table, its name, what is
-- compared, and the definition as a statement takes it. The constraints of partitions are their parents'.
-- $1: the tables of schema public.
WITH tables (oid, relation) AS (
    SELECT c.oid, n.nspname || '.' || c.relname
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND (n.nspname = 'public' AND c.relname = ANY ($1) OR n.nspname = 'auria_raw')
), indexes AS (
    SELECT t.relation, x.relname AS name, i.indisunique, i.indisprimary,
           i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AS is_key,
           (SELECT pg_catalog.string_agg(a.attname, ',' ORDER BY a.attname COLLATE "C")
              FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS place
              JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place]) AS columns,
           -- pg_trgm may be in any schema, and storage parameters are the DBA's choice.
           pg_catalog.regexp_replace(
               pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '\S+\.gin_trgm_ops', 'gin_trgm_ops'),
               ' WITH \([^)]*\)', '') AS definition,
           k.oid AS constraint_oid
      FROM tables t
      JOIN pg_catalog.pg_index i ON i.indrelid = t.oid AND i.indisvalid
      JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
      LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
                                          AND k.contype IN ('p', 'u')
)
SELECT 'column', t.relation, a.attname::text,
       pg_catalog.format_type(CASE WHEN y.typtype = 'd' THEN y.typbasetype ELSE a.atttypid END,
                              CASE WHEN y.typtype = 'd' THEN y.typtypmod ELSE a.atttypmod END),
       CASE WHEN a.attnotnull THEN 'NOT NULL' ELSE '' END
       || COALESCE(' DEFAULT ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')
  FROM tables t
  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
  JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
 UNION ALL
SELECT CASE WHEN indisprimary THEN 'primary' ELSE 'unique' END, relation, name, columns,
       COALESCE(pg_catalog.pg_get_constraintdef(constraint_oid), definition)
  FROM indexes WHERE is_key
 UNION ALL
SELECT CASE WHEN indisunique THEN 'unique_index' ELSE 'index' END, relation, name,
       pg_catalog.regexp_replace(definition, '^.*? USING ', ''), definition
  FROM indexes WHERE NOT is_key
 UNION ALL
SELECT 'foreign', t.relation, k.conname,
       pg_catalog.format('%s -> %s(%s) %s',
           (SELECT pg_catalog.string_agg(a.attname, ',' ORDER BY place)
              FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS key (attnum, place)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.attnum),
           -- As clients know it, in either layout.
           pg_catalog.regexp_replace(n.nspname || '.' || r.relname, '^auria_raw\.(.*)_raw$', 'public.\1'),
           (SELECT pg_catalog.string_agg(a.attname, ',' ORDER BY place)
              FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS key (attnum, place)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = key.attnum),
           k.confdeltype),
       pg_catalog.pg_get_constraintdef(k.oid)
  FROM tables t
  JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
  JOIN pg_catalog.pg_class r ON r.oid = k.confrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
 UNION ALL
SELECT 'check', t.relation, k.conname, pg_catalog.pg_get_expr(k.conbin, k.conrelid),
       pg_catalog.format('CHECK (%s)', pg_catalog.pg_get_expr(k.conbin, k.conrelid))
  FROM tables t
  JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.contype = 'c'
 UNION ALL
-- The triggers that stand in for a rule that old rows break.
SELECT 'rule', t.relation, g.tgname, '', ''
  FROM tables t
  JOIN pg_catalog.pg_trigger g ON g.tgrelid = t.oid AND g.tgenabled IN ('O', 'A')
  JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid AND p.proname = 'refuse_row'
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'auria'
 UNION ALL
SELECT 'partitioned', t.relation, '',
       (SELECT pg_catalog.string_agg(a.attname, ',') FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = t.oid AND a.attnum = ANY (p.partattrs)), ''
  FROM tables t
  JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = t.oid
