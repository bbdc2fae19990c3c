-- 021 Referrals: a dentist's code, and who signed up with it.

---------------------------------------------------------- referral_codes --

CREATE TABLE IF NOT EXISTS public.referral_codes (
    id          uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id     uuid         NOT NULL,
    code        text         NOT NULL,
    created_at  timestamptz            DEFAULT now(),
    is_active   boolean                DEFAULT true
);

SELECT auria.ensure_unique('public.referral_codes', 'referral_codes_code_key', '{code}');
SELECT auria.ensure_foreign_key('public.referral_codes', 'referral_codes_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');

SELECT auria.ensure_index('public.referral_codes', 'idx_referral_codes_user', '(user_id)');

ALTER TABLE public.referral_codes ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.referral_codes FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT ON TABLE public.referral_codes TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.referral_codes TO service_role;

DROP POLICY IF EXISTS referral_codes_select_own ON public.referral_codes;
CREATE POLICY referral_codes_select_own ON public.referral_codes
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS referral_codes_insert_own ON public.referral_codes;
CREATE POLICY referral_codes_insert_own ON public.referral_codes
    FOR INSERT TO authenticated
    WITH CHECK (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.referral_codes IS 'Codes by which dentists invite others';
COMMENT ON COLUMN public.referral_codes.user_id IS 'The dentist who invites';
COMMENT ON COLUMN public.referral_codes.code IS 'Given at sign-up by whoever was invited';
COMMENT ON COLUMN public.referral_codes.is_active IS 'Whether the code still counts for a new sign-up';


---------------------------------------------------- referral_conversions --

CREATE TABLE IF NOT EXISTS public.referral_conversions (
    id                uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    referrer_id       uuid         NOT NULL,
    referred_id       uuid         NOT NULL,
    referral_code_id  uuid         NOT NULL,
    converted_at      timestamptz            DEFAULT now(),
    reward_granted    boolean                DEFAULT false,
    reward_type       text,
    reward_amount     integer
);

SELECT auria.ensure_foreign_key('public.referral_conversions', 'referral_conversions_referrer_id_fkey',
    'referrer_id', 'auth.users', 'id', 'CASCADE');
SELECT auria.ensure_foreign_key('public.referral_conversions', 'referral_conversions_referred_id_fkey',
    'referred_id', 'auth.users', 'id', 'CASCADE');
-- With its code goes a conversion: codes are deleted with their user.
SELECT auria.ensure_foreign_key('public.referral_conversions', 'referral_conversions_referral_code_id_fkey',
    'referral_code_id', 'public.referral_codes', 'id', 'CASCADE');
SELECT auria.ensure_check('public.referral_conversions', 'referral_conversions_referred_not_referrer',
    'referred_id <> referrer_id');

SELECT auria.ensure_unique_index('public.referral_conversions', 'idx_referral_conversions_referred_unique',
    'referred_id', NULL);
SELECT auria.ensure_index('public.referral_conversions', 'idx_referral_conversions_referrer', '(referrer_id)');
SELECT auria.ensure_index('public.referral_conversions', 'idx_referral_conversions_referral_code_id',
    '(referral_code_id)');

ALTER TABLE public.referral_conversions ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.referral_conversions FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.referral_conversions TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.referral_conversions TO service_role;

DROP POLICY IF EXISTS referral_conversions_select_own ON public.referral_conversions;
CREATE POLICY referral_conversions_select_own ON public.referral_conversions
    FOR SELECT TO authenticated
    USING (referrer_id = (SELECT auth.uid()) OR referred_id = (SELECT auth.uid()));

COMMENT ON TABLE public.referral_conversions IS 'Who signed up with whose code; a user is referred once';
COMMENT ON COLUMN public.referral_conversions.referrer_id IS 'The dentist who invited';
COMMENT ON COLUMN public.referral_conversions.referred_id IS 'The dentist who was invited; never the same';
COMMENT ON COLUMN public.referral_conversions.referral_code_id IS 'The code that was given';
COMMENT ON COLUMN public.referral_conversions.converted_at IS 'When the invited dentist signed up';
COMMENT ON COLUMN public.referral_conversions.reward_granted IS 'Whether the referrer has received the reward';
COMMENT ON COLUMN public.referral_conversions.reward_type IS 'What was granted, as in credits';
COMMENT ON COLUMN public.referral_conversions.reward_amount IS 'How much of it';
