-- The foreign keys between stored tables: t is the row that refers, and t the row that it refers to in a query inside.
SELECT k.conrelid::pg_catalog.int8, k.confrelid::pg_catalog.int8, k.confdeltype IN ('n', 'd') AS clears,
       (SELECT pg_catalog.string_agg('t.' || pg_catalog.quote_ident(a.attname), ', ' ORDER BY key.place)
          FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS key (attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.attnum),
       (SELECT pg_catalog.string_agg('t.' || pg_catalog.quote_ident(a.attname), ', ' ORDER BY key.place)
          FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS key (attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = key.attnum)
  FROM pg_catalog.pg_constraint k
 WHERE k.contype = 'f' AND k.conparentid = 0
 ORDER BY k.oid
