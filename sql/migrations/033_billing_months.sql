-- 033 Billing months: when a subscription's month ends, and what its plan changes took.

ALTER TABLE public.subscriptions
    ADD COLUMN IF NOT EXISTS settled_rollover  integer      NOT NULL  DEFAULT 0,
    ADD COLUMN IF NOT EXISTS settled_bonus     integer      NOT NULL  DEFAULT 0,
    ADD COLUMN IF NOT EXISTS billing_start     timestamptz,
    ADD COLUMN IF NOT EXISTS month_ends_at     timestamptz  NOT NULL  DEFAULT '-infinity';

-- Now for a new row, too: the trigger says when its month ends.
DROP TRIGGER IF EXISTS zz_settle_plan_change ON public.subscriptions;
CREATE TRIGGER zz_settle_plan_change
    BEFORE INSERT OR UPDATE ON public.subscriptions
    FOR EACH ROW EXECUTE FUNCTION public.settle_plan_change();

COMMENT ON TRIGGER zz_settle_plan_change ON public.subscriptions IS
    'Settles the months that are over, and the credits when the plan changes';
COMMENT ON COLUMN public.subscriptions.settled_rollover IS
    'What the plan changes of this month took from credits_rollover';
COMMENT ON COLUMN public.subscriptions.settled_bonus IS
    'What the plan changes of this month took from credits_bonus';
COMMENT ON COLUMN public.subscriptions.billing_start IS
    'The latest current_period_start that was ever written: months begin then, and at each monthly anniversary of it';
COMMENT ON COLUMN public.subscriptions.month_ends_at IS
    'When the running month ends; infinity where no month follows, -infinity where nobody has looked yet';
