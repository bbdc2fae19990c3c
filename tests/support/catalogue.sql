-- The schema as the catalogue has it, in the notation of expected.txt: a table, a line, and the place of a column.
WITH tables AS (
    SELECT c.oid, c.relname::text AS name
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT 'auth.users'::regclass, 'auth.users'
)
SELECT t.name, a.attnum::integer AS place,
       a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
           || COALESCE(' default ' || pg_get_expr(d.adbin, d.adrelid), '') AS line
FROM tables t
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE t.name <> 'auth.users'
UNION ALL
SELECT t.name, 10000,
       CASE c.contype
           WHEN 'p' THEN 'primary key ' || c.conname || regexp_replace(definition, '^PRIMARY KEY', '')
           WHEN 'u' THEN 'unique ' || c.conname || regexp_replace(definition, '^UNIQUE', '')
           WHEN 'f' THEN 'foreign key ' || c.conname || regexp_replace(
                             regexp_replace(definition, '^FOREIGN KEY (\(.*\)) REFERENCES', ' \1 ->'),
                             ' ON DELETE .*', COALESCE(lower(substring(definition FROM ' ON DELETE .*')), ''))
           WHEN 'c' THEN 'check ' || c.conname || ': ' || regexp_replace(definition, '^CHECK \((.*)\)', '\1')
       END
FROM tables t
JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('p', 'u', 'f', 'c')
CROSS JOIN LATERAL pg_get_constraintdef(c.oid, true) AS definition
WHERE t.name <> 'auth.users'
UNION ALL
SELECT t.name, 10000,
       'index ' || c.relname || ': ' || CASE WHEN i.indisunique THEN 'unique ' ELSE '' END
           || regexp_replace(regexp_replace(pg_get_indexdef(i.indexrelid, 0, true), '^.* USING ', ''),
                             '\S+\.gin_trgm_ops', 'gin_trgm_ops')
           || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
FROM tables t
JOIN pg_index i ON i.indrelid = t.oid
JOIN pg_class c ON c.oid = i.indexrelid
WHERE t.name <> 'auth.users'
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))
UNION ALL
SELECT t.name, 10000,
       regexp_replace(pg_get_triggerdef(g.oid),
                      '^CREATE TRIGGER (\S+) (.*) ON \S+ FOR EACH ROW EXECUTE FUNCTION (.*)\(\)$',
                      'trigger \1: \2 \3')
           || CASE g.tgenabled WHEN 'O' THEN '' ELSE ' DISABLED' END
FROM tables t
JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
