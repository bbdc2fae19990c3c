-- The stored tables outside of the platform's schemas, and what of each row belongs to the subject, $1: 'user' or 'patient'.
-- $2: the trusted roles. Run with the rights of the schema's owner. Partitions go with their table. Types are compared by OID:
-- only those of pg_catalog, and domains over them, are known.
WITH RECURSIVE root AS (
    SELECT CASE $1
               WHEN 'user' THEN pg_catalog.to_regclass('auth.users')
               ELSE COALESCE(pg_catalog.to_regclass('auria_raw.patients_raw'), pg_catalog.to_regclass('public.patients'))
           END AS oid
),
stored AS (
    SELECT c.oid, n.oid AS schema, n.nspname, c.relname, c.relkind, v.oid AS view, v.relname AS view_name
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      -- Sealed, a table is read and written through the view that has its name.
      LEFT JOIN pg_catalog.pg_class v ON n.nspname = 'auria_raw' AND v.relkind = 'v'
                                     AND v.relnamespace = 'public'::pg_catalog.regnamespace
                                     AND v.relname || '_raw' = c.relname
     WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'auth', 'storage')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
),
family (root, oid) AS (
    -- What a statement about the table reads and fires, too: its view, its partitions and children.
    SELECT s.oid, member.oid FROM stored s CROSS JOIN LATERAL (VALUES (s.oid), (s.view)) AS member (oid)
     WHERE member.oid IS NOT NULL
     UNION
    SELECT f.root, i.inhrelid FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.oid
),
types (root, oid) AS (
    -- What shows a value runs the casts of its type and of what that is made of. Types of pg_catalog are left out.
    SELECT f.root, a.atttypid
      FROM family f
      JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
     UNION
    SELECT t.root, part.oid
      FROM types t
      JOIN pg_catalog.pg_type y ON y.oid = t.oid
     CROSS JOIN LATERAL (SELECT y.typbasetype UNION ALL SELECT y.typelem
                          UNION ALL
                         SELECT a.atttypid FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                          UNION ALL
                         SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE y.oid IN (g.rngtypid, g.rngmultitypid)) AS part (oid)
     WHERE part.oid >= 16384
),
base (oid, type) AS (
    SELECT y.oid, y.oid FROM pg_catalog.pg_type y WHERE y.typtype <> 'd'
     UNION ALL
    SELECT y.oid, b.type FROM base b JOIN pg_catalog.pg_type y ON y.typbasetype = b.oid AND y.typtype = 'd'
),
belonging (root, place, what, owner) AS (
    SELECT f.root, CASE f.oid WHEN f.root THEN 1 ELSE 2 END,
           CASE f.oid WHEN f.root THEN 'it' ELSE pg_catalog.format('%I.%I, which is read and written with it,', n.nspname, c.relname) END,
           c.relowner
      FROM family f
      JOIN pg_catalog.pg_class c ON c.oid = f.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     UNION ALL
    SELECT t.root, 3, pg_catalog.format('type %s of a column', t.oid::pg_catalog.regtype), y.typowner
      FROM types t JOIN pg_catalog.pg_type y ON y.oid = t.oid
     UNION ALL
    SELECT f.root, 4, pg_catalog.format('function %s of trigger "%s"', p.oid::pg_catalog.regprocedure, t.tgname), p.proowner
      FROM family f
      JOIN pg_catalog.pg_trigger t ON t.tgrelid = f.oid AND NOT t.tgisinternal
      JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
     UNION ALL
    SELECT f.root, 5, pg_catalog.format('what rule "%s" uses', w.rulename), COALESCE(p.proowner, c.relowner)
      FROM family f
      JOIN pg_catalog.pg_rewrite w ON w.ev_class = f.oid AND w.rulename <> '_RETURN'
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
      LEFT JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
      LEFT JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
     WHERE COALESCE(p.proowner, c.relowner) IS NOT NULL
),
mention AS (
    SELECT a.attrelid, a.attname, b.type, pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared,
           b.type IN (pg_catalog.to_regtype('uuid'), pg_catalog.to_regtype('text'), pg_catalog.to_regtype('varchar'),
                      pg_catalog.to_regtype('bpchar'), pg_catalog.to_regtype('int8')) AS is_known,
           a.attname = 'session_id' AND $1 = 'patient' AND k.oid IS NULL AS is_session,
           -- A foreign key that clears its column says that the row is not the user's, but mentions them.
           a.attname = $1 || '_id' OR $1 = 'patient' OR k.confdeltype NOT IN ('n', 'd') AS owns
      FROM pg_catalog.pg_attribute a
      JOIN stored s ON s.oid = a.attrelid
      JOIN base b ON b.oid = a.atttypid
     CROSS JOIN root
      LEFT JOIN LATERAL (
          SELECT k.oid, k.confdeltype FROM pg_catalog.pg_constraint k
           WHERE k.contype = 'f' AND k.conrelid = a.attrelid AND k.confrelid = root.oid AND k.conkey = ARRAY[a.attnum]
             AND k.confkey = (SELECT ARRAY[r.attnum] FROM pg_catalog.pg_attribute r
                               WHERE r.attrelid = root.oid AND r.attname = 'id')
           ORDER BY k.confdeltype IN ('n', 'd') LIMIT 1) AS k ON true
     WHERE a.attnum > 0 AND NOT a.attisdropped
       AND (a.attname = $1 || '_id' OR a.attname = 'session_id' AND $1 = 'patient' OR k.oid IS NOT NULL
            OR a.attrelid = root.oid AND a.attname = 'id')
)
SELECT s.oid::pg_catalog.int8,
       pg_catalog.format('%I.%I', s.nspname, s.relname) AS stored,
       CASE WHEN s.view IS NULL THEN pg_catalog.format('%I.%I', s.nspname, s.relname)
            ELSE pg_catalog.format('public.%I', s.view_name) END AS relation,
       CASE s.relkind WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,
       -- The columns by which a row belongs to the subject, and those that mention it.
       ARRAY(SELECT m.attname::pg_catalog.text FROM mention m
              WHERE m.attrelid = s.oid AND m.owns AND m.is_known AND NOT m.is_session ORDER BY m.attname) AS owned_by,
       ARRAY(SELECT m.attname::pg_catalog.text FROM mention m
              WHERE m.attrelid = s.oid AND NOT m.owns AND NOT m.is_session ORDER BY m.attname) AS mentions,
       ARRAY(SELECT pg_catalog.format('%I of type %s', m.attname, m.declared) FROM mention m
              WHERE m.attrelid = s.oid AND NOT m.is_known ORDER BY m.attname) AS unknown,
       ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = COALESCE(s.view, s.oid) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       ARRAY(SELECT b.type FROM pg_catalog.pg_attribute a JOIN base b ON b.oid = a.atttypid
              WHERE a.attrelid = COALESCE(s.view, s.oid) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS types,
       ARRAY(SELECT a.attname::pg_catalog.text
               FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = s.oid AND a.attnum = ANY (i.indkey)
              WHERE i.indrelid = s.oid AND i.indisprimary ORDER BY a.attnum) AS primary_key,
       -- What of a team's may keep a row from being deleted.
       ARRAY(SELECT DISTINCT pg_catalog.format('trigger "%s"', t.tgname)
               FROM family f
               JOIN pg_catalog.pg_trigger t ON t.tgrelid = f.oid AND NOT t.tgisinternal AND t.tgtype & 8 <> 0 AND t.tgenabled <> 'D'
               JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.probin IS DISTINCT FROM '$libdir/auria_pg'
              WHERE f.root = s.oid
              UNION ALL
             SELECT DISTINCT pg_catalog.format('rule "%s"', w.rulename)
               FROM family f JOIN pg_catalog.pg_rewrite w ON w.ev_class = f.oid AND w.ev_type = '4'
              WHERE f.root = s.oid) AS keepers,
       EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = s.oid AND w.ev_type = '4') AS has_rules,
       COALESCE((SELECT pg_catalog.format('%s belongs to role "%s", which is not trusted', b.what, pg_catalog.pg_get_userbyid(b.owner))
                   FROM belonging b WHERE b.root = s.oid AND b.owner <> ALL ($2) ORDER BY b.place, b.what LIMIT 1),
                CASE WHEN NOT pg_catalog.has_schema_privilege(s.schema, 'USAGE')
                          OR NOT pg_catalog.has_table_privilege(s.oid, 'SELECT')
                          OR NOT pg_catalog.has_table_privilege(s.oid, 'DELETE')
                     THEN 'the owner of the AURIA schema may not read and delete its rows'
                     WHEN pg_catalog.row_security_active(s.oid)
                     THEN 'row-level security hides rows from the owner of the AURIA schema' END) AS out_of_reach
  FROM stored s
 ORDER BY 3
