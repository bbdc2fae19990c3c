-- The last numbers of sequences: one for each operation that is counted by itself, and `other`.
SELECT 'charges_refused_total',
       pg_catalog.jsonb_build_object('operation', pg_catalog.substr(c.relname::text, pg_catalog.length('refused_') + 1)),
       COALESCE(pg_catalog.pg_sequence_last_value(c.oid), 0)::double precision
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'auria'::pg_catalog.regnamespace AND c.relkind = 'S' AND c.relname LIKE 'refused\_%'
   AND pg_catalog.has_sequence_privilege(c.oid, 'USAGE')
 LIMIT 100
