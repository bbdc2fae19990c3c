-- The trigger functions of the peer.

CREATE OR REPLACE FUNCTION public.update_updated_at_column() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;


CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.profiles (user_id, full_name, cro)
    VALUES (NEW.id,
            CASE WHEN jsonb_typeof(NEW.raw_user_meta_data -> 'full_name') = 'string'
                 THEN NEW.raw_user_meta_data ->> 'full_name' END,
            CASE WHEN jsonb_typeof(NEW.raw_user_meta_data -> 'cro') = 'string'
                 THEN NEW.raw_user_meta_data ->> 'cro' END)
        ON CONFLICT (user_id) DO NOTHING;
    RETURN NEW;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'no profile was made for a new user (SQLSTATE %)', SQLSTATE;
    RETURN NEW;
END $$;


CREATE OR REPLACE FUNCTION public.check_subscription_status() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF (TG_OP = 'INSERT' OR NEW.status IS DISTINCT FROM OLD.status)
       AND NEW.status NOT IN ('active', 'inactive', 'past_due', 'canceled', 'trialing', 'unpaid', 'incomplete',
                              'incomplete_expired', 'paused')
    THEN
        RAISE EXCEPTION 'unknown status of a subscription' USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;


-- Months of a subscription: the first beginning at this moment or later; null where no month follows.
CREATE FUNCTION twin.beginning_from(starts timestamptz, ends timestamptz, is_canceled boolean, moment timestamptz)
    RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    months integer := greatest(trunc(extract(epoch FROM moment - starts) / 2678400)::integer - 2, 0);
    beginning timestamptz;
BEGIN
    LOOP
        beginning := (starts AT TIME ZONE 'UTC' + make_interval(months => months)) AT TIME ZONE 'UTC';
        IF months > 0 AND beginning < ends AND ends - beginning <= interval '4 days' THEN
            beginning := ends;
        END IF;
        IF beginning >= moment THEN
            RETURN CASE WHEN is_canceled AND beginning >= ends THEN NULL ELSE beginning END;
        END IF;
        months := months + 1;
    END LOOP;
END $$;

-- When the month ends that began at this time; infinity where no month follows.
CREATE FUNCTION twin.month_ends_at(reset_at timestamptz, starts timestamptz, ends timestamptz, is_canceled boolean)
    RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    reset_at := greatest(reset_at, '2020-01-01 00:00:00+00');
    IF starts IS NULL THEN
        reset_at := reset_at + interval '720 hours';
        RETURN CASE WHEN is_canceled AND reset_at >= ends THEN 'infinity' ELSE reset_at END;
    END IF;
    RETURN coalesce(twin.beginning_from(starts, ends, is_canceled, reset_at + interval '360 hours'), 'infinity');
END $$;

-- Rows older than the rules may hold any number.
CREATE FUNCTION twin.changed(before integer, after integer) RETURNS integer LANGUAGE sql IMMUTABLE
    RETURN least(greatest(after::bigint - before, -2147483648), 2147483647)::integer;

-- Who sent the statement.
CREATE FUNCTION twin.caller() RETURNS text LANGUAGE sql STABLE
    RETURN CASE current_setting('role') WHEN 'none' THEN session_user::text ELSE current_setting('role') END;

-- One thing that happens to the credits of a row, and the credits after it.
CREATE TYPE twin.step AS (
    kind text, begins_at timestamptz, is_by_hand boolean, granted integer, expired integer, spent_monthly integer,
    spent_rollover integer, spent_bonus integer, used integer, hidden integer, rollover integer, bonus integer,
    settled_rollover integer, settled_bonus integer);

-- What a statement does to the credits of a row until this time: the months that are over, as the row was, then a new plan.
CREATE FUNCTION twin.steps(was public.subscriptions, is_now public.subscriptions, until timestamptz) RETURNS twin.step[]
    LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    steps twin.step[] := '{}';
    s twin.step;
    old_plan record;
    new_granted integer;
    monthly integer;
    left_over bigint;
    last timestamptz := was.usage_reset_at;
    next timestamptz;
    started timestamptz := was.billing_start;
    -- Months as the row was, months as it is, a payment, a hand.
    phase integer := 1;
BEGIN
    SELECT CASE WHEN credits_per_month = -1 THEN -1 ELSE greatest(coalesce(credits_per_month, 0), 0) END AS granted,
           allows_rollover, rollover_max
      INTO old_plan FROM public.subscription_plans WHERE id = was.plan_id;
    s.granted := coalesce(old_plan.granted, 0);
    s.used := was.credits_used_this_month;
    s.hidden := was.credits_used_hidden;
    s.rollover := was.credits_rollover;
    s.bonus := was.credits_bonus;
    s.settled_rollover := was.settled_rollover;
    s.settled_bonus := was.settled_bonus;
    IF was.month_ends_at = '-infinity' AND was.current_period_start <= clock_timestamp() + interval '24 hours' THEN
        started := greatest(started, was.current_period_start);
    END IF;
    WHILE phase <= 4 LOOP
        next := CASE phase
            WHEN 1 THEN twin.month_ends_at(last, started, was.current_period_end, was.cancel_at_period_end)
            WHEN 2 THEN twin.month_ends_at(last, is_now.billing_start, is_now.current_period_end, is_now.cancel_at_period_end)
            WHEN 3 THEN CASE WHEN is_now.status = 'active' AND is_now.billing_start IS NOT NULL
                              AND (was.status NOT IN ('active', 'past_due', 'unpaid')
                                   OR is_now.stripe_subscription_id IS DISTINCT FROM was.stripe_subscription_id)
                 THEN twin.beginning_from(is_now.billing_start, is_now.current_period_end, is_now.cancel_at_period_end,
                                          greatest(last, '2020-01-01 00:00:00+00') + interval '3600.000001 seconds') END
            ELSE CASE WHEN is_now.credits_used_this_month = 0 AND is_now.usage_reset_at > was.usage_reset_at
                       AND is_now.usage_reset_at > last THEN is_now.usage_reset_at END
        END;
        IF next IS NULL OR next > until AND phase < 4 THEN
            phase := phase + 1;
            CONTINUE;
        END IF;
        last := next;
        s.kind := 'month';
        s.begins_at := next;
        s.is_by_hand := phase = 4;
        s.spent_monthly := CASE WHEN s.granted = -1 THEN greatest(s.used, 0) ELSE least(greatest(s.used, 0), s.granted) END;
        s.spent_rollover := least(greatest(s.used, 0) - s.spent_monthly, greatest(s.rollover, 0));
        s.spent_bonus := least(greatest(s.used, 0) - s.spent_monthly - s.spent_rollover, greatest(s.bonus, 0));
        left_over := greatest(s.rollover, 0)::bigint - s.spent_rollover
            + CASE WHEN s.granted = -1 OR was.status <> 'active' THEN 0 ELSE s.granted - s.spent_monthly END;
        s.rollover := CASE WHEN old_plan.allows_rollover
            THEN least(left_over, CASE WHEN old_plan.rollover_max < 0 THEN 0 ELSE old_plan.rollover_max END, 2147483647)
            ELSE 0 END;
        s.expired := least(left_over - s.rollover + CASE WHEN s.granted <> -1 AND was.status <> 'active'
            THEN s.granted - s.spent_monthly ELSE 0 END, 2147483647);
        s.bonus := greatest(s.bonus, 0) - s.spent_bonus;
        s.used := 0;
        s.hidden := 0;
        s.settled_rollover := 0;
        s.settled_bonus := 0;
        steps := steps || s;
        IF phase > 2 THEN
            phase := phase + 1;
        END IF;
    END LOOP;
    IF is_now.plan_id IS DISTINCT FROM was.plan_id THEN
        SELECT CASE WHEN credits_per_month = -1 THEN -1 ELSE greatest(coalesce(credits_per_month, 0), 0) END
          INTO new_granted FROM public.subscription_plans WHERE id = is_now.plan_id;
        new_granted := coalesce(new_granted, 0);
        monthly := CASE WHEN s.granted = -1 THEN greatest(s.used, 0) ELSE least(greatest(s.used, 0), s.granted) END;
        s.spent_rollover := least(greatest(s.used, 0) - monthly, greatest(s.rollover, 0));
        s.spent_bonus := least(greatest(s.used, 0) - monthly - s.spent_rollover, greatest(s.bonus, 0));
        monthly := monthly + greatest(s.hidden, 0);
        s.kind := 'plan_change';
        s.granted := new_granted;
        s.used := CASE WHEN new_granted = -1 THEN monthly ELSE least(monthly, new_granted) END;
        s.hidden := monthly - s.used;
        s.rollover := greatest(s.rollover, 0) - s.spent_rollover;
        s.bonus := greatest(s.bonus, 0) - s.spent_bonus;
        s.settled_rollover := greatest(s.settled_rollover, 0) + s.spent_rollover;
        s.settled_bonus := greatest(s.settled_bonus, 0) + s.spent_bonus;
        steps := steps || s;
    END IF;
    RETURN steps;
END $$;

-- What can_use_credits answers once the months that are over are settled.
CREATE FUNCTION twin.affords_once_settled(p_user_id uuid, monthly integer, cost integer) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    s public.subscriptions;
    steps twin.step[];
    settled twin.step;
BEGIN
    SELECT * INTO s FROM public.subscriptions WHERE user_id = p_user_id;
    steps := twin.steps(s, s, clock_timestamp());
    settled := steps[cardinality(steps)];
    RETURN monthly IS NOT DISTINCT FROM -1
        OR greatest(coalesce(monthly, 0), 0)::bigint + coalesce(settled.rollover, s.credits_rollover)
           + coalesce(settled.bonus, s.credits_bonus) - coalesce(settled.used, s.credits_used_this_month) >= cost;
END $$;

-- Called at every update, as the compiled one is. The rest is a function of its own, with the rights of the owner.
CREATE OR REPLACE FUNCTION public.settle_plan_change() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.current_period_start <= clock_timestamp() + interval '24 hours' THEN
            NEW.billing_start := greatest(NEW.billing_start, NEW.current_period_start);
        END IF;
        NEW.month_ends_at := twin.month_ends_at(NEW.usage_reset_at, NEW.billing_start, NEW.current_period_end, NEW.cancel_at_period_end);
        RETURN NEW;
    END IF;
    IF OLD.month_ends_at > clock_timestamp()
       AND (NEW.plan_id, NEW.status, NEW.usage_reset_at, NEW.month_ends_at, NEW.billing_start, NEW.stripe_subscription_id,
            NEW.current_period_start, NEW.current_period_end, NEW.cancel_at_period_end)
           IS NOT DISTINCT FROM
           (OLD.plan_id, OLD.status, OLD.usage_reset_at, OLD.month_ends_at, OLD.billing_start, OLD.stripe_subscription_id,
            OLD.current_period_start, OLD.current_period_end, OLD.cancel_at_period_end)
    THEN
        RETURN NEW;
    END IF;
    RETURN twin.settled(OLD, NEW);
END $$;

CREATE FUNCTION twin.settled(was public.subscriptions, is_now public.subscriptions) RETURNS public.subscriptions
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    steps twin.step[];
    s twin.step;
    month twin.step;
    used bigint;
BEGIN
    IF is_now.billing_start IS NOT DISTINCT FROM was.billing_start THEN
        IF was.month_ends_at = '-infinity' AND was.current_period_start <= clock_timestamp() + interval '24 hours' THEN
            is_now.billing_start := greatest(is_now.billing_start, was.current_period_start);
        END IF;
        IF is_now.current_period_start IS DISTINCT FROM was.current_period_start
           AND is_now.current_period_start <= clock_timestamp() + interval '24 hours'
        THEN
            is_now.billing_start := greatest(is_now.billing_start, is_now.current_period_start);
        END IF;
    END IF;
    steps := twin.steps(was, is_now, clock_timestamp());
    IF cardinality(steps) > 0 THEN
        s := steps[cardinality(steps)];
        month := steps[cardinality(steps) - CASE WHEN s.kind = 'plan_change' THEN 1 ELSE 0 END];
        IF month.is_by_hand THEN
            is_now.credits_rollover := CASE WHEN is_now.credits_rollover = was.credits_rollover THEN s.rollover
                ELSE least(greatest(is_now.credits_rollover, 0), s.rollover) END;
            is_now.credits_bonus := CASE WHEN is_now.credits_bonus = was.credits_bonus THEN s.bonus
                ELSE least(greatest(is_now.credits_bonus, 0), s.bonus + greatest(is_now.credits_bonus - was.credits_bonus, 0)) END;
            is_now.credits_used_this_month := s.used;
            is_now.credits_used_hidden := s.hidden;
            is_now.settled_rollover := s.settled_rollover;
            is_now.settled_bonus := s.settled_bonus;
            IF is_now.cases_used_this_month = was.cases_used_this_month THEN
                is_now.cases_used_this_month := 0;
            END IF;
            IF is_now.dsd_used_this_month = was.dsd_used_this_month THEN
                is_now.dsd_used_this_month := 0;
            END IF;
        ELSE
            used := s.used::bigint + is_now.credits_used_this_month - was.credits_used_this_month;
            is_now.credits_used_this_month := greatest(used, 0);
            is_now.credits_used_hidden := greatest(
                s.hidden::bigint + is_now.credits_used_hidden - was.credits_used_hidden + least(used, 0), 0);
            is_now.credits_rollover := greatest(s.rollover::bigint + is_now.credits_rollover - was.credits_rollover, 0);
            is_now.credits_bonus := greatest(s.bonus::bigint + is_now.credits_bonus - was.credits_bonus, 0);
            is_now.settled_rollover := greatest(s.settled_rollover::bigint + is_now.settled_rollover - was.settled_rollover, 0);
            is_now.settled_bonus := greatest(s.settled_bonus::bigint + is_now.settled_bonus - was.settled_bonus, 0);
            IF month.begins_at IS NOT NULL THEN
                is_now.cases_used_this_month := greatest(is_now.cases_used_this_month - was.cases_used_this_month, 0);
                is_now.dsd_used_this_month := greatest(is_now.dsd_used_this_month - was.dsd_used_this_month, 0);
            END IF;
        END IF;
        IF month.begins_at IS NOT NULL THEN
            is_now.usage_reset_at := month.begins_at;
            is_now.usage_reset_entry := coalesce(pg_sequence_last_value('public.credit_usage_entry_seq'), 0);
        END IF;
        IF s.kind = 'plan_change' THEN
            is_now.plan_change_entry := coalesce(pg_sequence_last_value('public.credit_usage_entry_seq'), 0);
        END IF;
    END IF;
    is_now.month_ends_at := twin.month_ends_at(
        is_now.usage_reset_at, is_now.billing_start, is_now.current_period_end, is_now.cancel_at_period_end);
    RETURN is_now;
END $$;


-- Called after every statement, as the compiled one is. A function that posts has said so.
CREATE OR REPLACE FUNCTION public.record_plan_change() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.plan_id IS NOT DISTINCT FROM OLD.plan_id AND NEW.usage_reset_at = OLD.usage_reset_at
           AND (current_setting('twin.posts', true) = 'on'
                OR (NEW.credits_used_this_month, NEW.credits_used_hidden, NEW.credits_rollover, NEW.credits_bonus,
                    NEW.settled_rollover, NEW.settled_bonus)
                   = (OLD.credits_used_this_month, OLD.credits_used_hidden, OLD.credits_rollover, OLD.credits_bonus,
                      OLD.settled_rollover, OLD.settled_bonus))
        THEN
            RETURN NULL;
        END IF;
        PERFORM twin.recorded(OLD, NEW);
    ELSE
        PERFORM twin.recorded(CASE TG_OP WHEN 'DELETE' THEN OLD END, CASE TG_OP WHEN 'INSERT' THEN NEW END);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION twin.recorded(was public.subscriptions, is_now public.subscriptions) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    before twin.step;
    s twin.step;
    begins_a_month boolean := false;
    difference integer;
BEGIN
    s.used := coalesce(was.credits_used_this_month, 0);
    s.hidden := coalesce(was.credits_used_hidden, 0);
    s.rollover := coalesce(was.credits_rollover, 0);
    s.bonus := coalesce(was.credits_bonus, 0);
    s.settled_rollover := coalesce(was.settled_rollover, 0);
    s.settled_bonus := coalesce(was.settled_bonus, 0);
    SELECT CASE WHEN credits_per_month >= -1 THEN credits_per_month ELSE 0 END INTO s.granted
      FROM public.subscription_plans WHERE id = coalesce(was.plan_id, is_now.plan_id);
    IF was.id IS NOT NULL AND is_now.id IS NOT NULL THEN
        before := s;
        FOREACH s IN ARRAY twin.steps(was, is_now, least(is_now.usage_reset_at, clock_timestamp())) LOOP
            PERFORM twin.event(s.kind, is_now, CASE s.kind WHEN 'month' THEN was.plan_id ELSE is_now.plan_id END, before, s);
            begins_a_month := begins_a_month OR s.kind = 'month';
            before := s;
        END LOOP;
        difference := is_now.credits_used_this_month - CASE WHEN begins_a_month THEN 0 ELSE was.credits_used_this_month END;
        IF is_now.plan_id IS DISTINCT FROM was.plan_id AND difference <> 0 THEN
            INSERT INTO public.credit_usage (user_id, subscription_id, operation, credits_used, created_at)
            VALUES (is_now.user_id, is_now.id, 'plan_change', difference, clock_timestamp());
        END IF;
    ELSE
        before := s;
    END IF;
    s.used := coalesce(is_now.credits_used_this_month, 0);
    s.hidden := coalesce(is_now.credits_used_hidden, 0);
    s.rollover := coalesce(is_now.credits_rollover, 0);
    s.bonus := coalesce(is_now.credits_bonus, 0);
    s.settled_rollover := coalesce(is_now.settled_rollover, 0);
    s.settled_bonus := coalesce(is_now.settled_bonus, 0);
    IF was.id IS NULL THEN
        PERFORM twin.event('start', is_now, is_now.plan_id, before, s);
    ELSIF is_now.id IS NULL THEN
        s.granted := 0;
        PERFORM twin.event('end', was, was.plan_id, before, s);
    ELSIF s IS DISTINCT FROM before AND current_setting('twin.posts', true) IS DISTINCT FROM 'on' THEN
        PERFORM twin.event('adjustment', is_now, is_now.plan_id, before, s);
    END IF;
END $$;

-- The events of an account that is being deleted are deleted, too.
CREATE FUNCTION twin.event(what text, account public.subscriptions, plan text, before twin.step, s twin.step) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM auth.users WHERE id = account.user_id) THEN
        RETURN;
    END IF;
    INSERT INTO public.credit_events
           (entry, kind, user_id, subscription_id, plan_id, made_by, changed_used, changed_hidden, changed_rollover,
            changed_bonus, credits_per_month, used, hidden, rollover, bonus, settled_rollover, settled_bonus, begins_at,
            granted, expired, carried_over, spent_monthly, spent_rollover, spent_bonus, is_by_hand)
    VALUES (nextval('public.credit_usage_entry_seq'), what, account.user_id, account.id, plan, twin.caller(),
            twin.changed(before.used, s.used), twin.changed(before.hidden, s.hidden),
            twin.changed(before.rollover, s.rollover), twin.changed(before.bonus, s.bonus),
            coalesce(s.granted, 0), s.used, s.hidden, s.rollover, s.bonus, s.settled_rollover, s.settled_bonus,
            CASE what WHEN 'month' THEN s.begins_at END, CASE what WHEN 'month' THEN s.granted END,
            CASE what WHEN 'month' THEN s.expired END, CASE what WHEN 'month' THEN s.rollover END,
            CASE what WHEN 'month' THEN s.spent_monthly END, CASE what WHEN 'month' THEN s.spent_rollover END,
            CASE what WHEN 'month' THEN s.spent_bonus END, CASE what WHEN 'month' THEN s.is_by_hand END);
END $$;

-- What these functions need beside what the compiled ones have.
DO $$
DECLARE
    owner name := (SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'subscriptions');
    helper regprocedure;
BEGIN
    EXECUTE format('ALTER SCHEMA twin OWNER TO %I', owner);
    EXECUTE format('GRANT USAGE ON SCHEMA auth TO %I', owner);
    EXECUTE format('GRANT SELECT ON auth.users TO %I', owner);
    EXECUTE format('ALTER TYPE twin.step OWNER TO %I', owner);
    FOR helper IN SELECT oid FROM pg_proc WHERE pronamespace = 'twin'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', helper, owner);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', helper);
    END LOOP;
    GRANT USAGE ON SCHEMA twin TO service_role, authenticated;
    GRANT EXECUTE ON FUNCTION twin.settled(public.subscriptions, public.subscriptions),
        twin.recorded(public.subscriptions, public.subscriptions),
        twin.month_ends_at(timestamptz, timestamptz, timestamptz, boolean),
        twin.beginning_from(timestamptz, timestamptz, boolean, timestamptz) TO service_role, authenticated;
END $$;
