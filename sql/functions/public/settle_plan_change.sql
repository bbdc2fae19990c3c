CREATE OR REPLACE FUNCTION public.settle_plan_change() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'settle_plan_change_wrapper';

COMMENT ON FUNCTION public.settle_plan_change() IS
    'Trigger: when the plan of a subscription changes, settles what was used under the old one';

REVOKE ALL ON FUNCTION public.settle_plan_change() FROM PUBLIC, anon, authenticated, service_role;
