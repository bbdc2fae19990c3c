-- 020 Webhook events: what Stripe has delivered, so that an event delivered
-- twice is handled once.

CREATE TABLE IF NOT EXISTS public.webhook_events (
    id               uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    stripe_event_id  text         NOT NULL,
    event_type       text         NOT NULL,
    processed_at     timestamptz            DEFAULT now(),
    status           text                   DEFAULT 'processing',
    payload          jsonb
);

SELECT auria.ensure_unique('public.webhook_events', 'webhook_events_stripe_event_id_key', '{stripe_event_id}');

ALTER TABLE public.webhook_events ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.webhook_events FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.webhook_events TO service_role;

DROP POLICY IF EXISTS webhook_events_all_service_role ON public.webhook_events;
CREATE POLICY webhook_events_all_service_role ON public.webhook_events
    FOR ALL TO service_role
    USING (true)
    WITH CHECK (true);

COMMENT ON TABLE public.webhook_events IS 'Events that Stripe has delivered to the webhook';
COMMENT ON COLUMN public.webhook_events.stripe_event_id IS 'Unique, so that an event delivered twice is handled once';
COMMENT ON COLUMN public.webhook_events.event_type IS 'Stripe''s name of it, as in invoice.paid';
COMMENT ON COLUMN public.webhook_events.processed_at IS 'When the webhook took the event';
COMMENT ON COLUMN public.webhook_events.status IS 'processing until the webhook writes what became of it';
COMMENT ON COLUMN public.webhook_events.payload IS 'The event as Stripe sent it, where the webhook keeps it';
