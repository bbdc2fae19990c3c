-- The ledger in partitions, of a year and of this month. The table as it was stays: it has the sequence.
ALTER TABLE public.credit_usage RENAME TO credit_usage_whole;
CREATE TABLE public.credit_usage (
    LIKE public.credit_usage_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (id, created_at),
    FOREIGN KEY (user_id) REFERENCES auth.users ON DELETE CASCADE,
    FOREIGN KEY (subscription_id) REFERENCES public.subscriptions ON DELETE SET NULL
) PARTITION BY RANGE (created_at);
ALTER TABLE public.credit_usage ALTER entry SET DEFAULT nextval('public.credit_usage_entry_seq');
CREATE UNIQUE INDEX ON public.credit_usage (user_id, operation, reference_id, counterpart, created_at) WHERE reference_id IS NOT NULL;
CREATE INDEX ON public.credit_usage USING brin (created_at);
CREATE INDEX ON public.credit_usage (user_id, operation, created_at) WHERE is_free AND counterpart = 0;
CREATE INDEX ON public.credit_usage (user_id, created_at DESC);
CREATE INDEX ON public.credit_usage (user_id, operation, counterpart, entry);
CREATE TABLE public.credit_usage_year PARTITION OF public.credit_usage
    FOR VALUES FROM (now() - interval '1 year') TO (now() - interval '1 hour');
CREATE TABLE public.credit_usage_now PARTITION OF public.credit_usage
    FOR VALUES FROM (now() - interval '1 hour') TO (now() + interval '1 month');
ALTER TABLE public.credit_usage OWNER TO auria_owner;
ALTER TABLE public.credit_usage_year OWNER TO auria_owner;
ALTER TABLE public.credit_usage_now OWNER TO auria_owner;
ALTER TABLE public.credit_usage ENABLE ROW LEVEL SECURITY;
