CREATE OR REPLACE FUNCTION public.get_credit_cost(p_operation text) RETURNS integer
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'get_credit_cost_wrapper';

COMMENT ON FUNCTION public.get_credit_cost(text) IS
    'What an operation costs, in credits; 1 if it is not configured';

REVOKE ALL ON FUNCTION public.get_credit_cost(text) FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public.get_credit_cost(text) TO anon, authenticated, service_role;
