-- The foreign key of table $1 over column $3 to column $5 of table $4, if possible the one called $2; else the constraint called
-- $2, whatever it is: name, whether it is valid, and what ON DELETE does (a blank for what is no foreign key).
-- $3 and $5 are quoted.
WITH same_columns AS (
    SELECT c.oid
      FROM pg_catalog.pg_constraint c
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
      JOIN pg_catalog.pg_attribute r ON r.attrelid = c.confrelid AND r.attnum = c.confkey[1]
     WHERE c.contype = 'f' AND c.conrelid = $1::pg_catalog.regclass
       AND c.confrelid = $4::pg_catalog.regclass AND pg_catalog.cardinality(c.conkey) = 1
       AND pg_catalog.quote_ident(a.attname) = $3 AND pg_catalog.quote_ident(r.attname) = $5
)
SELECT c.conname::text, c.convalidated, c.confdeltype::text
  FROM pg_catalog.pg_constraint c
  LEFT JOIN same_columns s ON s.oid = c.oid
 WHERE c.conrelid = $1::pg_catalog.regclass AND (s.oid IS NOT NULL OR c.conname = $2)
 ORDER BY s.oid IS NULL, c.conname <> $2, c.conname
 LIMIT 1
