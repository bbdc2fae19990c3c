CREATE OR REPLACE FUNCTION public.check_subscription_status() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'check_subscription_status_wrapper';

COMMENT ON FUNCTION public.check_subscription_status() IS
    'Trigger: refuses a status of a subscription that Stripe does not have';

REVOKE ALL ON FUNCTION public.check_subscription_status() FROM PUBLIC, anon, authenticated, service_role;
