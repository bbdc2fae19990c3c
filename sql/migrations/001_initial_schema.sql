-- 001 Initial schema: profiles, patients, evaluations and their drafts,
-- resins, subscription plans and subscriptions.
--
-- Columns that later migrations add to these tables come with those
-- migrations. Migration 010 is the exception: its columns stand before
-- created_at in every database, so a new database gets them here.

-- @as superuser
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;

-- @as schema owner


---------------------------------------------------------------- profiles --

CREATE TABLE IF NOT EXISTS public.profiles (
    id               uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id          uuid         NOT NULL,
    full_name        text,
    cro              text,
    avatar_url       text,
    clinic_name      text,
    clinic_logo_url  text,
    phone            text,
    created_at       timestamptz  NOT NULL  DEFAULT now(),
    updated_at       timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_unique('public.profiles', 'profiles_user_id_key', '{user_id}');
SELECT auria.ensure_foreign_key('public.profiles', 'profiles_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');

DROP TRIGGER IF EXISTS update_profiles_updated_at ON public.profiles;
CREATE TRIGGER update_profiles_updated_at
    BEFORE UPDATE ON public.profiles
    FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.profiles FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE ON TABLE public.profiles TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.profiles TO service_role;

DROP POLICY IF EXISTS profiles_select_own ON public.profiles;
CREATE POLICY profiles_select_own ON public.profiles
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS profiles_insert_own ON public.profiles;
CREATE POLICY profiles_insert_own ON public.profiles
    FOR INSERT TO authenticated
    WITH CHECK (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS profiles_update_own ON public.profiles;
CREATE POLICY profiles_update_own ON public.profiles
    FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid()))
    WITH CHECK (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.profiles IS 'The dentist behind a user; one row per user, made at sign-up';
COMMENT ON COLUMN public.profiles.cro IS 'Registration number with the dental board (Conselho Regional de Odontologia)';
COMMENT ON COLUMN public.profiles.avatar_url IS 'Portrait, in the bucket avatars';
COMMENT ON COLUMN public.profiles.clinic_name IS 'Shown to whoever opens a shared link';
COMMENT ON COLUMN public.profiles.clinic_logo_url IS 'Logo for reports';

-- @as superuser
DROP TRIGGER IF EXISTS on_auth_user_created ON auth.users;
CREATE TRIGGER on_auth_user_created
    AFTER INSERT ON auth.users
    FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();

COMMENT ON TRIGGER on_auth_user_created ON auth.users IS 'Every user gets a profile';

-- @as schema owner


---------------------------------------------------------------- patients --

CREATE TABLE IF NOT EXISTS public.patients (
    id          uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id     uuid         NOT NULL,
    name        text         NOT NULL,
    phone       text,
    email       text,
    notes       text,
    birth_date  date,
    created_at  timestamptz  NOT NULL  DEFAULT now(),
    updated_at  timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_unique('public.patients', 'patients_user_id_name_key', '{user_id, name}');
SELECT auria.ensure_foreign_key('public.patients', 'patients_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');

-- A policy narrows every read to one dentist: an index that begins with the
-- time alone would be read through everybody's patients. A database that has
-- one of this name keeps it until migrate(again => true), and gets the second
-- one. None over (user_id): this one and the unique one begin with it.
SELECT auria.ensure_index('public.patients', 'idx_patients_created_at', '(user_id, created_at DESC)');
SELECT auria.ensure_index('public.patients', 'idx_patients_user_created', '(user_id, created_at DESC)');

DROP TRIGGER IF EXISTS update_patients_updated_at ON public.patients;
CREATE TRIGGER update_patients_updated_at
    BEFORE UPDATE ON public.patients
    FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

ALTER TABLE public.patients ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.patients FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.patients TO authenticated, service_role;

DROP POLICY IF EXISTS patients_select_own ON public.patients;
CREATE POLICY patients_select_own ON public.patients
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS patients_insert_own ON public.patients;
CREATE POLICY patients_insert_own ON public.patients
    FOR INSERT TO authenticated
    WITH CHECK (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS patients_update_own ON public.patients;
CREATE POLICY patients_update_own ON public.patients
    FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid()))
    WITH CHECK (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS patients_delete_own ON public.patients;
CREATE POLICY patients_delete_own ON public.patients
    FOR DELETE TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.patients IS 'Patients of a dentist. Holds PHI: each value stands beside its encrypted form';
COMMENT ON COLUMN public.patients.user_id IS 'The dentist who treats the patient';
COMMENT ON COLUMN public.patients.name IS 'PHI. Unique per dentist: the application finds the patient by it';
COMMENT ON COLUMN public.patients.phone IS 'PHI';
COMMENT ON COLUMN public.patients.email IS 'PHI';
COMMENT ON COLUMN public.patients.notes IS 'PHI. Clinical notes';
COMMENT ON COLUMN public.patients.birth_date IS 'PHI';


------------------------------------------------------------------ resins --

CREATE TABLE IF NOT EXISTS public.resins (
    id            uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    name          text         NOT NULL,
    manufacturer  text         NOT NULL,
    type          text         NOT NULL,
    indications   text[]       NOT NULL  DEFAULT '{}',
    opacity       text         NOT NULL,
    resistance    text         NOT NULL,
    polishing     text         NOT NULL,
    aesthetics    text         NOT NULL,
    price_range   text         NOT NULL,
    description   text,
    created_at    timestamptz  NOT NULL  DEFAULT now()
);

ALTER TABLE public.resins ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.resins FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.resins TO anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.resins TO service_role;

DROP POLICY IF EXISTS resins_select_public ON public.resins;
CREATE POLICY resins_select_public ON public.resins
    FOR SELECT TO anon, authenticated
    USING (true);

COMMENT ON TABLE public.resins IS 'Composite resins that a recommendation may name; shades are in resin_catalog';
COMMENT ON COLUMN public.resins.manufacturer IS 'Together with name it identifies the resin';
COMMENT ON COLUMN public.resins.type IS 'Filler technology, as in Nanohibrida or Bulk Fill';
COMMENT ON COLUMN public.resins.indications IS 'Cavity classes and situations the resin is meant for';
COMMENT ON COLUMN public.resins.resistance IS 'Mechanical strength';
COMMENT ON COLUMN public.resins.polishing IS 'How well the surface polishes';
COMMENT ON COLUMN public.resins.price_range IS 'Economico, Intermediario or Premium';

-- name and manufacturer identify a resin, though no constraint says so.
INSERT INTO public.resins
    (name, manufacturer, type, indications, opacity, resistance, polishing, aesthetics, price_range, description)
SELECT seed.name, seed.manufacturer, seed.type, seed.indications::text[], seed.opacity, seed.resistance,
       seed.polishing, seed.aesthetics, seed.price_range, seed.description
FROM (VALUES
    ('Filtek Supreme Ultra', '3M ESPE', 'Nanoparticulada',
     '{"Classe I", "Classe II", "Classe III", "Classe IV", "Classe V"}', 'Variavel', 'Alta', 'Excelente', 'Premium', 'Premium',
     'Resina nanoparticulada de uso universal; mantém o brilho por muitos anos e permite estratificação completa.'),
    ('Filtek Z350 XT', '3M ESPE', 'Nanoparticulada',
     '{"Classe I", "Classe II", "Classe III", "Classe IV", "Classe V"}', 'Translucido a opaco', 'Alta', 'Excelente', 'Premium', 'Premium',
     'Resina nanoparticulada universal, com corpos, esmaltes, dentinas e translúcidos para estratificação anterior e posterior.'),
    ('Z100 Restorative', '3M ESPE', 'Microhibrida',
     '{"Classe I", "Classe II"}', 'Opaco', 'Muito alta', 'Bom', 'Media', 'Economico',
     'Resina microhíbrida muito resistente ao desgaste, indicada para dentes posteriores.'),
    ('Spectra ST', 'Dentsply', 'Nanohibrida',
     '{"Classe III", "Classe IV", "Classe V"}', 'Translucido', 'Media', 'Excelente', 'Premium', 'Intermediario',
     'Resina nanohíbrida com efeito camaleão, de manuseio simples e ótimo polimento.'),
    ('Opus Bulk Fill', 'FGM', 'Bulk Fill',
     '{"Classe I", "Classe II"}', 'Opaco', 'Alta', 'Bom', 'Media', 'Economico',
     'Resina para incrementos de até 5 mm em dentes posteriores, com baixa tensão de contração.'),
    ('IPS Empress Direct BL-L', 'Ivoclar Vivadent', 'Nano-híbrida',
     '{"Anterior", "Dentes clareados"}', 'Translúcido', 'Média', 'Excelente', 'Excelente', 'Premium',
     'Cor de esmalte para dentes clareados, com fluorescência e opalescência próximas às do dente natural.'),
    ('Tetric N-Ceram', 'Ivoclar Vivadent', 'Nanohibrida',
     '{"Classe I", "Classe II", "Classe III", "Classe IV", "Classe V"}', 'Media', 'Alta', 'Excelente', 'Alta', 'Premium',
     'Resina nanohíbrida universal, radiopaca, de consistência que facilita a escultura.'),
    ('Charisma Diamond', 'Kulzer', 'Microhibrida',
     '{"Classe I", "Classe II", "Classe III", "Classe IV"}', 'Media', 'Alta', 'Muito bom', 'Alta', 'Intermediario',
     'Resina de base TCD-uretano, com baixa contração e boa adaptação de cor.'),
    ('Aura', 'SDI', 'Nanohibrida',
     '{"Classe I", "Classe II", "Classe III", "Classe IV", "Classe V"}', 'Media', 'Alta', 'Muito bom', 'Alta', 'Intermediario',
     'Sistema simplificado de duas camadas: dentinas e esmaltes em poucas cores.'),
    ('Beautifil II', 'Shofu', 'Giomer',
     '{"Classe I", "Classe II", "Classe III", "Classe IV", "Classe V"}', 'Media', 'Alta', 'Muito bom', 'Alta', 'Intermediario',
     'Giômero que libera e recarrega flúor; indicado para pacientes com alto risco de cárie.'),
    ('Estelite Omega', 'Tokuyama', 'Supra-nano esferica',
     '{"Classe III", "Classe IV", "Classe V"}', 'Variavel', 'Alta', 'Excelente', 'Premium', 'Premium',
     'Resina de partículas esféricas para estratificação estética em dentes anteriores.'),
    ('Estelite Sigma Quick Bianco', 'Tokuyama', 'Supra-nano esférica',
     '{"Anterior", "Dentes clareados"}', 'Translúcido', 'Alta', 'Excelente', 'Excelente', 'Premium',
     'Cores para dentes clareados, de fotopolimerização rápida e polimento fácil.'),
    ('Estelite Sigma Quick MW', 'Tokuyama', 'Supra-nano esférica',
     '{"Anterior", "Dentes clareados"}', 'Semi-Translúcido', 'Alta', 'Excelente', 'Excelente', 'Premium',
     'Esmalte branco leitoso para dentes clareados, com translucidez média.'),
    ('Palfique LX5 WE', 'Tokuyama', 'Supra-nano esférica',
     '{"Anterior", "Dentes clareados"}', 'Translúcido', 'Alta', 'Excelente', 'Excelente', 'Premium',
     'Esmalte branco translúcido para dentes clareados, com alto brilho e fácil polimento.')
) AS seed (name, manufacturer, type, indications, opacity, resistance, polishing, aesthetics, price_range, description)
WHERE NOT EXISTS (
    SELECT FROM public.resins
    WHERE resins.name = seed.name AND resins.manufacturer = seed.manufacturer
)
ON CONFLICT DO NOTHING;


------------------------------------------------------------- evaluations --

CREATE TABLE IF NOT EXISTS public.evaluations (
    id                         uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id                    uuid         NOT NULL,
    patient_id                 uuid,
    patient_name               text,
    patient_age                integer      NOT NULL,
    tooth                      text         NOT NULL,
    region                     text         NOT NULL,
    cavity_class               text         NOT NULL,
    restoration_size           text         NOT NULL,
    substrate                  text         NOT NULL,
    substrate_condition        text,
    enamel_condition           text,
    depth                      text,
    aesthetic_level            text         NOT NULL,
    tooth_color                text         NOT NULL,
    stratification_needed      boolean      NOT NULL  DEFAULT false,
    bruxism                    boolean      NOT NULL  DEFAULT false,
    longevity_expectation      text         NOT NULL,
    budget                     text         NOT NULL,
    priority                   text                   DEFAULT 'normal',
    status                     text                   DEFAULT 'draft',
    treatment_type             text                   DEFAULT 'resina',
    desired_tooth_shape        text,
    recommended_resin_id       uuid,
    recommendation_text        text,
    alternatives               jsonb,
    ideal_resin_id             uuid,
    ideal_reason               text,
    is_from_inventory          boolean                DEFAULT false,
    has_inventory_at_creation  boolean                DEFAULT false,
    ai_treatment_indication    text,
    ai_indication_reason       text,
    stratification_protocol    jsonb,
    protocol_layers            jsonb,
    cementation_protocol       jsonb,
    generic_protocol           jsonb,
    checklist_progress         jsonb                  DEFAULT '[]',
    alerts                     jsonb                  DEFAULT '[]',
    warnings                   jsonb                  DEFAULT '[]',
    photo_frontal              text,
    photo_45                   text,
    photo_face                 text,
    additional_photos          jsonb                  DEFAULT '{}',
    tooth_bounds               jsonb,
    dsd_analysis               jsonb,
    dsd_simulation_url         text,
    simulation_url             text,
    patient_aesthetic_goals    text,
    patient_desired_changes    text[],
    session_id                 uuid                   DEFAULT gen_random_uuid(),
    created_at                 timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_foreign_key('public.evaluations', 'evaluations_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');
SELECT auria.ensure_foreign_key('public.evaluations', 'evaluations_patient_id_fkey',
    'patient_id', 'public.patients', 'id', 'SET NULL');
SELECT auria.ensure_foreign_key('public.evaluations', 'evaluations_recommended_resin_id_fkey',
    'recommended_resin_id', 'public.resins', 'id', 'NO ACTION');

-- None over (created_at) alone: every query asks for one dentist's evaluations.
SELECT auria.ensure_index('public.evaluations', 'idx_evaluations_user_created', '(user_id, created_at DESC)');
SELECT auria.ensure_index('public.evaluations', 'idx_evaluations_patient_id',
    '(patient_id) WHERE patient_id IS NOT NULL');
SELECT auria.ensure_index('public.evaluations', 'idx_evaluations_recommended_resin_id',
    '(recommended_resin_id) WHERE recommended_resin_id IS NOT NULL');

-- can_create_case counts evaluations by their time.
DROP TRIGGER IF EXISTS keep_evaluations_created_at ON public.evaluations;
CREATE TRIGGER keep_evaluations_created_at
    BEFORE INSERT OR UPDATE OF created_at ON public.evaluations
    FOR EACH ROW EXECUTE FUNCTION public.keep_created_at();

ALTER TABLE public.evaluations ENABLE ROW LEVEL SECURITY;

-- What anon may read is granted column by column: by 008, 010 and 013.
REVOKE ALL ON TABLE public.evaluations FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.evaluations TO authenticated, service_role;

DROP POLICY IF EXISTS evaluations_select_own ON public.evaluations;
CREATE POLICY evaluations_select_own ON public.evaluations
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS evaluations_insert_own ON public.evaluations;
CREATE POLICY evaluations_insert_own ON public.evaluations
    FOR INSERT TO authenticated
    WITH CHECK (
        user_id = (SELECT auth.uid())
        AND (
            patient_id IS NULL
            OR EXISTS (
                SELECT FROM public.patients
                WHERE patients.id = evaluations.patient_id
                  AND patients.user_id = (SELECT auth.uid())
            )
        )
    );

DROP POLICY IF EXISTS evaluations_update_own ON public.evaluations;
CREATE POLICY evaluations_update_own ON public.evaluations
    FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid()))
    WITH CHECK (
        user_id = (SELECT auth.uid())
        AND (
            patient_id IS NULL
            OR EXISTS (
                SELECT FROM public.patients
                WHERE patients.id = evaluations.patient_id
                  AND patients.user_id = (SELECT auth.uid())
            )
        )
    );

DROP POLICY IF EXISTS evaluations_delete_own ON public.evaluations;
CREATE POLICY evaluations_delete_own ON public.evaluations
    FOR DELETE TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.evaluations IS 'One evaluated tooth: the findings, what the AI recommends and the protocol that follows';
COMMENT ON COLUMN public.evaluations.user_id IS 'The dentist who evaluates';
COMMENT ON COLUMN public.evaluations.patient_id IS 'One of the dentist''s own patients; null when unknown or deleted';
COMMENT ON COLUMN public.evaluations.patient_name IS 'PHI. The name as it was when the case was evaluated';
COMMENT ON COLUMN public.evaluations.patient_age IS 'In years';
COMMENT ON COLUMN public.evaluations.tooth IS 'FDI notation, as in 11 or 36';
COMMENT ON COLUMN public.evaluations.region IS 'Anterior or posterior region of the mouth';
COMMENT ON COLUMN public.evaluations.cavity_class IS 'Black''s classification, as in Classe IV';
COMMENT ON COLUMN public.evaluations.restoration_size IS 'How much of the tooth is to be restored';
COMMENT ON COLUMN public.evaluations.substrate IS 'What the restoration bonds to, as in enamel or dentin';
COMMENT ON COLUMN public.evaluations.substrate_condition IS 'State of the substrate, as in healthy, sclerotic or stained';
COMMENT ON COLUMN public.evaluations.enamel_condition IS 'State of the enamel around the cavity';
COMMENT ON COLUMN public.evaluations.depth IS 'Depth of the cavity';
COMMENT ON COLUMN public.evaluations.aesthetic_level IS 'How demanding the case is aesthetically';
COMMENT ON COLUMN public.evaluations.tooth_color IS 'Shade of the tooth, VITA scale';
COMMENT ON COLUMN public.evaluations.stratification_needed IS 'Whether the restoration is built in several shades';
COMMENT ON COLUMN public.evaluations.bruxism IS 'Whether the patient grinds the teeth: asks for a stronger resin';
COMMENT ON COLUMN public.evaluations.longevity_expectation IS 'How long the restoration is expected to last';
COMMENT ON COLUMN public.evaluations.budget IS 'What the patient can spend; never shown through a shared link';
COMMENT ON COLUMN public.evaluations.priority IS 'How urgent the case is';
COMMENT ON COLUMN public.evaluations.status IS 'Where the case stands; starts as draft';
COMMENT ON COLUMN public.evaluations.recommended_resin_id IS 'Best resin that the dentist can use now';
COMMENT ON COLUMN public.evaluations.recommendation_text IS 'Why this resin, in the AI''s words';
COMMENT ON COLUMN public.evaluations.alternatives IS 'Other resins that would do, with reasons';
COMMENT ON COLUMN public.evaluations.stratification_protocol IS 'Layers of the restoration, step by step';
COMMENT ON COLUMN public.evaluations.photo_frontal IS 'Path in the bucket clinical-photos';


------------------------------------------------------- evaluation_drafts --

CREATE TABLE IF NOT EXISTS public.evaluation_drafts (
    id          uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id     uuid         NOT NULL,
    draft_data  jsonb        NOT NULL,
    created_at  timestamptz  NOT NULL  DEFAULT now(),
    updated_at  timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_unique('public.evaluation_drafts', 'evaluation_drafts_user_id_key', '{user_id}');
SELECT auria.ensure_foreign_key('public.evaluation_drafts', 'evaluation_drafts_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');

DROP TRIGGER IF EXISTS update_evaluation_drafts_updated_at ON public.evaluation_drafts;
CREATE TRIGGER update_evaluation_drafts_updated_at
    BEFORE UPDATE ON public.evaluation_drafts
    FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

ALTER TABLE public.evaluation_drafts ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.evaluation_drafts FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.evaluation_drafts TO authenticated, service_role;

DROP POLICY IF EXISTS evaluation_drafts_select_own ON public.evaluation_drafts;
CREATE POLICY evaluation_drafts_select_own ON public.evaluation_drafts
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS evaluation_drafts_insert_own ON public.evaluation_drafts;
CREATE POLICY evaluation_drafts_insert_own ON public.evaluation_drafts
    FOR INSERT TO authenticated
    WITH CHECK (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS evaluation_drafts_update_own ON public.evaluation_drafts;
CREATE POLICY evaluation_drafts_update_own ON public.evaluation_drafts
    FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid()))
    WITH CHECK (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS evaluation_drafts_delete_own ON public.evaluation_drafts;
CREATE POLICY evaluation_drafts_delete_own ON public.evaluation_drafts
    FOR DELETE TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.evaluation_drafts IS 'The evaluation a dentist is filling in: at most one per user';
COMMENT ON COLUMN public.evaluation_drafts.draft_data IS 'State of the form, as the application left it';


------------------------------------------------------ subscription_plans --

CREATE TABLE IF NOT EXISTS public.subscription_plans (
    id                         text         NOT NULL  PRIMARY KEY,
    name                       text         NOT NULL,
    description                text,
    price_monthly              integer      NOT NULL,
    price_yearly               integer,
    currency                   text         NOT NULL  DEFAULT 'brl',
    cases_per_month            integer      NOT NULL  DEFAULT 10,
    dsd_simulations_per_month  integer      NOT NULL  DEFAULT 5,
    priority_support           boolean      NOT NULL  DEFAULT false,
    features                   jsonb        NOT NULL  DEFAULT '[]',
    is_active                  boolean      NOT NULL  DEFAULT true,
    sort_order                 integer      NOT NULL  DEFAULT 0,
    created_at                 timestamptz  NOT NULL  DEFAULT now(),
    updated_at                 timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_check('public.subscription_plans', 'subscription_plans_price_monthly_not_negative',
    'price_monthly >= 0');
SELECT auria.ensure_check('public.subscription_plans', 'subscription_plans_price_yearly_not_negative',
    'price_yearly >= 0');

DROP TRIGGER IF EXISTS update_subscription_plans_updated_at ON public.subscription_plans;
CREATE TRIGGER update_subscription_plans_updated_at
    BEFORE UPDATE ON public.subscription_plans
    FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

ALTER TABLE public.subscription_plans ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.subscription_plans FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.subscription_plans TO anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.subscription_plans TO service_role;

DROP POLICY IF EXISTS subscription_plans_select_public ON public.subscription_plans;
CREATE POLICY subscription_plans_select_public ON public.subscription_plans
    FOR SELECT TO anon, authenticated
    USING (is_active);

COMMENT ON TABLE public.subscription_plans IS 'Plans on offer, and retired ones that subscriptions still name';
COMMENT ON COLUMN public.subscription_plans.price_monthly IS 'In centavos';
COMMENT ON COLUMN public.subscription_plans.price_yearly IS 'In centavos; null when the plan is not sold by the year';
COMMENT ON COLUMN public.subscription_plans.currency IS 'ISO 4217 in lower case, as Stripe writes it';
COMMENT ON COLUMN public.subscription_plans.cases_per_month IS 'Limit of can_create_case; -1 means unlimited';
COMMENT ON COLUMN public.subscription_plans.dsd_simulations_per_month IS 'Shown to customers; credits are what limits simulations';
COMMENT ON COLUMN public.subscription_plans.features IS 'What the plan offers, in the customer''s language: an array of strings';
COMMENT ON COLUMN public.subscription_plans.is_active IS 'Whether the plan is on offer; a plan that is not is hidden from users';
COMMENT ON COLUMN public.subscription_plans.sort_order IS 'Lowest first on the price page';


----------------------------------------------------------- subscriptions --

CREATE TABLE IF NOT EXISTS public.subscriptions (
    id                      uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id                 uuid         NOT NULL,
    stripe_customer_id      text,
    stripe_subscription_id  text,
    plan_id                 text,
    status                  text         NOT NULL  DEFAULT 'inactive',
    current_period_start    timestamptz,
    current_period_end      timestamptz,
    cancel_at_period_end    boolean      NOT NULL  DEFAULT false,
    canceled_at             timestamptz,
    trial_start             timestamptz,
    trial_end               timestamptz,
    cases_used_this_month   integer      NOT NULL  DEFAULT 0,
    dsd_used_this_month     integer      NOT NULL  DEFAULT 0,
    usage_reset_at          timestamptz  NOT NULL  DEFAULT now(),
    created_at              timestamptz  NOT NULL  DEFAULT now(),
    updated_at              timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_unique('public.subscriptions', 'subscriptions_user_unique', '{user_id}');
SELECT auria.ensure_unique('public.subscriptions', 'subscriptions_stripe_subscription_id_key',
    '{stripe_subscription_id}');
SELECT auria.ensure_foreign_key('public.subscriptions', 'subscriptions_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');
SELECT auria.ensure_foreign_key('public.subscriptions', 'subscriptions_plan_id_fkey',
    'plan_id', 'public.subscription_plans', 'id', 'NO ACTION');
-- None of these holds a counter: spending credits stays a heap-only update.
SELECT auria.ensure_index('public.subscriptions', 'idx_subscriptions_stripe_customer',
    '(stripe_customer_id) WHERE stripe_customer_id IS NOT NULL');
SELECT auria.ensure_index('public.subscriptions', 'idx_subscriptions_status', '(status)');
SELECT auria.ensure_index('public.subscriptions', 'idx_subscriptions_plan_id', '(plan_id)');

-- Every charge updates a row: with room on its page the update stays HOT, and
-- writes no index.
ALTER TABLE public.subscriptions SET (fillfactor = 60);

-- A trigger and not a CHECK, which every charge would evaluate although it
-- leaves the status as it is. The last of its kind, to see what others wrote.
DROP TRIGGER IF EXISTS zz_check_subscription_status ON public.subscriptions;
CREATE TRIGGER zz_check_subscription_status
    BEFORE INSERT OR UPDATE OF status ON public.subscriptions
    FOR EACH ROW EXECUTE FUNCTION public.check_subscription_status();
SELECT auria.report_unknown_statuses();

DROP TRIGGER IF EXISTS update_subscriptions_updated_at ON public.subscriptions;
CREATE TRIGGER update_subscriptions_updated_at
    BEFORE UPDATE ON public.subscriptions
    FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

ALTER TABLE public.subscriptions ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.subscriptions FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.subscriptions TO authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.subscriptions TO service_role;

DROP POLICY IF EXISTS subscriptions_select_own ON public.subscriptions;
CREATE POLICY subscriptions_select_own ON public.subscriptions
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.subscriptions IS 'What a user has subscribed to, as Stripe tells it, and what of it is used';
COMMENT ON COLUMN public.subscriptions.stripe_customer_id IS 'The customer in Stripe';
COMMENT ON COLUMN public.subscriptions.stripe_subscription_id IS 'The subscription in Stripe';
COMMENT ON COLUMN public.subscriptions.plan_id IS 'Null grants no monthly credits';
COMMENT ON COLUMN public.subscriptions.status IS 'Stripe''s word. active and trialing count; with any other the user is on the free tier';
COMMENT ON COLUMN public.subscriptions.current_period_start IS 'Start of the paid period, as Stripe reports it';
COMMENT ON COLUMN public.subscriptions.current_period_end IS 'End of the paid period, as Stripe reports it';
COMMENT ON COLUMN public.subscriptions.cancel_at_period_end IS 'Canceled, but paid for until current_period_end';
COMMENT ON COLUMN public.subscriptions.cases_used_this_month IS 'Cases since usage_reset_at';
COMMENT ON COLUMN public.subscriptions.dsd_used_this_month IS 'DSD simulations since usage_reset_at';
COMMENT ON COLUMN public.subscriptions.usage_reset_at IS 'Start of the month that is being counted';
