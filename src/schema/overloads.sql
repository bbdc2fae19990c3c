-- Overloads of managed functions: same name, other argument types. $1: the signatures of the managed functions.
SELECT pg_catalog.format('%s is an overload of a managed function and was kept: '
                         'unless something needs it, run DROP ROUTINE %1$s', p.oid::pg_catalog.regprocedure)
  FROM pg_catalog.pg_proc p
 WHERE p.pronamespace = 'public'::pg_catalog.regnamespace
   AND EXISTS (SELECT FROM pg_catalog.unnest($1) AS signature
                WHERE pg_catalog.starts_with(signature, 'public.' || p.proname || '('))
   AND NOT EXISTS (SELECT FROM pg_catalog.unnest($1) AS signature WHERE pg_catalog.to_regprocedure(signature) = p.oid)
 ORDER BY 1
