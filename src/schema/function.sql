-- Whether the function is the library's under its symbol, and whether PUBLIC may execute it.
-- $1: its signature; $2: its symbol.
SELECT COALESCE(l.lanname = 'c' AND p.prosrc = $2
                    AND p.probin = (SELECT me.probin FROM pg_catalog.pg_proc me
                                      JOIN pg_catalog.pg_namespace n ON n.oid = me.pronamespace AND n.nspname = 'auria'
                                     WHERE me.proname = 'doctor'), false),
       EXISTS (SELECT FROM pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a
                WHERE a.grantee = 0)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.oid = pg_catalog.to_regprocedure($1)
