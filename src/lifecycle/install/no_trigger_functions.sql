-- What has the signature of a trigger function and is none. $1: the signatures of trigger functions.
SELECT signature,
       pg_catalog.format('It is a %s and returns %s.',
                         CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
                         COALESCE(pg_catalog.pg_get_function_result(p.oid), 'nothing'))
  FROM pg_catalog.unnest($1) AS signature
  JOIN pg_catalog.pg_proc p ON p.oid = pg_catalog.to_regprocedure(signature)
 WHERE p.prokind <> 'f' OR p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
 ORDER BY 1
