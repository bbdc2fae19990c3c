-- The rules that triggers stand in for: table, name, expression, comment. `tgargs` ends each argument with a zero byte,
-- which the format escape writes as \000.
SELECT DISTINCT t.tgrelid::pg_catalog.regclass::text,
       pg_catalog.split_part(arguments, E'\\000', 1),
       pg_catalog.split_part(arguments, E'\\000', 2),
       pg_catalog.split_part(arguments, E'\\000', 3)
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.proname = 'refuse_row'
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'auria'
 CROSS JOIN LATERAL pg_catalog.encode(t.tgargs, 'escape') AS arguments
 WHERE t.tgparentid = 0
 ORDER BY 1, 2
