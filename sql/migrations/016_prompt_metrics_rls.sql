-- 016 Prompt metrics RLS: for the backend alone.

REVOKE ALL ON TABLE public.prompt_executions FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.prompt_executions TO service_role;

-- service_role bypasses policies. This one is for a deployment that runs its
-- backend under a role without that attribute, and it states the rule where
-- people look for it.
DROP POLICY IF EXISTS prompt_executions_all_service_role ON public.prompt_executions;
CREATE POLICY prompt_executions_all_service_role ON public.prompt_executions
    FOR ALL TO service_role
    USING (true)
    WITH CHECK (true);
