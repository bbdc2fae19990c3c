-- Whether a unique index of table $1, of a constraint or not, is over exactly the columns $2 and all rows.
SELECT
  FROM pg_catalog.pg_index i
 WHERE i.indrelid = $1::pg_catalog.regclass AND i.indisunique AND i.indisvalid
   AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
   AND (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C")
          FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS place
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place])
     = (SELECT pg_catalog.array_agg(name ORDER BY name COLLATE "C") FROM pg_catalog.unnest($2) AS name)
