-- The columns of the view public.$1 that its table has neither plain nor encrypted.
SELECT pg_catalog.quote_ident(v.attname)
  FROM pg_catalog.pg_attribute v
 WHERE v.attrelid = pg_catalog.to_regclass('public.' || $1) AND v.attnum > 0
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute t
                    WHERE t.attrelid = pg_catalog.to_regclass('public.' || $1 || '_raw')
                      AND NOT t.attisdropped
                      AND t.attname IN (v.attname, v.attname || '_encrypted'))
 ORDER BY v.attnum
