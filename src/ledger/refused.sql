SELECT pg_catalog.nextval(counter.oid)
  FROM (SELECT c.oid
          FROM pg_catalog.pg_class c
         WHERE c.relnamespace = 'auria'::pg_catalog.regnamespace AND c.relkind = 'S'
           AND c.relname IN ('refused_' || $1, 'refused_other')
           AND pg_catalog.has_sequence_privilege(c.oid, 'USAGE')
         ORDER BY c.relname = 'refused_other'
         LIMIT 1) AS counter
