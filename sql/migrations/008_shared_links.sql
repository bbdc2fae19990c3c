-- 008 Shared links: a visitor without an account reads the evaluations of one
-- session by presenting a token, until it expires.
--
-- The token comes in the request header x-share-token; PostgREST puts all
-- headers into the setting request.headers, as JSON.

ALTER TABLE public.evaluations
    ADD COLUMN IF NOT EXISTS session_id uuid DEFAULT gen_random_uuid();

SELECT auria.ensure_index('public.evaluations', 'idx_evaluations_session_id', '(session_id)');

COMMENT ON COLUMN public.evaluations.session_id IS 'Evaluations made together, from one set of photos, share it';


------------------------------------------------------------ shared_links --

CREATE TABLE IF NOT EXISTS public.shared_links (
    id          uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id     uuid         NOT NULL,
    session_id  uuid         NOT NULL,
    token       text         NOT NULL,
    expires_at  timestamptz  NOT NULL  DEFAULT (now() + INTERVAL '7 days'),
    created_at  timestamptz  NOT NULL  DEFAULT now()
);

-- Apart from CREATE TABLE, because the function comes and goes with the
-- extension while the table stays.
ALTER TABLE public.shared_links ALTER COLUMN token SET DEFAULT auria.new_share_token();

SELECT auria.ensure_unique('public.shared_links', 'shared_links_token_key', '{token}');
SELECT auria.ensure_foreign_key('public.shared_links', 'shared_links_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');

SELECT auria.ensure_check('public.shared_links', 'shared_links_token_not_malformed',
    $$token ~ '^[0-9a-fA-F]{64}$'$$);
-- In hours: how long 30 days are would depend on the session's time zone, and fail in a restore.
SELECT auria.ensure_check('public.shared_links', 'shared_links_lifetime_not_over_30_days',
    $$expires_at <= created_at + INTERVAL '720 hours'$$);

SELECT auria.ensure_index('public.shared_links', 'idx_shared_links_user_id', '(user_id)');

DROP TRIGGER IF EXISTS keep_shared_links_created_at ON public.shared_links;
CREATE TRIGGER keep_shared_links_created_at
    BEFORE INSERT OR UPDATE OF created_at ON public.shared_links
    FOR EACH ROW EXECUTE FUNCTION public.keep_created_at();

ALTER TABLE public.shared_links ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.shared_links FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.shared_links TO anon;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.shared_links TO authenticated, service_role;

DROP POLICY IF EXISTS shared_links_select_own ON public.shared_links;
CREATE POLICY shared_links_select_own ON public.shared_links
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS shared_links_insert_own ON public.shared_links;
CREATE POLICY shared_links_insert_own ON public.shared_links
    FOR INSERT TO authenticated
    WITH CHECK (
        user_id = (SELECT auth.uid())
        AND EXISTS (
            SELECT FROM public.evaluations
            WHERE evaluations.session_id = shared_links.session_id
              AND evaluations.user_id = (SELECT auth.uid())
        )
    );

DROP POLICY IF EXISTS shared_links_update_own ON public.shared_links;
CREATE POLICY shared_links_update_own ON public.shared_links
    FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid()))
    WITH CHECK (
        user_id = (SELECT auth.uid())
        AND EXISTS (
            SELECT FROM public.evaluations
            WHERE evaluations.session_id = shared_links.session_id
              AND evaluations.user_id = (SELECT auth.uid())
        )
    );

DROP POLICY IF EXISTS shared_links_delete_own ON public.shared_links;
CREATE POLICY shared_links_delete_own ON public.shared_links
    FOR DELETE TO authenticated
    USING (user_id = (SELECT auth.uid()));

-- The token is what a link can have, or NULL: then nothing is looked up, and a
-- malformed token that an old row holds opens nothing.
DROP POLICY IF EXISTS shared_links_select_by_share_token ON public.shared_links;
CREATE POLICY shared_links_select_by_share_token ON public.shared_links
    FOR SELECT TO anon
    USING (
        token = (
            SELECT substring(
                NULLIF((SELECT current_setting('request.headers', true)), '')::json ->> 'x-share-token'
                FROM '^[0-9a-fA-F]{64}$')
        )
        AND expires_at > now()
    );

COMMENT ON TABLE public.shared_links IS 'Temporary links by which a patient sees an evaluation without an account';
COMMENT ON COLUMN public.shared_links.user_id IS 'The dentist who shares; only evaluations of this user are shown';
COMMENT ON COLUMN public.shared_links.session_id IS 'Which evaluations are shared';
COMMENT ON COLUMN public.shared_links.token IS 'Secret: 64 hex characters from 32 random bytes. Whoever holds it may read';
COMMENT ON COLUMN public.shared_links.expires_at IS 'From then on the token opens nothing';


------------------------------------- evaluations, read with a share token --

-- What names the patient, and the budget, are not among the columns. A later
-- migration that adds columns grants them itself.
REVOKE ALL ON TABLE public.evaluations FROM anon;
GRANT SELECT (
    id, session_id, patient_age, tooth, region, cavity_class, restoration_size, substrate,
    substrate_condition, enamel_condition, depth, aesthetic_level, tooth_color,
    stratification_needed, bruxism, longevity_expectation, priority, status,
    recommended_resin_id, recommendation_text, alternatives, stratification_protocol,
    photo_frontal, created_at
) ON TABLE public.evaluations TO anon;

-- The link is looked up once per query, not per row: with a token the planner
-- then reads by session_id, without one it finds nothing to look for. Only for
-- anon, so that an owner's own query keeps its one plain index condition.
DROP POLICY IF EXISTS evaluations_select_by_share_token ON public.evaluations;
CREATE POLICY evaluations_select_by_share_token ON public.evaluations
    FOR SELECT TO anon
    USING (
        (session_id, user_id) = (
            SELECT shared_links.session_id, shared_links.user_id
            FROM public.shared_links
            WHERE shared_links.token = (
                      SELECT substring(
                          NULLIF((SELECT current_setting('request.headers', true)), '')::json ->> 'x-share-token'
                          FROM '^[0-9a-fA-F]{64}$')
                  )
              AND shared_links.expires_at > now()
        )
    );
