-- The version and the name of the extension that doctor() belongs to, if it is another than $1.
SELECT e.extversion, pg_catalog.quote_ident(e.extname)
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_depend d ON d.refobjid = e.oid AND d.deptype = 'e'
                             AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
  JOIN pg_catalog.pg_proc p ON p.oid = d.objid AND p.proname = 'doctor'
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'auria'
 WHERE e.extversion <> $1
