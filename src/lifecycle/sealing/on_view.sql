-- What depends on the view public.$1, other than its own rule and triggers.
SELECT DISTINCT CASE WHEN d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            THEN (SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0)
                    FROM pg_catalog.pg_rewrite w WHERE w.oid = d.objid)
            ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_class v ON v.oid = pg_catalog.to_regclass('public.' || $1)
 WHERE d.deptype = 'n'
   AND (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = v.oid
            AND NOT (d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
                     AND EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.oid = d.objid AND w.ev_class = v.oid))
        OR d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
            AND d.refobjid IN (SELECT y.oid FROM pg_catalog.pg_type y
                                WHERE y.oid = v.reltype OR y.typelem = v.reltype AND v.reltype <> 0))
 ORDER BY 1
