-- Permissive policies on managed tables, or reaching into the extension's buckets, that the migrations did not make and that are
-- for PUBLIC, anon, authenticated, or a role these are members of: name, table, roles, and whether they are for visitors.
-- $1: the names of the extension's own policies; $2: the managed tables.
SELECT pg_catalog.quote_ident(p.polname), p.polrelid::pg_catalog.regclass::text,
       CASE WHEN 0 = ANY (p.polroles) THEN 'PUBLIC'
            ELSE (SELECT pg_catalog.string_agg(r.rolname, ', ')
                    FROM pg_catalog.pg_roles r WHERE r.oid = ANY (p.polroles)) END,
       0 = ANY (p.polroles)
           OR EXISTS (SELECT FROM pg_catalog.pg_roles anon
                       CROSS JOIN pg_catalog.unnest(p.polroles) AS role
                       WHERE anon.rolname = 'anon' AND pg_catalog.pg_has_role(anon.oid, role, 'MEMBER'))
  FROM pg_catalog.pg_policy p
  JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (SELECT pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid), ' ',
                                              pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) AS text) AS rule
 WHERE p.polpermissive
   AND p.polname <> ALL ($1)
   AND (0 = ANY (p.polroles)
        OR EXISTS (SELECT FROM pg_catalog.pg_roles api
                    WHERE api.rolname IN ('anon', 'authenticated')
                      AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS role
                                   WHERE pg_catalog.pg_has_role(api.oid, role, 'MEMBER'))))
   AND (n.nspname = 'public' AND c.relname = ANY ($2)
        OR n.nspname = 'auria' AND c.relname = 'migrations'
        OR n.nspname = 'auria_raw'
        OR n.nspname = 'storage' AND c.relname = 'objects'
           AND (rule.text ~ '(clinical-photos|dsd-simulations|avatars)' OR rule.text !~ 'bucket_id'))
 ORDER BY 2, 1
