-- The indexes of table $1, those whose method, columns and predicate are $2, or all where that is NULL: name, name as SQL takes
-- it, whether it is valid, and whether it is part of something else and cannot be dropped by itself.
-- Storage parameters, the schema of pg_trgm and white space do not count, nor the casts that a column of another text type gets.
SELECT c.relname::text, i.indexrelid::pg_catalog.regclass::text, i.indisvalid,
       c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid)
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 CROSS JOIN LATERAL pg_catalog.regexp_replace(
               pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '^.*? USING ', ''),
               ' WITH \([^)]*\)', '') AS definition
 WHERE i.indrelid = $1::pg_catalog.regclass
   AND ($2 IS NULL
        OR (SELECT pg_catalog.count(DISTINCT pg_catalog.regexp_replace(
                       text, '\((\w+)\)::text|::text|\s+|\S+\.(?=gin_trgm_ops)', '\1', 'g')) = 1
              FROM (VALUES (definition), ($2)) AS compared (text)))
 ORDER BY c.relname
