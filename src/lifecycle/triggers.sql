-- The managed triggers that are missing, disabled or call another function, and whether that is a failure.
-- $1: their tables; $2: their names; $3: their functions.
SELECT CASE WHEN t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A')
            THEN pg_catalog.format('%s on %s is missing or disabled: run SELECT * FROM auria.migrate(again => true)',
                                   expected.name, expected.relation)
            ELSE pg_catalog.format('%s on %s calls %s', expected.name, expected.relation, t.tgfoid::pg_catalog.regprocedure)
       END,
       t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A')
  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) AS expected (relation, name, function)
  LEFT JOIN (pg_catalog.pg_trigger t
             JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
         ON n.nspname || '.' || c.relname = expected.relation AND t.tgname = expected.name
 WHERE t.oid IS NULL
    OR t.tgenabled NOT IN ('O', 'A')
    OR t.tgfoid IS DISTINCT FROM pg_catalog.to_regprocedure(expected.function || '()')
 ORDER BY 1
