-- 006 Credit system: what an operation costs, what a plan grants each month,
-- and the ledger of every credit used and given back.

------------------------------------------------------ subscription_plans --

ALTER TABLE public.subscription_plans
    ADD COLUMN IF NOT EXISTS credits_per_month  integer  NOT NULL  DEFAULT 0,
    ADD COLUMN IF NOT EXISTS max_users          integer  NOT NULL  DEFAULT 1,
    ADD COLUMN IF NOT EXISTS allows_rollover    boolean  NOT NULL  DEFAULT false,
    ADD COLUMN IF NOT EXISTS rollover_max       integer;

SELECT auria.ensure_check('public.subscription_plans', 'subscription_plans_credits_per_month_not_below_minus_one',
    'credits_per_month >= -1',
    '-1 stands for unlimited; no other negative number means anything');
SELECT auria.ensure_check('public.subscription_plans', 'subscription_plans_rollover_max_not_negative',
    'rollover_max >= 0');

COMMENT ON COLUMN public.subscription_plans.credits_per_month IS 'Granted each month and spent first; 0 grants none, -1 means unlimited';
COMMENT ON COLUMN public.subscription_plans.max_users IS 'How many people may work under one subscription';
COMMENT ON COLUMN public.subscription_plans.allows_rollover IS 'Whether unused monthly credits carry over to the next month';
COMMENT ON COLUMN public.subscription_plans.rollover_max IS 'Most credits that carry over; null means no limit';

INSERT INTO public.subscription_plans
    (id, name,
     description,
     price_monthly, price_yearly, currency, cases_per_month, dsd_simulations_per_month, credits_per_month,
     max_users, allows_rollover, rollover_max, priority_support, sort_order, is_active,
     features)
VALUES
    ('starter', 'Starter',
     'Para conhecer a AURIA: 5 créditos por mês, sem custo.',
     0, NULL, 'brl', 3, 2, 5, 1, false, NULL, false, 0, true,
     '[
        "5 créditos por mês",
        "Análise de caso com IA",
        "Protocolo de estratificação passo a passo",
        "Catálogo completo de resinas"
     ]'),
    ('price_essencial_monthly', 'Essencial',
     'Para quem atende com regularidade e quer segurança em cada restauração.',
     5900, 59900, 'brl', 20, 10, 20, 1, false, NULL, false, 1, true,
     '[
        "20 créditos por mês",
        "Análise de caso com IA",
        "Simulação de sorriso DSD",
        "Inventário de resinas do consultório",
        "Links para compartilhar com o paciente"
     ]'),
    ('price_pro_monthly_v2', 'Pro',
     'Para a rotina intensa de estética: mais créditos, que passam para o mês seguinte.',
     11900, 119900, 'brl', 60, 30, 60, 1, true, 30, true, 2, true,
     '[
        "60 créditos por mês",
        "Até 30 créditos acumulados para o mês seguinte",
        "Análise de caso com IA",
        "Simulação de sorriso DSD em camadas",
        "Inventário de resinas do consultório",
        "Links para compartilhar com o paciente",
        "Suporte prioritário"
     ]'),
    ('price_elite_monthly', 'Elite',
     'Para clínicas: até 3 profissionais e o maior volume de créditos.',
     24900, 249900, 'brl', 200, 100, 200, 3, true, 100, true, 3, true,
     '[
        "200 créditos por mês",
        "Até 100 créditos acumulados para o mês seguinte",
        "Até 3 usuários",
        "Análise de caso com IA",
        "Simulação de sorriso DSD em camadas",
        "Inventário de resinas do consultório",
        "Links para compartilhar com o paciente",
        "Suporte prioritário"
     ]')
ON CONFLICT DO NOTHING;


----------------------------------------------------------- subscriptions --

ALTER TABLE public.subscriptions
    ADD COLUMN IF NOT EXISTS credits_used_this_month  integer  NOT NULL  DEFAULT 0,
    ADD COLUMN IF NOT EXISTS credits_rollover         integer  NOT NULL  DEFAULT 0;

COMMENT ON COLUMN public.subscriptions.credits_used_this_month IS
    'Credits spent in this month, whichever of monthly, rollover and bonus they came from; settled when the plan changes';
COMMENT ON COLUMN public.subscriptions.credits_rollover IS 'Carried over from the month before; spent after the monthly credits';


------------------------------------------------------------ credit_costs --

CREATE TABLE IF NOT EXISTS public.credit_costs (
    operation    text         NOT NULL  PRIMARY KEY,
    credits      integer      NOT NULL,
    description  text,
    created_at   timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_check('public.credit_costs', 'credit_costs_credits_not_negative', 'credits >= 0');

ALTER TABLE public.credit_costs ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.credit_costs FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.credit_costs TO anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.credit_costs TO service_role;

DROP POLICY IF EXISTS credit_costs_select_public ON public.credit_costs;
CREATE POLICY credit_costs_select_public ON public.credit_costs
    FOR SELECT TO anon, authenticated
    USING (true);

COMMENT ON TABLE public.credit_costs IS 'Price list: credits per operation. An operation without a row costs 1';
COMMENT ON COLUMN public.credit_costs.operation IS 'As callers of use_credits name it';
COMMENT ON COLUMN public.credit_costs.credits IS '0 makes the operation free of charge; it is recorded all the same';

INSERT INTO public.credit_costs (operation, credits, description)
VALUES ('case_analysis',  1, 'Análise de caso clínico com recomendação de resina e protocolo'),
       ('dsd_simulation', 2, 'Simulação de desenho digital do sorriso (DSD)')
ON CONFLICT DO NOTHING;


------------------------------------------------------------ credit_usage --

CREATE TABLE IF NOT EXISTS public.credit_usage (
    id               uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id          uuid         NOT NULL,
    subscription_id  uuid,
    operation        text         NOT NULL,
    credits_used     integer      NOT NULL,
    reference_id     uuid,
    created_at       timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_foreign_key('public.credit_usage', 'credit_usage_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');
SELECT auria.ensure_foreign_key('public.credit_usage', 'credit_usage_subscription_id_fkey',
    'subscription_id', 'public.subscriptions', 'id', 'SET NULL');

-- For reports over a time. Rows come in the order of time, so a few ranges of
-- blocks answer, and a charge writes nothing into it.
SELECT auria.ensure_index('public.credit_usage', 'idx_credit_usage_created_at', 'USING brin (created_at)');

-- None for the foreign key subscription_id: it would serve nothing but the
-- deletion of a subscription, which then reads the ledger once, and would make
-- every charge 5 % slower.

ALTER TABLE public.credit_usage ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.credit_usage FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.credit_usage TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.credit_usage TO service_role;

DROP POLICY IF EXISTS credit_usage_select_own ON public.credit_usage;
CREATE POLICY credit_usage_select_own ON public.credit_usage
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.credit_usage IS
    'Ledger of credits: one row for each use, refund and plan change; only counterpart is ever changed afterwards';
COMMENT ON COLUMN public.credit_usage.subscription_id IS 'What was charged; null without a subscription, and once it is gone';
COMMENT ON COLUMN public.credit_usage.operation IS 'What was used, as in case_analysis; a refund ends in _refund; plan_change for a change of plan';
COMMENT ON COLUMN public.credit_usage.credits_used IS 'As charged at that time; negative for a refund; for a plan change the difference of the counter';
COMMENT ON COLUMN public.credit_usage.reference_id IS 'The evaluation or simulation the credits went to';
