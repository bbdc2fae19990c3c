-- The stored tables outside of the platform's schemas, and what of each row belongs to the subject, 'user' or 'patient'.
-- Run with the rights of the schema's owner, whose reach the last columns report. Partitions go with their table.
WITH root AS (
    SELECT CASE $1
               WHEN 'user' THEN pg_catalog.to_regclass('auth.users')
               ELSE COALESCE(pg_catalog.to_regclass('auria_raw.patients_raw'), pg_catalog.to_regclass('public.patients'))
           END AS oid
),
stored AS (
    SELECT c.oid, n.oid AS schema, n.nspname, c.relname, v.oid AS view, v.relname AS view_name
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      -- Sealed, a table is read and written through the view that has its name.
      LEFT JOIN pg_catalog.pg_class v ON n.nspname = 'auria_raw' AND v.relkind = 'v'
                                     AND v.relnamespace = 'public'::pg_catalog.regnamespace
                                     AND v.relname || '_raw' = c.relname
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'auth', 'storage')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
),
mention AS (
    SELECT a.attrelid, pg_catalog.quote_ident(a.attname) AS name, t.typname,
           -- A foreign key that clears its column says that the row is not the user's, but mentions them.
           a.attname = $1 || '_id' OR $1 = 'patient'
               OR pg_catalog.bool_or(k.confdeltype NOT IN ('n', 'd')) AS owns
      FROM pg_catalog.pg_attribute a
      JOIN stored s ON s.oid = a.attrelid
      JOIN pg_catalog.pg_type d ON d.oid = a.atttypid
      JOIN pg_catalog.pg_type t ON t.oid = COALESCE(NULLIF(d.typbasetype, 0), d.oid)
                               AND t.typname IN ('uuid', 'text', 'varchar')
     CROSS JOIN root
      LEFT JOIN pg_catalog.pg_constraint k ON k.contype = 'f' AND k.conrelid = a.attrelid AND k.confrelid = root.oid
                                          AND k.conkey = ARRAY[a.attnum]
                                          AND k.confkey = (SELECT ARRAY[r.attnum] FROM pg_catalog.pg_attribute r
                                                            WHERE r.attrelid = root.oid AND r.attname = 'id')
     WHERE a.attnum > 0 AND NOT a.attisdropped
       AND (a.attname = $1 || '_id' OR k.oid IS NOT NULL OR a.attrelid = root.oid AND a.attname = 'id')
     GROUP BY a.attrelid, a.attname, t.typname
)
SELECT s.oid::pg_catalog.int8,
       pg_catalog.format('%I.%I', s.nspname, s.relname) AS stored,
       CASE WHEN s.view IS NULL THEN pg_catalog.format('%I.%I', s.nspname, s.relname)
            ELSE pg_catalog.format('public.%I', s.view_name) END AS relation,
       (SELECT pg_catalog.string_agg(CASE m.typname WHEN 'uuid' THEN pg_catalog.format('t.%s = $1', m.name)
                                          ELSE pg_catalog.format('t.%s = $1::pg_catalog.text', m.name) END,
                                     ' OR ' ORDER BY m.name)
          FROM mention m WHERE m.attrelid = s.oid AND m.owns) AS condition,
       (SELECT pg_catalog.string_agg(m.name, ', ' ORDER BY m.name)
          FROM mention m WHERE m.attrelid = s.oid AND NOT m.owns) AS mentions,
       (SELECT pg_catalog.string_agg(a.attname, ',')
          FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = COALESCE(s.view, s.oid) AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       NOT pg_catalog.has_schema_privilege(s.schema, 'USAGE')
           OR NOT pg_catalog.has_table_privilege(s.oid, 'SELECT')
           OR NOT pg_catalog.has_table_privilege(s.oid, 'DELETE') AS no_privilege,
       pg_catalog.row_security_active(s.oid) AS is_filtered
  FROM stored s
 ORDER BY 3
