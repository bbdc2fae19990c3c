// What Supabase's database linter reports, as queries: each returns one row, `finding`, for each thing it would report.
// The linter skips what belongs to an extension, which the functions of schema auria do: here they are looked at, too.
//
// `hole` makes a finding, to see that the rule can find one.

import { MANAGED, server } from '../stage/flow.js';

const OURS = `n.nspname IN ('public', 'auria'${server.isSupabase ? '' : ", 'storage'"})`;

/** SECURITY DEFINER functions that callers without a backend may execute: those that are meant for them. */
const FOR_EVERYBODY = ['get_shared_evaluation', 'get_shared_dsd', 'check_shared_link_status'];
const FOR_THE_SIGNED_IN = [...FOR_EVERYBODY, 'can_use_credits', 'can_create_case', 'get_dashboard_metrics'];

/** Columns that name a patient or dentist, lead to a payment, or are secret. */
const SENSITIVE =
  '^(name|patient_name|patient_id|phone|email|birth_date|notes|anamnesis|patient_document|draft_data|budget|full_name|cro|stripe_.*|token|.*_encrypted)$';

const quoted = (names) => names.map((name) => `'${name}'`).join(', ');

/** They run with the rights of their owner, and are not declared so: it would cost more than a tenth of a charge. */
const TAKING_THEIR_OWNERS_RIGHTS = [
  'can_use_credits(uuid, text)',
  'use_credits(uuid, text)',
  'use_credits(uuid, text, uuid)',
  'refund_credits(uuid, text)',
  'refund_credits(uuid, text, uuid)',
  'check_and_increment_rate_limit(uuid, text, timestamptz, timestamptz, timestamptz)',
]
  .map(managed)
  .join(', ');

/** These, and those of the backend that set their path as well. */
const WITH_THEIR_OWNERS_RIGHTS = [
  'add_bonus_credits(uuid, integer)',
  'increment_case_usage(uuid)',
  'reset_monthly_usage()',
  'reset_monthly_usage_with_rollover()',
  'cleanup_old_rate_limits()',
  'cleanup_stale_drafts()',
  'cleanup_expired_shared_links()',
  'cleanup_stuck_evaluations()',
  'verify_phi_encryption()',
]
  .map(managed)
  .concat(TAKING_THEIR_OWNERS_RIGHTS)
  .join(', ');

function managed(signature) {
  return `'public.${signature}'::regprocedure`;
}

/** Functions that belong to another extension, such as pg_trgm's. */
const OF_ANOTHER_EXTENSION = `EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                       WHERE d.objid = f.oid AND d.deptype = 'e' AND e.extname <> 'auria')`;

export const RULES = [
  {
    name: 'every foreign key has an index that begins with its columns',
    query: `
      SELECT c.conrelid::regclass || '.' || c.conname AS finding
      FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
      WHERE c.contype = 'f' AND n.nspname IN ('public', 'auria')
        -- Written by every charge, read when a subscription is deleted: 5 % of a charge (migration 006).
        AND c.conname <> 'credit_usage_subscription_id_fkey'
        AND NOT EXISTS (
          SELECT FROM pg_index i
          WHERE i.indrelid = c.conrelid AND i.indisvalid
            AND (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] @> c.conkey
            -- Of partial indexes only those that leave out nothing but rows without a reference.
            AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = format('(%s IS NOT NULL)',
                 (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.conrelid AND attnum = c.conkey[1]))))`,
    hole: 'DROP INDEX public.idx_evaluations_patient_id',
  },
  {
    name: 'every table of an exposed schema has row-level security',
    query: `
      SELECT t.oid::regclass::text AS finding FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
      WHERE t.relkind IN ('r', 'p') AND ${OURS} AND NOT t.relrowsecurity`,
    hole: 'CREATE TABLE public.forgotten (id integer PRIMARY KEY)',
  },
  {
    name: 'every table with row-level security has a policy',
    query: `
      SELECT t.oid::regclass::text AS finding FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
      WHERE t.relkind IN ('r', 'p') AND n.nspname IN ('public', 'auria') AND t.relrowsecurity
        AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid)`,
    hole: 'DROP POLICY prompt_executions_all_service_role ON public.prompt_executions',
  },
  {
    name: 'no table has policies while row-level security is off',
    query: `
      SELECT DISTINCT t.oid::regclass::text AS finding FROM pg_policy p JOIN pg_class t ON t.oid = p.polrelid
      WHERE NOT t.relrowsecurity`,
    hole: 'ALTER TABLE public.patients DISABLE ROW LEVEL SECURITY',
  },
  {
    name: 'policies ask for the user and for settings once per query, not per row',
    query: `
      SELECT format('%s: %s: %s', p.polrelid::regclass, p.polname, rest.text) AS finding
      FROM pg_policy p,
           LATERAL (SELECT concat(pg_get_expr(p.polqual, p.polrelid), ' ', pg_get_expr(p.polwithcheck, p.polrelid)) AS text) rule,
           -- What is left when the sub-selects are taken out that the planner evaluates once: SELECT with one
           -- call and no FROM, as Supabase's own linter looks for them.
           LATERAL (SELECT regexp_replace(rule.text,
              '\\( SELECT (auth\\.\\w+\\(\\)|current_setting\\([^)]*\\))( AS [^)]*)?\\)',
              '', 'g') AS text) rest
      WHERE rest.text ~ '(auth\\.(uid|role|jwt|email)\\(\\)|current_setting\\()'`,
    hole: 'CREATE POLICY hole ON public.patients FOR SELECT TO service_role USING (user_id = auth.uid())',
  },
  {
    name: 'no role has two permissive policies for one command on a table',
    query: `
      SELECT format('%s: %s for %s', p.polrelid::regclass, string_agg(p.polname, ', '), role) AS finding
      FROM pg_policy p
      CROSS JOIN LATERAL unnest(CASE WHEN p.polcmd = '*' THEN '{r,a,w,d}'::"char"[] ELSE ARRAY[p.polcmd] END) AS command
      CROSS JOIN LATERAL (SELECT rolname AS role FROM pg_roles
                           WHERE rolname IN ('anon', 'authenticated', 'service_role')
                             AND (oid = ANY (p.polroles) OR 0 = ANY (p.polroles))) api
      JOIN pg_class t ON t.oid = p.polrelid JOIN pg_namespace n ON n.oid = t.relnamespace
      WHERE p.polpermissive AND n.nspname IN ('public', 'auria')
      GROUP BY p.polrelid, command, role HAVING count(*) > 1`,
    hole: 'CREATE POLICY hole ON public.profiles FOR ALL TO authenticated USING (user_id = (SELECT auth.uid()))',
  },
  {
    name: 'every policy names its roles, and every UPDATE policy has a WITH CHECK',
    query: `
      SELECT format('%s: %s', p.polrelid::regclass, p.polname) AS finding FROM pg_policy p
      JOIN pg_class t ON t.oid = p.polrelid JOIN pg_namespace n ON n.oid = t.relnamespace
      WHERE ${OURS} AND (0 = ANY (p.polroles) OR p.polcmd IN ('w', '*') AND p.polwithcheck IS NULL)`,
    hole: 'CREATE POLICY hole ON public.patients FOR UPDATE TO service_role USING (true)',
  },
  {
    name: 'no policy lets anon or authenticated write every row',
    query: `
      SELECT format('%s: %s', p.polrelid::regclass, p.polname) AS finding FROM pg_policy p
      WHERE p.polcmd <> 'r'
        AND (0 = ANY (p.polroles) OR EXISTS (SELECT FROM pg_roles WHERE oid = ANY (p.polroles) AND rolname IN ('anon', 'authenticated')))
        AND 'true' IN (pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))`,
    hole: 'CREATE POLICY hole ON public.credit_packs FOR INSERT TO authenticated WITH CHECK (true)',
  },
  {
    name: 'no policy trusts what users say about themselves',
    query: `
      SELECT format('%s: %s', p.polrelid::regclass, p.polname) AS finding FROM pg_policy p
      WHERE concat(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) ~ 'user_metadata'`,
    hole: `CREATE POLICY hole ON public.patients FOR SELECT TO service_role
           USING ((SELECT (auth.jwt() -> 'user_metadata' ->> 'admin')::boolean))`,
  },
  {
    name: 'every function has a search_path of its own, members of the extension included',
    query: `
      SELECT f.oid::regprocedure::text AS finding FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
      WHERE n.nspname IN (${MANAGED}) AND NOT ${OF_ANOTHER_EXTENSION}
        AND NOT EXISTS (SELECT FROM unnest(f.proconfig) AS setting WHERE setting LIKE 'search_path=%')
        -- Inlined into policies, which ask it for each row; every name in it is qualified.
        AND f.oid <> 'storage.foldername(text)'::regprocedure
        -- A procedure that commits can have no settings. These have the rights of their caller, the backend.
        AND NOT (f.oid IN ('auria.phi_backfill(integer, boolean)'::regprocedure, 'auria.reset_monthly(integer)'::regprocedure,
                           'auria.phi_seal()'::regprocedure, 'auria.phi_unseal()'::regprocedure)
                 AND NOT f.prosecdef
                 AND NOT has_function_privilege('authenticated', f.oid, 'EXECUTE'))
        -- It opens a value of a view in less time than a path takes to set, runs no SQL but to ask who reads, and sets the
        -- path for that itself.
        AND NOT (f.oid = 'auria.open_text(bytea, boolean)'::regprocedure
                 AND f.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND NOT f.prosecdef)
        -- They read and write rows, with their owner's rights where they need them, and set the path where they do it by SQL.
        AND NOT (f.oid IN ('public.get_credit_cost(text)'::regprocedure, ${TAKING_THEIR_OWNERS_RIGHTS})
                 AND f.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND NOT f.prosecdef)
        -- They encrypt and decrypt a value, and set the path where they look the key up, once in a transaction.
        AND NOT (f.oid IN ('public.phi_encrypt(text)'::regprocedure, 'public.phi_decrypt(bytea)'::regprocedure)
                 AND f.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND NOT f.prosecdef
                 AND NOT has_function_privilege('authenticated', f.oid, 'EXECUTE'))
        -- They run at every charge, and the path would cost more than they do. They read the row by its columns, and
        -- fix the path themselves where they query: the attacks on the search path change a plan.
        AND NOT (f.oid IN ('public.check_subscription_status()'::regprocedure, 'public.settle_plan_change()'::regprocedure,
                           'public.record_plan_change()'::regprocedure)
                 AND f.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND NOT f.prosecdef)
        -- It runs for each row of an update, and runs no SQL.
        AND NOT (f.oid = 'public.update_updated_at_column()'::regprocedure
                 AND f.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND NOT f.prosecdef)`,
    hole: 'ALTER FUNCTION public.get_dashboard_metrics(uuid) RESET search_path',
  },
  {
    name: 'no search_path of a function names a schema that others may write to',
    query: `
      SELECT f.oid::regprocedure::text AS finding FROM pg_proc f, unnest(f.proconfig) AS setting
      WHERE f.pronamespace IN ('public'::regnamespace, 'auria'::regnamespace)
        AND setting LIKE 'search_path=%' AND setting <> 'search_path=pg_catalog, pg_temp'`,
    hole: 'ALTER FUNCTION public.get_credit_cost(text) SET search_path = public, pg_catalog',
  },
  {
    name: 'visitors and users execute no SECURITY DEFINER function but those meant for them',
    query: `
      SELECT format('%s for %s', f.oid::regprocedure, role) AS finding
      FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
      CROSS JOIN (VALUES ('anon'), ('authenticated')) AS api (role)
      WHERE n.nspname IN ('public', 'auria', 'auth', 'storage')
        AND (f.prosecdef OR f.oid IN (${WITH_THEIR_OWNERS_RIGHTS})) AND has_function_privilege(role, f.oid, 'EXECUTE')
        AND f.proname <> ALL (CASE role WHEN 'anon' THEN ARRAY[${quoted(FOR_EVERYBODY)}] ELSE ARRAY[${quoted(FOR_THE_SIGNED_IN)}] END)`,
    hole: 'GRANT EXECUTE ON FUNCTION public.reset_monthly_usage() TO PUBLIC',
  },
  {
    name: 'no SECURITY DEFINER function, table or view of the extension belongs to a superuser',
    query: `
      SELECT f.oid::regprocedure::text AS finding
      FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace JOIN pg_roles o ON o.oid = f.proowner
      WHERE n.nspname IN ('public', 'auria') AND o.rolsuper
        AND (f.prosecdef OR f.oid IN (${WITH_THEIR_OWNERS_RIGHTS}))
      UNION ALL
      SELECT t.oid::regclass::text
      FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_roles o ON o.oid = t.relowner
      WHERE n.nspname = 'public' AND t.relkind IN ('r', 'p', 'v', 'm') AND o.rolsuper`,
    hole: 'ALTER FUNCTION public.can_use_credits(uuid, text) OWNER TO CURRENT_USER',
  },
  {
    name: 'nobody has a right on a function or table through PUBLIC',
    query: `
      SELECT f.oid::regprocedure::text AS finding
      FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace, aclexplode(COALESCE(f.proacl, acldefault('f', f.proowner))) acl
      WHERE n.nspname IN ('public', 'auria') AND acl.grantee = 0 AND NOT ${OF_ANOTHER_EXTENSION}
      UNION ALL
      SELECT t.oid::regclass::text FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace, aclexplode(t.relacl) acl
      WHERE ${OURS} AND acl.grantee = 0`,
    hole: 'GRANT SELECT ON public.resins TO PUBLIC',
  },
  {
    name: 'no API role holds TRUNCATE, REFERENCES or TRIGGER on a table, or CREATE on a managed schema',
    query: `
      SELECT format('%s on %s for %s', privilege, t.oid::regclass, role) AS finding
      FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace,
           (VALUES ('anon'), ('authenticated'), ('service_role')) AS api (role),
           (VALUES ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) AS p (privilege)
      WHERE t.relkind IN ('r', 'p') AND n.nspname IN (${MANAGED}) AND has_table_privilege(role, t.oid, privilege)
      UNION ALL
      SELECT format('CREATE on %s for %s', n.nspname, role)
      FROM pg_namespace n, (VALUES ('anon'), ('authenticated'), ('service_role')) AS api (role)
      WHERE n.nspname IN ('auria', 'auth', 'storage') AND has_schema_privilege(role, n.oid, 'CREATE')`,
    hole: 'GRANT TRUNCATE ON public.profiles TO authenticated',
  },
  {
    name: 'no two indexes of a table do the same work',
    query: `
      SELECT format('%s and %s', a.indexrelid::regclass, b.indexrelid::regclass) AS finding
      FROM pg_index a JOIN pg_index b ON b.indrelid = a.indrelid AND b.indexrelid > a.indexrelid
      JOIN pg_class t ON t.oid = a.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
      JOIN pg_class ic ON ic.oid = a.indexrelid JOIN pg_class jc ON jc.oid = b.indexrelid
      WHERE ${OURS} AND ic.relam = jc.relam
        AND (a.indkey::text, a.indclass::text, a.indoption::text, a.indcollation::text)
          = (b.indkey::text, b.indclass::text, b.indoption::text, b.indcollation::text)
        AND COALESCE(pg_get_expr(a.indexprs, a.indrelid), '') = COALESCE(pg_get_expr(b.indexprs, b.indrelid), '')
        AND COALESCE(pg_get_expr(a.indpred, a.indrelid), '') = COALESCE(pg_get_expr(b.indpred, b.indrelid), '')`,
    hole: 'CREATE INDEX again ON public.patients (user_id, created_at DESC)',
  },
  {
    name: 'every table has a primary key',
    query: `
      SELECT t.oid::regclass::text AS finding FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
      WHERE t.relkind IN ('r', 'p') AND ${OURS}
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = t.oid AND c.contype = 'p')`,
    hole: 'ALTER TABLE public.credit_costs DROP CONSTRAINT credit_costs_pkey',
  },
  {
    name: 'a visitor reads no column that is sensitive, but for the token by which a link is found',
    query: `
      SELECT format('%s.%s', t.oid::regclass, a.attname) AS finding
      FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_attribute a ON a.attrelid = t.oid
      WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname IN ('public', 'auria') AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attname ~ '${SENSITIVE}' AND has_column_privilege('anon', t.oid, a.attnum, 'SELECT')
        -- Products and plans have names, too, and the ids of prices stand on every checkout page.
        AND NOT (t.relname IN ('resins', 'subscription_plans', 'credit_packs') AND a.attname IN ('name', 'stripe_price_id', 'stripe_price_id_yearly'))
        AND (t.relname, a.attname) <> ('shared_links', 'token')`,
    hole: 'GRANT SELECT (patient_name) ON public.evaluations TO anon',
  },
  {
    name: 'the users of the database are exposed by no table or view',
    query: `
      SELECT t.oid::regclass::text AS finding
      FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
      WHERE n.nspname = 'public' AND t.relkind IN ('v', 'm') AND pg_get_viewdef(t.oid) ~ 'auth\\.users'
      UNION ALL
      SELECT format('auth.users for %s', role) FROM (VALUES ('anon'), ('authenticated')) AS api (role)
      WHERE has_any_column_privilege(role, 'auth.users', 'SELECT, INSERT, UPDATE, REFERENCES')`,
    hole: 'CREATE VIEW public.people AS SELECT id, email FROM auth.users',
  },
  {
    name: 'no view works with the rights of its owner, and none is materialised or foreign',
    query: `
      SELECT t.oid::regclass::text AS finding FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
      WHERE n.nspname IN ('public', 'auria') AND (t.relkind IN ('m', 'f')
        OR t.relkind = 'v' AND NOT COALESCE(t.reloptions && '{security_invoker=true,security_invoker=on}', false))`,
    hole: 'CREATE VIEW public.all_patients AS SELECT * FROM public.patients',
  },
];
