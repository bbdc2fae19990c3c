SELECT CASE WHEN pg_catalog.jsonb_typeof(data -> 'full_name') = 'string' THEN data ->> 'full_name' END,
       CASE WHEN pg_catalog.jsonb_typeof(data -> 'cro') = 'string' THEN data ->> 'cro' END
  FROM auth.users u
 CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(u) -> 'raw_user_meta_data') AS m (data)
 WHERE u.id = $1
