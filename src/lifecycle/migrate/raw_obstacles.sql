-- What would be lost with the original's view $1: objects that depend on it, its columns or its row type, and triggers on it
-- that are not the original's. $2: the view's three trigger functions.
WITH view (oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind = 'v'
), types (oid) AS (
    SELECT y.oid FROM pg_catalog.pg_type y JOIN view ON y.typrelid = view.oid
     UNION ALL
    SELECT y.typarray FROM pg_catalog.pg_type y JOIN view ON y.typrelid = view.oid
)
SELECT DISTINCT pg_catalog.pg_describe_object(
           CASE WHEN w.oid IS NULL THEN d.classid ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END,
           COALESCE(w.ev_class, d.objid), CASE WHEN w.oid IS NULL THEN d.objsubid ELSE 0 END)
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = d.objid
 WHERE (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid IN (SELECT oid FROM view)
        OR d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (SELECT oid FROM types))
   AND (w.oid IS NULL OR w.ev_class NOT IN (SELECT oid FROM view) OR w.rulename <> '_RETURN')
   AND NOT (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid IN (SELECT oid FROM types))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                    WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = d.objid
                      AND t.tgfoid IN (SELECT pg_catalog.to_regprocedure(signature)
                                         FROM pg_catalog.unnest($2) AS signature))
   -- A default of one of the view's columns.
   AND d.classid <> 'pg_catalog.pg_attrdef'::pg_catalog.regclass
 ORDER BY 1
