-- What PostgreSQL counts itself with track_functions = 'all'; nothing otherwise. Calls that were rolled back count too.
SELECT 'function_calls_total', pg_catalog.jsonb_build_object('function', p.proname),
       sum(pg_catalog.pg_stat_get_function_calls(p.oid))::double precision
  FROM pg_catalog.pg_proc p
 WHERE p.pronamespace = 'public'::pg_catalog.regnamespace
   AND p.proname IN ('use_credits', 'refund_credits', 'can_use_credits', 'add_bonus_credits')
   AND pg_catalog.pg_stat_get_function_calls(p.oid) IS NOT NULL
 GROUP BY p.proname
