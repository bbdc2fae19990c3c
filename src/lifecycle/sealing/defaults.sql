-- The defaults of the columns of the table public.$1, as statements that give them to the view that takes its name.
SELECT pg_catalog.format('ALTER VIEW public.%I ALTER COLUMN %I SET DEFAULT %s', $1, a.attname,
           pg_catalog.pg_get_expr(d.adbin, d.adrelid))
  FROM pg_catalog.pg_attrdef d
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
 WHERE d.adrelid = pg_catalog.to_regclass('public.' || $1) AND a.attgenerated = ''
