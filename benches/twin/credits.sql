-- The peer of the benchmarks: the rules of the credit functions in PL/pgSQL, over the same tables, indexes, triggers and
-- policies. Run by a superuser in a database that has the extension, it replaces the compiled functions by others of the same
-- signature, owner and grants. Static SQL, a fixed search_path, one statement for each step.
--
-- Its triggers settle the months that are over and write events, too. A function that writes counters says so in a setting of the
-- transaction (twin.posts), so that the trigger records nobody's adjustment.
--
-- What PL/pgSQL cannot do is missing: a snapshot of this instant under REPEATABLE READ. So are the choice between several
-- subscriptions of one user, what a team's trigger changes below a function, some hints of errors, and the speed of 200,000 months.
-- The tests of the credit functions that depend on these fail against it (AURIA_TWIN=1 make test-one T=credits::); the others pass.

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
    SELECT status, plan_id, credits_rollover, credits_bonus, credits_used_this_month, month_ends_at
      INTO s FROM public.subscriptions WHERE user_id = p_user_id;
    IF FOUND AND s.status IN ('active', 'trialing') THEN
        SELECT credits INTO cost FROM public.credit_costs WHERE operation = p_operation;
        SELECT credits_per_month INTO monthly FROM public.subscription_plans WHERE id = s.plan_id;
        IF s.month_ends_at <= clock_timestamp() THEN
            RETURN twin.affords_once_settled(p_user_id, monthly, greatest(coalesce(cost, 1), 0));
        END IF;
        RETURN monthly IS NOT DISTINCT FROM -1
            OR greatest(coalesce(monthly, 0), 0)::bigint + s.credits_rollover + s.credits_bonus - s.credits_used_this_month
               >= greatest(coalesce(cost, 1), 0);
    END IF;
    RETURN twin.free_uses(p_user_id, p_operation)
         < CASE p_operation WHEN 'case_analysis' THEN 3 WHEN 'dsd_simulation' THEN 2 ELSE 0 END;
END $$;


-- Without a counting subscription: not on the path of a charge.
CREATE SCHEMA twin;
CREATE FUNCTION twin.free_uses(p_user_id uuid, p_operation text) RETURNS bigint
    LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    uses bigint;
    before bigint;
BEGIN
    SELECT count(*) INTO uses FROM public.credit_usage
     WHERE user_id = p_user_id AND operation = p_operation AND is_free AND counterpart = 0
       AND created_at > now() - interval '720 hours';
    IF p_operation = 'case_analysis' THEN
        SELECT count(*) INTO before
          FROM auria.migrations AS installed
         CROSS JOIN LATERAL (
                SELECT e.session_id, min(e.created_at) AS began_at, array_agg(e.id) AS evaluations
                  FROM public.evaluations e WHERE e.user_id = p_user_id GROUP BY e.session_id) AS session
         WHERE installed.number = 6 AND session.began_at < installed.applied_at
           AND session.began_at > now() - interval '720 hours'
           AND NOT EXISTS (SELECT FROM public.credit_usage u
                            WHERE u.user_id = p_user_id AND u.operation = p_operation
                              AND (u.created_at < installed.applied_at OR u.reference_id = session.session_id
                                   OR u.reference_id = ANY (session.evaluations)));
        uses := uses + before;
    END IF;
    RETURN uses;
END $$;

CREATE FUNCTION twin.use_free(p_user_id uuid, p_operation text, p_subscription_id uuid, p_reference_id uuid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    cost integer;
BEGIN
    PERFORM pg_advisory_xact_lock(1096107604, hashtext(p_user_id::text) & 2047);
    -- What this waited for may have made a subscription.
    IF EXISTS (SELECT FROM public.subscriptions WHERE user_id = p_user_id AND status IN ('active', 'trialing')) THEN
        RETURN CASE WHEN p_reference_id IS NULL THEN public.use_credits(p_user_id, p_operation)
                    ELSE public.use_credits(p_user_id, p_operation, p_reference_id) END;
    END IF;
    IF p_reference_id IS NOT NULL AND EXISTS (
        SELECT FROM public.credit_usage
         WHERE user_id = p_user_id AND operation = p_operation AND reference_id = p_reference_id AND counterpart = 0)
    THEN
        RETURN true;
    END IF;
    IF twin.free_uses(p_user_id, p_operation) >= (CASE p_operation WHEN 'case_analysis' THEN 3 WHEN 'dsd_simulation' THEN 2 ELSE 0 END) THEN
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
    SELECT id, status, plan_id, credits_rollover, credits_bonus, credits_used_this_month, month_ends_at
      INTO s FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    IF s.month_ends_at <= clock_timestamp() THEN
        UPDATE public.subscriptions SET updated_at = now() WHERE id = s.id
        RETURNING id, status, plan_id, credits_rollover, credits_bonus, credits_used_this_month, month_ends_at INTO s;
    END IF;
    IF s.id IS NULL OR s.status NOT IN ('active', 'trialing') THEN
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
    PERFORM set_config('twin.posts', 'on', true);
    UPDATE public.subscriptions
       SET credits_used_this_month = credits_used_this_month + cost,
           cases_used_this_month = cases_used_this_month + CASE p_operation WHEN 'case_analysis' THEN 1 ELSE 0 END,
           dsd_used_this_month = dsd_used_this_month + CASE p_operation WHEN 'dsd_simulation' THEN 1 ELSE 0 END,
           updated_at = now()
     WHERE id = s.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a trigger kept the subscription from being written' USING ERRCODE = '09000';
    END IF;
    PERFORM set_config('twin.posts', '', true);
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
    SELECT id, status, plan_id, credits_rollover, credits_bonus, credits_used_this_month, month_ends_at
      INTO s FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    IF s.month_ends_at <= clock_timestamp() THEN
        UPDATE public.subscriptions SET updated_at = now() WHERE id = s.id
        RETURNING id, status, plan_id, credits_rollover, credits_bonus, credits_used_this_month, month_ends_at INTO s;
    END IF;
    IF s.id IS NULL OR s.status NOT IN ('active', 'trialing') THEN
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
    PERFORM set_config('twin.posts', 'on', true);
    UPDATE public.subscriptions
       SET credits_used_this_month = credits_used_this_month + cost,
           cases_used_this_month = cases_used_this_month + CASE p_operation WHEN 'case_analysis' THEN 1 ELSE 0 END,
           dsd_used_this_month = dsd_used_this_month + CASE p_operation WHEN 'dsd_simulation' THEN 1 ELSE 0 END,
           updated_at = now()
     WHERE id = s.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a trigger kept the subscription from being written' USING ERRCODE = '09000';
    END IF;
    PERFORM set_config('twin.posts', '', true);
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
    rest integer := total;
    off_used integer := 0;
    off_hidden integer := 0;
    to_rollover integer := 0;
    off_bonus integer := 0;
    to_bonus integer;
    counted integer;
BEGIN
    IF given.is_free OR given.credits_used = 0 THEN
        number := nextval('public.credit_usage_entry_seq');
        UPDATE public.credit_usage SET counterpart = number WHERE id = given.id AND counterpart = 0;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
        INSERT INTO public.credit_usage
               (entry, user_id, subscription_id, operation, credits_used, reference_id, created_at, is_free, counterpart)
        OVERRIDING SYSTEM VALUE
        VALUES (number, p_user_id, given.subscription_id, given.operation || '_refund', -given.credits_used,
                given.reference_id, clock_timestamp(), given.is_free, given.entry);
        RETURN true;
    END IF;
    SELECT * INTO s FROM public.subscriptions WHERE user_id = p_user_id;
    IF NOT FOUND THEN
        -- The subscription that paid is gone: the credits are bonus of the one there is.
        INSERT INTO public.subscriptions (user_id, plan_id, status)
        VALUES (p_user_id, (SELECT id FROM public.subscription_plans WHERE id = 'starter'), 'active')
            ON CONFLICT (user_id) DO UPDATE SET updated_at = now()
        RETURNING * INTO s;
    END IF;
    IF given.subscription_id = s.id
       AND (given.entry > s.usage_reset_entry
            OR s.usage_reset_entry IS NULL AND given.created_at > s.usage_reset_at)
    THEN
        IF given.entry <= s.plan_change_entry THEN
            off_bonus := least(of_bonus, s.settled_bonus);
            to_rollover := least(of_rollover, s.settled_rollover);
            rest := total - off_bonus - to_rollover;
            off_hidden := least(rest, greatest(s.credits_used_hidden, 0));
            rest := rest - off_hidden;
        END IF;
        off_used := least(rest, greatest(s.credits_used_this_month, 0));
        rest := rest - off_used;
        of_rollover := least(rest, s.settled_rollover - to_rollover);
        to_rollover := to_rollover + of_rollover;
        off_bonus := off_bonus + least(rest - of_rollover, s.settled_bonus - off_bonus);
    END IF;
    -- A new subscription's first event comes before the refund.
    number := nextval('public.credit_usage_entry_seq');
    to_bonus := total - off_used - off_hidden - to_rollover;
    counted := CASE WHEN given.subscription_id = s.id THEN 1 ELSE 0 END;
    UPDATE public.credit_usage SET counterpart = number WHERE id = given.id AND counterpart = 0;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('twin.posts', 'on', true);
    UPDATE public.subscriptions
       SET credits_used_this_month = credits_used_this_month - off_used,
           credits_used_hidden = credits_used_hidden - off_hidden,
           credits_rollover = credits_rollover + to_rollover,
           credits_bonus = credits_bonus + to_bonus,
           settled_rollover = settled_rollover - to_rollover,
           settled_bonus = settled_bonus - off_bonus,
           cases_used_this_month = CASE given.operation WHEN 'case_analysis'
               THEN greatest(cases_used_this_month - counted, 0) ELSE cases_used_this_month END,
           dsd_used_this_month = CASE given.operation WHEN 'dsd_simulation'
               THEN greatest(dsd_used_this_month - counted, 0) ELSE dsd_used_this_month END,
           updated_at = now()
     WHERE id = s.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a trigger kept the subscription from being written' USING ERRCODE = '09000';
    END IF;
    PERFORM set_config('twin.posts', '', true);
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
    ends_at timestamptz;
BEGIN
    IF p_user_id IS NULL OR p_operation IS NULL THEN
        RAISE EXCEPTION 'p_user_id and p_operation must not be null' USING ERRCODE = '22004';
    END IF;
    IF octet_length(p_operation) > 200 OR p_operation = 'plan_change' OR p_operation LIKE '%\_refund' THEN
        RAISE EXCEPTION 'p_operation is no name of an operation' USING ERRCODE = '22023';
    END IF;
    SELECT month_ends_at INTO ends_at FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM pg_advisory_xact_lock(1096107604, hashtext(p_user_id::text) & 2047);
    END IF;
    IF ends_at <= clock_timestamp() THEN
        UPDATE public.subscriptions SET updated_at = now() WHERE user_id = p_user_id;
    END IF;
    LOOP
        SELECT * INTO given FROM public.credit_usage
         WHERE user_id = p_user_id AND operation = p_operation AND counterpart = 0
         ORDER BY entry DESC LIMIT 1;
        IF NOT FOUND OR given.created_at <= now() - interval '720 hours' THEN
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
    ends_at timestamptz;
BEGIN
    IF p_user_id IS NULL OR p_operation IS NULL OR p_reference_id IS NULL THEN
        RAISE EXCEPTION 'p_user_id, p_operation and p_reference_id must not be null' USING ERRCODE = '22004';
    END IF;
    IF octet_length(p_operation) > 200 OR p_operation = 'plan_change' OR p_operation LIKE '%\_refund' THEN
        RAISE EXCEPTION 'p_operation is no name of an operation' USING ERRCODE = '22023';
    END IF;
    SELECT month_ends_at INTO ends_at FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM pg_advisory_xact_lock(1096107604, hashtext(p_user_id::text) & 2047);
    END IF;
    IF ends_at <= clock_timestamp() THEN
        UPDATE public.subscriptions SET updated_at = now() WHERE user_id = p_user_id;
    END IF;
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
    PERFORM twin.post(p_user_id, 'purchase', p_credits, NULL);
END $$;

CREATE OR REPLACE FUNCTION public.add_bonus_credits(p_user_id uuid, p_credits integer, p_reference text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF p_user_id IS NULL OR p_credits IS NULL OR p_reference IS NULL THEN
        RAISE EXCEPTION 'p_user_id, p_credits and p_reference must not be null' USING ERRCODE = '22004';
    END IF;
    IF p_credits <= 0 OR octet_length(p_reference) NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION 'p_credits must be positive, p_reference have 1 to 200 octets' USING ERRCODE = '22023';
    END IF;
    PERFORM twin.post(p_user_id, 'purchase', p_credits, p_reference);
END $$;

CREATE OR REPLACE FUNCTION public.revoke_bonus_credits(p_user_id uuid, p_credits integer, p_reference text) RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF p_user_id IS NULL OR p_credits IS NULL OR p_reference IS NULL THEN
        RAISE EXCEPTION 'p_user_id, p_credits and p_reference must not be null' USING ERRCODE = '22004';
    END IF;
    IF p_credits <= 0 OR octet_length(p_reference) NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION 'p_credits must be positive, p_reference have 1 to 200 octets' USING ERRCODE = '22023';
    END IF;
    RETURN -twin.post(p_user_id, 'revocation', p_credits, p_reference);
END $$;

-- What a purchase or revocation adds to the bonus, once for a reference.
CREATE FUNCTION twin.post(p_user_id uuid, p_kind text, p_credits integer, p_reference text) RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    s public.subscriptions;
    known record;
    granted integer;
    changed integer := p_credits;
BEGIN
    SELECT * INTO s FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM pg_advisory_xact_lock(1096107604, hashtext(p_user_id::text) & 2047);
        IF p_kind = 'purchase' THEN
            INSERT INTO public.subscriptions (user_id, plan_id, status)
            VALUES (p_user_id, (SELECT id FROM public.subscription_plans WHERE id = 'starter'), 'active')
                ON CONFLICT DO NOTHING;
        END IF;
        SELECT * INTO s FROM public.subscriptions WHERE user_id = p_user_id FOR NO KEY UPDATE;
    END IF;
    IF s.month_ends_at <= clock_timestamp() THEN
        UPDATE public.subscriptions SET updated_at = now() WHERE id = s.id RETURNING * INTO s;
    END IF;
    SELECT changed_bonus INTO known FROM public.credit_events
     WHERE user_id = p_user_id AND kind = p_kind AND reference = p_reference;
    IF FOUND THEN
        RETURN known.changed_bonus;
    END IF;
    SELECT CASE WHEN credits_per_month >= -1 THEN credits_per_month ELSE 0 END INTO granted
      FROM public.subscription_plans WHERE id = s.plan_id;
    granted := coalesce(granted, 0);
    IF s.id IS NULL THEN
        changed := 0;
    ELSIF p_kind = 'revocation' THEN
        changed := -least(p_credits, CASE WHEN granted = -1 THEN greatest(s.credits_bonus, 0) ELSE
            greatest(greatest(s.credits_bonus, 0)
                     - greatest(s.credits_used_this_month - granted - greatest(s.credits_rollover, 0), 0), 0) END);
    ELSE
        SELECT greatest(p_credits - credits - changed_bonus, 0) INTO changed FROM public.credit_events
         WHERE user_id = p_user_id AND kind = 'revocation' AND reference = p_reference;
        changed := coalesce(changed, p_credits);
    END IF;
    INSERT INTO public.credit_events
           (entry, user_id, subscription_id, kind, plan_id, made_by, reference, credits, changed_bonus, credits_per_month,
            used, hidden, rollover, bonus, settled_rollover, settled_bonus)
    VALUES (nextval('public.credit_usage_entry_seq'), p_user_id, s.id, p_kind, s.plan_id, twin.caller(), p_reference,
            p_credits, changed, granted, coalesce(s.credits_used_this_month, 0), coalesce(s.credits_used_hidden, 0),
            coalesce(s.credits_rollover, 0), coalesce(s.credits_bonus, 0) + changed, coalesce(s.settled_rollover, 0),
            coalesce(s.settled_bonus, 0));
    IF s.id IS NOT NULL THEN
        PERFORM set_config('twin.posts', 'on', true);
        UPDATE public.subscriptions SET credits_bonus = s.credits_bonus + changed, updated_at = now() WHERE id = s.id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a trigger kept the subscription from being written' USING ERRCODE = '09000';
        END IF;
        PERFORM set_config('twin.posts', '', true);
    END IF;
    RETURN changed;
END $$;


CREATE OR REPLACE FUNCTION public.reset_monthly_usage_with_rollover() RETURNS integer
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    settled integer;
BEGIN
    PERFORM pg_advisory_xact_lock(1096107845, 0);
    -- The trigger settles each row that is due, whatever is written.
    WITH due AS MATERIALIZED (
        SELECT id, usage_reset_at FROM public.subscriptions
         WHERE month_ends_at <= (SELECT clock_timestamp()) FOR NO KEY UPDATE),
    begun AS (
        UPDATE public.subscriptions s SET updated_at = now() FROM due WHERE s.id = due.id
        RETURNING s.usage_reset_at IS DISTINCT FROM due.usage_reset_at AS begins)
    SELECT count(*) FILTER (WHERE begins) INTO settled FROM begun;
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
             WHERE user_id = p_user_id AND created_at > now() - interval '720 hours') < 5;
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
