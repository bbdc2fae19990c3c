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


-- Called at every update, as the compiled one is. The rest is a function of its own, with the rights of the owner.
CREATE OR REPLACE FUNCTION public.settle_plan_change() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
BEGIN
    IF NEW.plan_id IS NOT DISTINCT FROM OLD.plan_id AND NEW.usage_reset_at = OLD.usage_reset_at THEN
        RETURN NEW;
    END IF;
    RETURN twin.settled(OLD, NEW);
END $$;

CREATE FUNCTION twin.settled(was public.subscriptions, is_now public.subscriptions) RETURNS public.subscriptions
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    starts_month boolean := is_now.usage_reset_entry IS NOT DISTINCT FROM was.usage_reset_entry
        AND was.usage_reset_at < is_now.usage_reset_at;
    last_entry bigint := coalesce(pg_sequence_last_value('public.credit_usage_entry_seq'), 0);
    old_granted integer;
    new_granted integer;
    spent integer := greatest(was.credits_used_this_month, 0);
    rollover integer := greatest(was.credits_rollover, 0);
    bonus integer := greatest(was.credits_bonus, 0);
    monthly integer;
    of_rollover integer := 0;
    of_bonus integer := 0;
    used integer;
BEGIN
    IF is_now.plan_id IS DISTINCT FROM was.plan_id THEN
        SELECT credits_per_month INTO old_granted FROM public.subscription_plans WHERE id = was.plan_id;
        SELECT credits_per_month INTO new_granted FROM public.subscription_plans WHERE id = is_now.plan_id;
        IF old_granted = -1 THEN
            monthly := spent;
        ELSE
            monthly := least(spent, greatest(coalesce(old_granted, 0), 0));
            of_rollover := least(spent - monthly, rollover);
            of_bonus := least(spent - monthly - of_rollover, bonus);
        END IF;
        monthly := monthly + greatest(was.credits_used_hidden, 0);
        used := CASE WHEN new_granted = -1 THEN monthly
                     ELSE least(monthly, greatest(coalesce(new_granted, 0), 0)) END;
        IF is_now.credits_used_this_month = was.credits_used_this_month THEN
            is_now.credits_used_this_month := used;
        END IF;
        IF is_now.credits_used_hidden = was.credits_used_hidden THEN
            is_now.credits_used_hidden := monthly - used;
        END IF;
        IF is_now.credits_rollover = was.credits_rollover THEN
            is_now.credits_rollover := rollover - of_rollover;
        END IF;
        IF is_now.credits_bonus = was.credits_bonus THEN
            is_now.credits_bonus := bonus - of_bonus;
        END IF;
        is_now.plan_change_entry := last_entry;
    END IF;
    IF starts_month THEN
        is_now.usage_reset_entry := last_entry;
        IF is_now.credits_used_hidden = was.credits_used_hidden THEN
            is_now.credits_used_hidden := 0;
        END IF;
    END IF;
    RETURN is_now;
END $$;


CREATE OR REPLACE FUNCTION public.record_plan_change() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    difference integer := NEW.credits_used_this_month
        - CASE WHEN NEW.usage_reset_entry IS DISTINCT FROM OLD.usage_reset_entry THEN 0
               ELSE OLD.credits_used_this_month END;
BEGIN
    IF NEW.plan_id IS DISTINCT FROM OLD.plan_id AND difference <> 0 THEN
        INSERT INTO public.credit_usage (user_id, subscription_id, operation, credits_used, created_at)
        VALUES (NEW.user_id, NEW.id, 'plan_change', difference, clock_timestamp());
    END IF;
    RETURN NULL;
END $$;

-- What these functions need beside what the compiled ones have.
DO $$
DECLARE
    owner name := (SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'subscriptions');
    helper regprocedure;
BEGIN
    EXECUTE format('ALTER SCHEMA twin OWNER TO %I', owner);
    EXECUTE format('GRANT USAGE ON SCHEMA auth TO %I', owner);
    FOR helper IN SELECT oid FROM pg_proc WHERE pronamespace = 'twin'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', helper, owner);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', helper);
    END LOOP;
    GRANT USAGE ON SCHEMA twin TO service_role, authenticated;
    GRANT EXECUTE ON FUNCTION twin.settled(public.subscriptions, public.subscriptions) TO service_role, authenticated;
END $$;
