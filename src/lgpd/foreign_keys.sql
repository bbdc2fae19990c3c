-- The foreign keys between stored tables: t is the row that refers, and t the row that it refers to in a query inside. Where
-- PostgreSQL compares the columns by an operator that is not in pg_catalog, no query of the extension can.
SELECT k.conrelid::pg_catalog.int8, k.confrelid::pg_catalog.int8, k.confdeltype IN ('n', 'd') AS clears,
       (SELECT pg_catalog.string_agg('t.' || pg_catalog.quote_ident(a.attname), ', ' ORDER BY key.place)
          FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS key (attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.attnum),
       (SELECT pg_catalog.string_agg('t.' || pg_catalog.quote_ident(a.attname), ', ' ORDER BY key.place)
          FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS key (attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = key.attnum),
       NOT EXISTS (SELECT FROM pg_catalog.pg_operator o
                    WHERE o.oid = ANY (k.conpfeqop) AND o.oprnamespace <> 'pg_catalog'::pg_catalog.regnamespace) AS can_be_compared
  FROM pg_catalog.pg_constraint k
 WHERE k.contype = 'f' AND k.conparentid = 0
 ORDER BY k.oid
