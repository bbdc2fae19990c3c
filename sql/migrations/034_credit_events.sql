-- 034 Credit events: whatever moves credits and is no charge and no refund, with the balance after it, so that every
-- balance can be explained.

CREATE TABLE IF NOT EXISTS public.credit_events (
    entry              bigint       NOT NULL  PRIMARY KEY,
    user_id            uuid         NOT NULL,
    subscription_id    uuid,
    kind               text         NOT NULL,
    created_at         timestamptz  NOT NULL  DEFAULT clock_timestamp(),
    plan_id            text,
    credits_per_month  integer      NOT NULL  DEFAULT 0,
    reference          text,
    credits            integer,
    made_by            text         NOT NULL  DEFAULT current_user,
    changed_used       integer      NOT NULL  DEFAULT 0,
    changed_hidden     integer      NOT NULL  DEFAULT 0,
    changed_rollover   integer      NOT NULL  DEFAULT 0,
    changed_bonus      integer      NOT NULL  DEFAULT 0,
    used               integer      NOT NULL  DEFAULT 0,
    hidden             integer      NOT NULL  DEFAULT 0,
    rollover           integer      NOT NULL  DEFAULT 0,
    bonus              integer      NOT NULL  DEFAULT 0,
    settled_rollover   integer      NOT NULL  DEFAULT 0,
    settled_bonus      integer      NOT NULL  DEFAULT 0,
    begins_at          timestamptz,
    granted            integer,
    expired            integer,
    carried_over       integer,
    spent_monthly      integer,
    spent_rollover     integer,
    spent_bonus        integer,
    is_by_hand         boolean
);

SELECT auria.ensure_check('public.credit_events', 'credit_events_kind_not_unknown',
    $$kind IN ('purchase', 'revocation', 'month', 'plan_change', 'adjustment', 'start', 'end')$$);

-- The last event of a subscription, which its balance is calculated from.
SELECT auria.ensure_index('public.credit_events', 'idx_credit_events_subscription_entry', '(subscription_id, entry)');
-- The statement of a user; also serves the foreign key.
SELECT auria.ensure_index('public.credit_events', 'idx_credit_events_user_entry', '(user_id, entry)');
SELECT auria.ensure_unique_index('public.credit_events', 'credit_events_reference_key',
    'user_id, kind, reference', 'reference IS NOT NULL');

-- The state of the accounts when this table came: a balance is explained from here on.
INSERT INTO public.credit_events
       (entry, kind, user_id, subscription_id, plan_id, credits_per_month, changed_used, changed_hidden,
        changed_rollover, changed_bonus, used, hidden, rollover, bonus, settled_rollover, settled_bonus)
SELECT nextval('public.credit_usage_entry_seq'), 'start', s.user_id, s.id, s.plan_id,
       CASE WHEN p.credits_per_month >= -1 THEN p.credits_per_month ELSE 0 END,
       s.credits_used_this_month, s.credits_used_hidden, s.credits_rollover, s.credits_bonus, s.credits_used_this_month,
       s.credits_used_hidden, s.credits_rollover, s.credits_bonus, s.settled_rollover, s.settled_bonus
  FROM public.subscriptions s
  LEFT JOIN public.subscription_plans p ON p.id = s.plan_id
 WHERE NOT EXISTS (SELECT FROM public.credit_events e WHERE e.subscription_id = s.id)
 ORDER BY s.created_at, s.id;

-- And of those that were deleted while the extension was not there.
INSERT INTO public.credit_events
       (entry, kind, user_id, subscription_id, changed_used, changed_hidden, changed_rollover, changed_bonus)
SELECT nextval('public.credit_usage_entry_seq'), 'end', last.user_id, last.subscription_id, -last.used, -last.hidden,
       -last.rollover, -last.bonus
  FROM (SELECT DISTINCT ON (subscription_id) e.*
          FROM public.credit_events e
         WHERE e.subscription_id IS NOT NULL
         ORDER BY subscription_id, entry DESC) AS last
 WHERE last.kind <> 'end' AND NOT EXISTS (SELECT FROM public.subscriptions s WHERE s.id = last.subscription_id);

SELECT auria.ensure_foreign_key('public.credit_events', 'credit_events_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');

ALTER TABLE public.credit_events ENABLE ROW LEVEL SECURITY;

-- Nobody changes or deletes an event.
REVOKE ALL ON TABLE public.credit_events FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.credit_events TO authenticated, service_role;

DROP POLICY IF EXISTS credit_events_select_own ON public.credit_events;
CREATE POLICY credit_events_select_own ON public.credit_events
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

-- Records every change that the ledger does not explain, and the ledger's own rows of plan changes.
DROP TRIGGER IF EXISTS zz_record_plan_change ON public.subscriptions;
CREATE TRIGGER zz_record_plan_change
    AFTER INSERT OR UPDATE OR DELETE ON public.subscriptions
    FOR EACH ROW EXECUTE FUNCTION public.record_plan_change();

COMMENT ON TRIGGER zz_record_plan_change ON public.subscriptions IS
    'Records in credit_events what a statement did to the credits';
COMMENT ON TABLE public.credit_events IS
    'What moves credits and is no charge and no refund, with the balance after it; nobody changes or deletes a row';
COMMENT ON COLUMN public.credit_events.entry IS 'Its place in the order of the ledger, credit_usage.entry';
COMMENT ON COLUMN public.credit_events.subscription_id IS 'Whose credits; null for a revocation of a user who had none';
COMMENT ON COLUMN public.credit_events.kind IS
    'purchase, revocation, month, plan_change, adjustment (somebody wrote the columns), start (seen first), end (deleted)';
COMMENT ON COLUMN public.credit_events.plan_id IS 'The plan after it';
COMMENT ON COLUMN public.credit_events.credits_per_month IS 'What that plan granted then; -1 means unlimited, 0 also no plan';
COMMENT ON COLUMN public.credit_events.reference IS 'Of a purchase or revocation: Stripe''s session or payment';
COMMENT ON COLUMN public.credit_events.credits IS
    'Of a purchase or revocation: how many were asked for; changed_bonus is how many were added or taken';
COMMENT ON COLUMN public.credit_events.made_by IS 'The role that the session acted as';
COMMENT ON COLUMN public.credit_events.changed_used IS 'What it did to credits_used_this_month';
COMMENT ON COLUMN public.credit_events.changed_hidden IS 'What it did to credits_used_hidden';
COMMENT ON COLUMN public.credit_events.changed_rollover IS 'What it did to credits_rollover';
COMMENT ON COLUMN public.credit_events.changed_bonus IS 'What it did to credits_bonus';
COMMENT ON COLUMN public.credit_events.used IS 'credits_used_this_month after it';
COMMENT ON COLUMN public.credit_events.hidden IS 'credits_used_hidden after it';
COMMENT ON COLUMN public.credit_events.rollover IS 'credits_rollover after it';
COMMENT ON COLUMN public.credit_events.bonus IS 'credits_bonus after it';
COMMENT ON COLUMN public.credit_events.settled_rollover IS 'subscriptions.settled_rollover after it';
COMMENT ON COLUMN public.credit_events.settled_bonus IS 'subscriptions.settled_bonus after it';
COMMENT ON COLUMN public.credit_events.begins_at IS 'When the month began';
COMMENT ON COLUMN public.credit_events.granted IS 'What the plan grants for the month that began; -1 means unlimited';
COMMENT ON COLUMN public.credit_events.expired IS 'What was left of the month before and not carried over';
COMMENT ON COLUMN public.credit_events.carried_over IS 'What was left and is the rollover of the month that began';
COMMENT ON COLUMN public.credit_events.spent_monthly IS 'What the month before spent of the plan''s credits';
COMMENT ON COLUMN public.credit_events.spent_rollover IS 'What it spent of rollover';
COMMENT ON COLUMN public.credit_events.spent_bonus IS 'What it spent of bonus';
COMMENT ON COLUMN public.credit_events.is_by_hand IS 'Whether somebody began the month by hand';
