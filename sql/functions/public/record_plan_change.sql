CREATE OR REPLACE FUNCTION public.record_plan_change() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'record_plan_change_wrapper';

COMMENT ON FUNCTION public.record_plan_change() IS
    'Trigger: writes to the ledger what a change of plan did to the counter';

REVOKE ALL ON FUNCTION public.record_plan_change() FROM PUBLIC, anon, authenticated, service_role;
