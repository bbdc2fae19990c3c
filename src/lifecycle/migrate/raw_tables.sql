-- The tables with patient data that the original brought to public.*_raw, by the names of the views in their place.
-- $1: the tables with patient data; $2: their encrypted columns.
SELECT name
  FROM pg_catalog.unnest($1) AS name
  JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass('public.' || name || '_raw')
  LEFT JOIN pg_catalog.pg_class v ON v.oid = pg_catalog.to_regclass('public.' || name)
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
   -- A table beside it is the one in use: the other is a copy that somebody keeps.
   AND (v.oid IS NULL OR v.relkind = 'v')
   AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname = 'user_id')
   AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = c.oid AND NOT a.attisdropped
                  AND a.attname = ANY ($2))
 ORDER BY name
