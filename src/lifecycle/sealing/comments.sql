-- The comments on the table public.$1 and its columns, as statements that give them to the view that takes its name.
SELECT CASE d.objsubid WHEN 0 THEN pg_catalog.format('COMMENT ON VIEW public.%I IS %L', $1, d.description)
                       ELSE pg_catalog.format('COMMENT ON COLUMN public.%I.%I IS %L', $1, a.attname, d.description) END
  FROM pg_catalog.pg_description d
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND NOT a.attisdropped
 WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
   AND d.objoid = pg_catalog.to_regclass('public.' || $1)
   AND (d.objsubid = 0 OR a.attname IS NOT NULL)
   AND a.attname IS DISTINCT FROM 'name_digest'
