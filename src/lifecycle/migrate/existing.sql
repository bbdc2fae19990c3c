-- What stands under a signature: whether it is the library's, whether CREATE OR REPLACE could replace it, whether it is a
-- function. $1: the signature; $2: what the managed function returns; $3: the names of its arguments.
SELECT l.lanname = 'c' AND p.probin = (SELECT me.probin FROM pg_catalog.pg_proc me
                                         JOIN pg_catalog.pg_namespace n ON n.oid = me.pronamespace AND n.nspname = 'auria'
                                        WHERE me.proname = 'prepare_install'),
       p.prokind = 'f' AND p.pronargdefaults = 0
           AND pg_catalog.pg_get_function_result(p.oid) = $2
           AND NOT EXISTS (SELECT FROM pg_catalog.unnest(p.proargnames[1:p.pronargs]) WITH ORDINALITY AS argument (name, place)
                            WHERE name <> '' AND name <> $3[place]),
       p.prokind = 'f'
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.oid = pg_catalog.to_regprocedure($1)
