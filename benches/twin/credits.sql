-- The peer of the benchmarks: the rules of the credit functions in PL/pgSQL, over the same tables, indexes, triggers and
-- policies. Run by a superuser in a database that has the extension, it replaces the compiled functions by others of the same
-- signature, owner and grants. Static SQL, a fixed search_path, one statement for each step.
--
-- What PL/pgSQL cannot do is missing: a snapshot of this instant under REPEATABLE READ, and seeing whether a statement names a
-- column. So is the choice between several subscriptions of one user, and some hints of errors. The tests of the credit functions
-- that depend on these fail against it (AURIA_TWIN=1 make test-one T=credits::); the others pass.

CREATE OR REPLACE FUNCTION public.get_credit_cost(p_operation text) RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    cost integer;
BEGIN
    IF p_operation IS NULL THEN
        RAISE EXCEPTION 'p_operation must not be null' USING ERRCODE = '22004';
    END IF;
    SELECT credits INTO cost FROM public.credit_costs WHERE operation = p_operation;
    RETURN coalesce(cost, 1);
END $$;


CREATE OR REPLACE FUNCTION public.can_use_credits(p_user_id uuid, p_operation text) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    s record;
    cost integer;
    monthly integer;
    uses bigint;
BEGIN
    IF p_user_id IS NULL OR p_operation IS NULL THEN
        RAISE EXCEPTION 'p_user_id and p_operation must not be null' USING ERRCODE = '22004';
    END IF;
    IF current_setting('role') = 'authenticated' AND auth.uid() IS DISTINCT FROM p_user_id THEN
        RAISE EXCEPTION 'can_use_credits() answers signed-in users about themselves only' USING ERRCODE = '42501';
    END IF;
    IF octet_length(p_operation) > 200 OR p_operation = 'plan_change' OR p_operation LIKE '%\_refund' THEN
        RAISE EXCEPTION 'p_operation is no name of an operation' USING ERRCODE = '22023';
    END IF;
    SELECT status, plan_id, credits_rollover, credits_bonus, credits_used_this_month
      INTO s FROM public.subscriptions WHERE user_id = p_user_id;
    IF FOUND AND s.status IN ('active', 'trialing') THEN
        SELECT credits INTO cost FROM public.credit_costs WHERE operation = p_operation;
        SELECT credits_per_month INTO monthly FROM public.subscription_plans WHERE id = s.plan_id;
        RETURN monthly IS NOT DISTINCT FROM -1
            OR greatest(coalesce(monthly, 0), 0)::bigint + s.credits_rollover + s.credits_bonus - s.credits_used_this_month
               >= greatest(coalesce(cost, 1), 0);
    END IF;
    SELECT count(*) INTO uses FROM public.credit_usage
     WHERE user_id = p_user_id AND operation = p_operation AND is_free AND counterpart = 0
       AND created_at > now() - interval '30 days';
    IF p_operation = 'case_analysis' THEN
        SELECT uses + count(DISTINCT e.session_id) INTO uses
          FROM auria.migrations AS installed
          JOIN public.evaluations e ON e.created_at < installed.applied_at
         WHERE installed.number = 6 AND e.user_id = p_user_id AND e.created_at > now() - interval '30 days'
           AND NOT EXISTS (SELECT FROM public.credit_usage u
                            WHERE u.user_id = e.user_id AND u.operation = p_operation
                              AND (u.created_at < installed.applied_at OR u.reference_id IN (e.id, e.session_id)));
        RETURN uses < 3;
    END IF;
    RETURN p_operation = 'dsd_simulation' AND uses < 2;
END $$;


-- Without a counting subscription: not on the path of a charge.
CREATE SCHEMA twin;
CREATE FUNCTION twin.use_free(p_user_id uuid, p_operation text, p_subscription_id uuid, p_reference_id uuid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    cost integer;
    uses bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1096107604, hashtext(p_user_id::text) & 2047);
    IF p_reference_id IS NOT NULL AND EXISTS (
        SELECT FROM public.credit_usage
         WHERE user_id = p_user_id AND operation = p_operation AND reference_id = p_reference_id AND counterpart = 0)
    THEN
        RETURN true;
    END IF;
    SELECT count(*) INTO uses FROM public.credit_usage
     WHERE user_id = p_user_id AND operation = p_operation AND is_free AND counterpart = 0
       AND created_at > now() - interval '30 days';
    IF p_operation = 'case_analysis' THEN
        SELECT uses + count(DISTINCT e.session_id) INTO uses
          FROM auria.migrations AS installed
          JOIN public.evaluations e ON e.created_at < installed.applied_at
         WHERE installed.number = 6 AND e.user_id = p_user_id AND e.created_at > now() - interval '30 days'
           AND NOT EXISTS (SELECT FROM public.credit_usage u
                            WHERE u.user_id = e.user_id AND u.operation = p_operation
                              AND (u.created_at < installed.applied_at OR u.reference_id IN (e.id, e.session_id)));
    END IF;
    IF uses >= (CASE p_operation WHEN 'case_analysis' THEN 3 WHEN 'dsd_simulation' THEN 2 ELSE 0 END) THEN
        RETURN false;
    END IF;
    SELECT credits INTO cost FROM public.credit_costs WHERE operation = p_operation;
    INSERT INTO public.credit_usage
           (user_id, subscription_id, operation, credits_used, reference_id, created_at, is_free)
    VALUES (p_user_id, p_subscription_id, p_operation, greatest(coalesce(cost, 1), 0), p_reference_id,
            clock_timestamp(), true)
        ON CONFLICT DO NOTHING;
    RETURN true;
END $$;


CREATE OR REPLACE FUNCTION public.use_credits(p_user_id uuid, p_operation text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    s record;
    cost integer;
    granted integer;
    spent integer;
    covered integer;
    rollover integer;
    bonus integer;
BEGIN
    IF p_user_id IS NULL OR p_operation IS NULL THEN
        RAISE EXCEPTION 'p_user_id and p_operation must not be null' USING ERRCODE = '22004';
    END IF;
    IF octet_length(p_operation) > 200 OR p_operation = 'plan_change' OR p_operation LIKE '%\_refund' THEN
        RAISE EXCEPTION 'p_operation is no name of an operation' USING ERRCODE = '22023';
    END IF;
    SELECT id, status, plan_id, credits_rollover, credits_bonus, credits_used_this_month
      INTO s FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    IF NOT FOUND OR s.status NOT IN ('active', 'trialing') THEN
        RETURN twin.use_free(p_user_id, p_operation, s.id, NULL);
    END IF;
    SELECT credits INTO cost FROM public.credit_costs WHERE operation = p_operation;
    cost := greatest(coalesce(cost, 1), 0);
    SELECT credits_per_month INTO granted FROM public.subscription_plans WHERE id = s.plan_id;
    rollover := 0;
    bonus := 0;
    IF granted IS DISTINCT FROM -1 THEN
        granted := greatest(coalesce(granted, 0), 0);
        IF granted::bigint + s.credits_rollover + s.credits_bonus - s.credits_used_this_month < cost THEN
            RETURN false;
        END IF;
        spent := greatest(s.credits_used_this_month, 0);
        IF spent + cost > granted THEN
            covered := greatest(s.credits_rollover, 0);
            rollover := least(spent + cost - granted, covered) - least(greatest(spent - granted, 0), covered);
            bonus := greatest(spent + cost - granted - covered, 0) - greatest(spent - granted - covered, 0);
        END IF;
    END IF;
    UPDATE public.subscriptions
       SET credits_used_this_month = credits_used_this_month + cost,
           cases_used_this_month = cases_used_this_month + CASE p_operation WHEN 'case_analysis' THEN 1 ELSE 0 END,
           dsd_used_this_month = dsd_used_this_month + CASE p_operation WHEN 'dsd_simulation' THEN 1 ELSE 0 END,
           updated_at = now()
     WHERE id = s.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a trigger kept the subscription from being written' USING ERRCODE = '09000';
    END IF;
    INSERT INTO public.credit_usage
           (user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, created_at)
    VALUES (p_user_id, s.id, p_operation, cost, rollover, bonus, clock_timestamp());
    RETURN true;
END $$;


CREATE OR REPLACE FUNCTION public.use_credits(p_user_id uuid, p_operation text, p_reference_id uuid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    s record;
    cost integer;
    granted integer;
    spent integer;
    covered integer;
    rollover integer;
    bonus integer;
BEGIN
    IF p_user_id IS NULL OR p_operation IS NULL OR p_reference_id IS NULL THEN
        RAISE EXCEPTION 'p_user_id, p_operation and p_reference_id must not be null' USING ERRCODE = '22004';
    END IF;
    IF octet_length(p_operation) > 200 OR p_operation = 'plan_change' OR p_operation LIKE '%\_refund' THEN
        RAISE EXCEPTION 'p_operation is no name of an operation' USING ERRCODE = '22023';
    END IF;
    SELECT id, status, plan_id, credits_rollover, credits_bonus, credits_used_this_month
      INTO s FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    IF NOT FOUND OR s.status NOT IN ('active', 'trialing') THEN
        RETURN twin.use_free(p_user_id, p_operation, s.id, p_reference_id);
    END IF;
    IF EXISTS (SELECT FROM public.credit_usage
                WHERE user_id = p_user_id AND operation = p_operation AND reference_id = p_reference_id AND counterpart = 0)
    THEN
        RETURN true;
    END IF;
    SELECT credits INTO cost FROM public.credit_costs WHERE operation = p_operation;
    cost := greatest(coalesce(cost, 1), 0);
    SELECT credits_per_month INTO granted FROM public.subscription_plans WHERE id = s.plan_id;
    rollover := 0;
    bonus := 0;
    IF granted IS DISTINCT FROM -1 THEN
        granted := greatest(coalesce(granted, 0), 0);
        IF granted::bigint + s.credits_rollover + s.credits_bonus - s.credits_used_this_month < cost THEN
            RETURN false;
        END IF;
        spent := greatest(s.credits_used_this_month, 0);
        IF spent + cost > granted THEN
            covered := greatest(s.credits_rollover, 0);
            rollover := least(spent + cost - granted, covered) - least(greatest(spent - granted, 0), covered);
            bonus := greatest(spent + cost - granted - covered, 0) - greatest(spent - granted - covered, 0);
        END IF;
    END IF;
    -- The ledger first: a reference that was charged meanwhile conflicts, and nothing is counted.
    INSERT INTO public.credit_usage
           (user_id, subscription_id, operation, credits_used, from_rollover, from_bonus, created_at, reference_id)
    VALUES (p_user_id, s.id, p_operation, cost, rollover, bonus, clock_timestamp(), p_reference_id)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    UPDATE public.subscriptions
       SET credits_used_this_month = credits_used_this_month + cost,
           cases_used_this_month = cases_used_this_month + CASE p_operation WHEN 'case_analysis' THEN 1 ELSE 0 END,
           dsd_used_this_month = dsd_used_this_month + CASE p_operation WHEN 'dsd_simulation' THEN 1 ELSE 0 END,
           updated_at = now()
     WHERE id = s.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a trigger kept the subscription from being written' USING ERRCODE = '09000';
    END IF;
    RETURN true;
END $$;


-- Gives a use back that was found; false when somebody else did meanwhile.
CREATE FUNCTION twin.give_back(p_user_id uuid, given public.credit_usage) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    s record;
    number bigint;
    total integer := greatest(given.credits_used, 0);
    of_rollover integer := least(greatest(given.from_rollover, 0), total);
    of_bonus integer := least(greatest(given.from_bonus, 0), total - of_rollover);
    of_month integer := total - of_rollover - of_bonus;
    off_used integer := 0;
    off_hidden integer := 0;
    to_rollover integer := 0;
    to_bonus integer;
    counted integer;
BEGIN
    number := nextval('public.credit_usage_entry_seq');
    IF given.is_free THEN
        UPDATE public.credit_usage SET counterpart = number WHERE id = given.id AND counterpart = 0;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
        INSERT INTO public.credit_usage
               (entry, user_id, subscription_id, operation, credits_used, reference_id, created_at, is_free, counterpart)
        OVERRIDING SYSTEM VALUE
        VALUES (number, p_user_id, given.subscription_id, given.operation || '_refund', -given.credits_used,
                given.reference_id, clock_timestamp(), true, given.entry);
        RETURN true;
    END IF;
    SELECT * INTO s FROM public.subscriptions WHERE user_id = p_user_id;
    IF NOT FOUND THEN
        -- The subscription that paid is gone: the credits are bonus of the one there is.
        PERFORM public.add_bonus_credits(p_user_id, 1);
        UPDATE public.subscriptions SET credits_bonus = credits_bonus - 1 WHERE user_id = p_user_id RETURNING * INTO s;
    END IF;
    IF given.subscription_id = s.id
       AND (given.entry > s.usage_reset_entry
            OR s.usage_reset_entry IS NULL AND given.created_at > s.usage_reset_at)
    THEN
        IF given.entry <= s.plan_change_entry THEN
            to_rollover := of_rollover;
            off_hidden := least(of_month, greatest(s.credits_used_hidden, 0));
            off_used := least(of_month - off_hidden, greatest(s.credits_used_this_month, 0));
        ELSE
            off_used := least(total, greatest(s.credits_used_this_month, 0));
        END IF;
    END IF;
    to_bonus := total - off_used - off_hidden - to_rollover;
    counted := CASE WHEN given.subscription_id = s.id THEN 1 ELSE 0 END;
    UPDATE public.credit_usage SET counterpart = number WHERE id = given.id AND counterpart = 0;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE public.subscriptions
       SET credits_used_this_month = credits_used_this_month - off_used,
           credits_used_hidden = credits_used_hidden - off_hidden,
           credits_rollover = credits_rollover + to_rollover,
           credits_bonus = credits_bonus + to_bonus,
           cases_used_this_month = CASE given.operation WHEN 'case_analysis'
               THEN greatest(cases_used_this_month - counted, 0) ELSE cases_used_this_month END,
           dsd_used_this_month = CASE given.operation WHEN 'dsd_simulation'
               THEN greatest(dsd_used_this_month - counted, 0) ELSE dsd_used_this_month END,
           updated_at = now()
     WHERE id = s.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a trigger kept the subscription from being written' USING ERRCODE = '09000';
    END IF;
    INSERT INTO public.credit_usage
           (entry, user_id, subscription_id, operation, credits_used, reference_id, created_at,
            from_rollover, from_bonus, from_hidden, counterpart)
    OVERRIDING SYSTEM VALUE
    VALUES (number, p_user_id, s.id, given.operation || '_refund', -given.credits_used, given.reference_id,
            clock_timestamp(), -to_rollover, -to_bonus, -off_hidden, given.entry);
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION public.refund_credits(p_user_id uuid, p_operation text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    given public.credit_usage;
BEGIN
    IF p_user_id IS NULL OR p_operation IS NULL THEN
        RAISE EXCEPTION 'p_user_id and p_operation must not be null' USING ERRCODE = '22004';
    END IF;
    IF octet_length(p_operation) > 200 OR p_operation = 'plan_change' OR p_operation LIKE '%\_refund' THEN
        RAISE EXCEPTION 'p_operation is no name of an operation' USING ERRCODE = '22023';
    END IF;
    PERFORM FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    LOOP
        SELECT * INTO given FROM public.credit_usage
         WHERE user_id = p_user_id AND operation = p_operation AND counterpart = 0
         ORDER BY entry DESC LIMIT 1;
        IF NOT FOUND OR given.created_at <= now() - interval '30 days' THEN
            RETURN false;
        END IF;
        IF twin.give_back(p_user_id, given) THEN
            RETURN true;
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION public.refund_credits(p_user_id uuid, p_operation text, p_reference_id uuid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    given public.credit_usage;
BEGIN
    IF p_user_id IS NULL OR p_operation IS NULL OR p_reference_id IS NULL THEN
        RAISE EXCEPTION 'p_user_id, p_operation and p_reference_id must not be null' USING ERRCODE = '22004';
    END IF;
    IF octet_length(p_operation) > 200 OR p_operation = 'plan_change' OR p_operation LIKE '%\_refund' THEN
        RAISE EXCEPTION 'p_operation is no name of an operation' USING ERRCODE = '22023';
    END IF;
    PERFORM FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    LOOP
        SELECT * INTO given FROM public.credit_usage
         WHERE user_id = p_user_id AND operation = p_operation AND reference_id = p_reference_id
         ORDER BY counterpart LIMIT 1;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
        IF given.counterpart <> 0 OR twin.give_back(p_user_id, given) THEN
            RETURN true;
        END IF;
    END LOOP;
END $$;


CREATE OR REPLACE FUNCTION public.add_bonus_credits(p_user_id uuid, p_credits integer) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF p_user_id IS NULL OR p_credits IS NULL THEN
        RAISE EXCEPTION 'p_user_id and p_credits must not be null' USING ERRCODE = '22004';
    END IF;
    IF p_credits <= 0 THEN
        RAISE EXCEPTION 'p_credits must be positive' USING ERRCODE = '22023';
    END IF;
    UPDATE public.subscriptions SET credits_bonus = credits_bonus + p_credits, updated_at = now()
     WHERE user_id = p_user_id;
    IF NOT FOUND THEN
        INSERT INTO public.subscriptions AS s (user_id, plan_id, status, credits_bonus)
        VALUES (p_user_id, (SELECT id FROM public.subscription_plans WHERE id = 'starter'), 'active', p_credits)
            ON CONFLICT (user_id) DO UPDATE SET credits_bonus = s.credits_bonus + p_credits;
    END IF;
END $$;


CREATE OR REPLACE FUNCTION public.reset_monthly_usage_with_rollover() RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    settled integer;
BEGIN
    PERFORM pg_advisory_xact_lock(1096107845, 0);
    UPDATE public.subscriptions s
       SET (credits_rollover, credits_bonus) = (
               SELECT CASE WHEN NOT coalesce(p.allows_rollover, false) THEN 0
                           ELSE least(CASE WHEN p.rollover_max IS NOT NULL THEN greatest(p.rollover_max, 0) END,
                                      least(month.granted - month.used + greatest(s.credits_rollover, 0)
                                            - least(month.over, greatest(s.credits_rollover, 0)), 2147483647)) END,
                      greatest(s.credits_bonus, 0)
                      - least(greatest(month.over - greatest(s.credits_rollover, 0), 0), greatest(s.credits_bonus, 0))
                 FROM (SELECT) AS one
                 LEFT JOIN public.subscription_plans p ON p.id = s.plan_id
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN p.credits_per_month = -1 THEN 0 ELSE greatest(coalesce(p.credits_per_month, 0), 0) END
                               ::bigint AS granted,
                           CASE WHEN p.credits_per_month = -1 THEN 0
                                ELSE least(greatest(s.credits_used_this_month, 0),
                                           greatest(coalesce(p.credits_per_month, 0), 0)) END AS used,
                           CASE WHEN p.credits_per_month = -1 THEN 0
                                ELSE greatest(greatest(s.credits_used_this_month, 0)
                                              - greatest(coalesce(p.credits_per_month, 0), 0), 0) END AS over
                ) AS month),
           credits_used_this_month = 0,
           credits_used_hidden = 0,
           cases_used_this_month = 0,
           dsd_used_this_month = 0,
           usage_reset_at = clock_timestamp(),
           usage_reset_entry = coalesce(pg_sequence_last_value('public.credit_usage_entry_seq'), 0),
           updated_at = now()
     WHERE usage_reset_at < now() - interval '30 days';
    GET DIAGNOSTICS settled = ROW_COUNT;
    RETURN settled;
END $$;

CREATE OR REPLACE FUNCTION public.reset_monthly_usage() RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    RETURN public.reset_monthly_usage_with_rollover();
END $$;


CREATE OR REPLACE FUNCTION public.can_create_case(p_user_id uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    s record;
    most integer;
BEGIN
    IF p_user_id IS NULL THEN
        RAISE EXCEPTION 'p_user_id must not be null' USING ERRCODE = '22004';
    END IF;
    IF current_setting('role') = 'authenticated' AND auth.uid() IS DISTINCT FROM p_user_id THEN
        RAISE EXCEPTION 'can_create_case() answers signed-in users about themselves only' USING ERRCODE = '42501';
    END IF;
    SELECT status, plan_id, cases_used_this_month INTO s FROM public.subscriptions WHERE user_id = p_user_id;
    IF FOUND AND s.status IN ('active', 'trialing') THEN
        SELECT cases_per_month INTO most FROM public.subscription_plans WHERE id = s.plan_id;
        RETURN most IS NOT DISTINCT FROM -1 OR s.cases_used_this_month < coalesce(most, 0);
    END IF;
    RETURN (SELECT count(*) FROM public.evaluations
             WHERE user_id = p_user_id AND created_at > now() - interval '30 days') < 5;
END $$;

CREATE OR REPLACE FUNCTION public.increment_case_usage(p_user_id uuid) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF p_user_id IS NULL THEN
        RAISE EXCEPTION 'p_user_id must not be null' USING ERRCODE = '22004';
    END IF;
    UPDATE public.subscriptions SET cases_used_this_month = cases_used_this_month + 1, updated_at = now()
     WHERE user_id = p_user_id;
END $$;


CREATE OR REPLACE FUNCTION public.check_and_increment_rate_limit(
    p_user_id uuid, p_function_name text,
    p_minute_window timestamp with time zone, p_hour_window timestamp with time zone, p_day_window timestamp with time zone)
    RETURNS TABLE(minute_count integer, hour_count integer, day_count integer)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF p_user_id IS NULL OR p_function_name IS NULL OR p_minute_window IS NULL OR p_hour_window IS NULL
       OR p_day_window IS NULL
    THEN
        RAISE EXCEPTION 'no argument may be null' USING ERRCODE = '22004';
    END IF;
    IF octet_length(p_function_name) > 200 THEN
        RAISE EXCEPTION 'p_function_name is too long' USING ERRCODE = '22023';
    END IF;
    RETURN QUERY
    INSERT INTO public.rate_limits AS r
           (user_id, function_name, minute_count, minute_window, hour_count, hour_window, day_count, day_window)
    VALUES (p_user_id, p_function_name, 1, p_minute_window, 1, p_hour_window, 1, p_day_window)
        ON CONFLICT (user_id, function_name) DO UPDATE SET
           minute_count = CASE WHEN excluded.minute_window > r.minute_window THEN 1 ELSE r.minute_count + 1 END,
           minute_window = greatest(excluded.minute_window, r.minute_window),
           hour_count = CASE WHEN excluded.hour_window > r.hour_window THEN 1 ELSE r.hour_count + 1 END,
           hour_window = greatest(excluded.hour_window, r.hour_window),
           day_count = CASE WHEN excluded.day_window > r.day_window THEN 1 ELSE r.day_count + 1 END,
           day_window = greatest(excluded.day_window, r.day_window),
           updated_at = now()
    RETURNING r.minute_count, r.hour_count, r.day_count;
END $$;

CREATE OR REPLACE FUNCTION public.cleanup_old_rate_limits() RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    forgotten integer;
BEGIN
    DELETE FROM public.rate_limits WHERE updated_at < now() - interval '7 days';
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;
