-- 003 Rate limiting: how often a user has called a backend function in the
-- current minute, hour and day.

CREATE TABLE IF NOT EXISTS public.rate_limits (
    id             uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id        uuid         NOT NULL,
    function_name  text         NOT NULL,
    minute_count   integer      NOT NULL  DEFAULT 0,
    minute_window  timestamptz  NOT NULL  DEFAULT now(),
    hour_count     integer      NOT NULL  DEFAULT 0,
    hour_window    timestamptz  NOT NULL  DEFAULT now(),
    day_count      integer      NOT NULL  DEFAULT 0,
    day_window     timestamptz  NOT NULL  DEFAULT now(),
    created_at     timestamptz  NOT NULL  DEFAULT now(),
    updated_at     timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_unique('public.rate_limits', 'rate_limits_user_function_unique', '{user_id, function_name}');
SELECT auria.ensure_foreign_key('public.rate_limits', 'rate_limits_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');
-- One constraint for three columns: each is parsed from its text in every
-- statement that writes the table.
SELECT auria.ensure_check('public.rate_limits', 'rate_limits_counts_not_negative',
    'least(minute_count, hour_count, day_count) >= 0');

-- None over (updated_at): only the daily clean-up would use it, and every request
-- would write it. Without it, and with room on the page, an update stays HOT.
ALTER TABLE public.rate_limits SET (fillfactor = 60);

ALTER TABLE public.rate_limits ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.rate_limits FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.rate_limits TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.rate_limits TO service_role;

DROP POLICY IF EXISTS rate_limits_select_own ON public.rate_limits;
CREATE POLICY rate_limits_select_own ON public.rate_limits
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.rate_limits IS 'Calls per user and backend function; rows untouched for 7 days are cleaned up';
COMMENT ON COLUMN public.rate_limits.function_name IS 'The backend function that is limited';
COMMENT ON COLUMN public.rate_limits.minute_count IS 'Calls since minute_window';
COMMENT ON COLUMN public.rate_limits.minute_window IS 'Start of the minute being counted';
COMMENT ON COLUMN public.rate_limits.hour_count IS 'Calls since hour_window';
COMMENT ON COLUMN public.rate_limits.hour_window IS 'Start of the hour being counted';
COMMENT ON COLUMN public.rate_limits.day_count IS 'Calls since day_window';
COMMENT ON COLUMN public.rate_limits.day_window IS 'Start of the day being counted';
