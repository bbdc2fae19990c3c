-- DROP POLICY for each permissive policy on a managed table, or for the extension's buckets, that says what a rule of the
-- specification says, or that the original named after its backend and made for everybody; and whether it is on a managed table.
-- $1: the names of the extension's own policies; $2: the managed tables.
WITH policies AS (
    SELECT p.polname, c.relname, p.polcmd,
           pg_catalog.regexp_replace(pg_catalog.lower(COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') COLLATE "C"), '[\s()]|::text', '', 'g') AS using_rule,
           pg_catalog.regexp_replace(pg_catalog.lower(COALESCE(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') COLLATE "C"), '[\s()]|::text', '', 'g') AS check_rule,
           0 = ANY (p.polroles) AS is_for_everybody,
           NOT (0 = ANY (p.polroles))
               AND (SELECT pg_catalog.bool_and(r.rolname = 'service_role')
                      FROM pg_catalog.pg_roles r WHERE r.oid = ANY (p.polroles)) AS is_for_backend
      FROM pg_catalog.pg_policy p
      JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
     WHERE c.relnamespace = 'public'::pg_catalog.regnamespace
       AND c.relname = ANY ($2)
       AND p.polpermissive
       AND p.polname <> ALL ($1)
), rules (rule) AS (
    -- Own rows, in the forms in which PostgreSQL writes them back; no rule at all for the half that a command has not.
    VALUES ('auth.uid=user_id'), ('user_id=auth.uid'), ('selectauth.uidasuid=user_id'), ('user_id=selectauth.uidasuid'),
           (''),
    -- The backend.
           ('auth.role=''service_role'''), ('selectauth.roleasrole=''service_role'''),
           ('auth.jwt->>''role''=''service_role''')
)
SELECT pg_catalog.format('DROP POLICY %I ON public.%I', polname, relname), true
  FROM policies
 WHERE is_for_backend
    -- service_role passes by every policy: one for PUBLIC gives its rights to everybody else.
    OR is_for_everybody AND polname COLLATE "C" ~* '^service role '
    OR using_rule IN (SELECT rule FROM rules) AND check_rule IN (SELECT rule FROM rules)
    -- Public lists.
    OR polcmd = 'r' AND (relname IN ('resins', 'resin_catalog', 'credit_costs', 'credit_packs')
                             AND using_rule IN ('true', 'is_active', 'is_active=true')
                         OR relname = 'subscription_plans' AND using_rule IN ('is_active', 'is_active=true'))
    -- A share link: the access rules ask for its token, which the original's policies did not.
    OR polcmd = 'r' AND relname = 'evaluations' AND using_rule LIKE '%shared\_links%'
    OR polcmd = 'r' AND relname = 'shared_links' AND using_rule LIKE '%expires\_at>now%'
    -- Written for the backend, and for everybody by mistake.
    OR relname IN ('prompt_executions', 'credit_transactions', 'webhook_events') AND polcmd = '*'
           AND using_rule IN ('true', '') AND check_rule IN ('true', '')
    -- Written to say that nobody but the backend may, which no policy at all says.
    OR relname IN ('credit_transactions', 'webhook_events') AND 'false' IN (using_rule, check_rule)
    -- Either side of a referral.
    OR polcmd = 'r' AND relname = 'referral_conversions'
           AND pg_catalog.regexp_split_to_array(pg_catalog.replace(using_rule, 'selectauth.uidasuid', 'auth.uid'), 'or(?=auth|refer)')
               <@ '{auth.uid=referrer_id,auth.uid=referred_id,referrer_id=auth.uid,referred_id=auth.uid}'
UNION ALL
-- Files: own folder of one of the buckets, and everybody's list of a public bucket, whose object URLs need none.
SELECT pg_catalog.format('DROP POLICY %I ON storage.objects', p.polname), false
  FROM pg_catalog.pg_policy p
 CROSS JOIN LATERAL pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                                      pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) AS rule
 WHERE p.polrelid = pg_catalog.to_regclass('storage.objects')
   AND p.polpermissive
   AND p.polname <> ALL ($1)
   AND (rule ~ 'bucket_id = ''(clinical-photos|dsd-simulations|avatars)''' AND rule ~ 'auth\.uid\(\)' AND rule ~ 'foldername'
            AND rule !~* '\mor\M'
        OR p.polcmd = 'r' AND pg_catalog.regexp_replace(rule, '[\s()]|::text', '', 'g') = 'bucket_id=''avatars''')
