-- What depends on plain columns of a table, or on the table's row as a whole or as a type.
-- $1: the table; $2: its plain columns.
WITH target (oid, row_type) AS (
    SELECT c.oid, c.reltype FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)
), plain (attnum) AS (
    SELECT a.attnum FROM target t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid
     WHERE a.attname = ANY ($2) AND NOT a.attisdropped
), types (oid) AS (
    SELECT row_type FROM target
     UNION ALL
    SELECT y.typarray FROM target t JOIN pg_catalog.pg_type y ON y.oid = t.row_type
), found (classid, objid, objsubid) AS (
    SELECT d.classid, d.objid, d.objsubid
      FROM pg_catalog.pg_depend d JOIN target t ON d.refobjid = t.oid
     WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND d.refobjsubid IN (SELECT attnum FROM plain)
     UNION
    -- A view, policy or function body that uses whole rows.
    SELECT d.classid, d.objid, d.objsubid
      FROM pg_catalog.pg_depend d JOIN target t ON d.refobjid = t.oid
     WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid = 0 AND d.deptype = 'n'
       AND d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
     UNION
    SELECT d.classid, d.objid, d.objsubid
      FROM pg_catalog.pg_depend d JOIN types y ON d.refobjid = y.oid
     WHERE d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype = 'n'
)
SELECT DISTINCT CASE WHEN f.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            THEN (SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0)
                    FROM pg_catalog.pg_rewrite w WHERE w.oid = f.objid)
            ELSE pg_catalog.pg_describe_object(f.classid, f.objid, f.objsubid) END
  FROM found f
 -- What the extension itself makes again: the trigger that encrypts, the index for searches, the unique constraint.
 WHERE NOT (f.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND f.objid IN (SELECT i.indexrelid FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
                             WHERE c.relname IN ('idx_patients_name_trgm', 'patients_user_id_name_key')))
   AND NOT (f.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
            AND f.objid IN (SELECT n.oid FROM pg_catalog.pg_constraint n JOIN target t ON t.oid = n.conrelid
                             WHERE n.conname = 'patients_user_id_name_key' OR n.contype = 'n'))
   AND NOT (f.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
            AND f.objid IN (SELECT d.oid FROM pg_catalog.pg_attrdef d JOIN target t ON t.oid = d.adrelid
                              JOIN plain p ON p.attnum = d.adnum))
   AND NOT (f.classid = 'pg_catalog.pg_type'::pg_catalog.regclass)
 ORDER BY 1
