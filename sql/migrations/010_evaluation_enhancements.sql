-- 010 Evaluation enhancements: DSD (digital smile design) analysis, more
-- photos, the patient's preferences, treatments other than resin, and sessions
-- in which several teeth are found in one photo.

------------------------------------------------------------- evaluations --

ALTER TABLE public.evaluations
    ADD COLUMN IF NOT EXISTS treatment_type             text     DEFAULT 'resina',
    ADD COLUMN IF NOT EXISTS desired_tooth_shape        text,
    ADD COLUMN IF NOT EXISTS ideal_resin_id             uuid,
    ADD COLUMN IF NOT EXISTS ideal_reason               text,
    ADD COLUMN IF NOT EXISTS is_from_inventory          boolean  DEFAULT false,
    ADD COLUMN IF NOT EXISTS has_inventory_at_creation  boolean  DEFAULT false,
    ADD COLUMN IF NOT EXISTS ai_treatment_indication    text,
    ADD COLUMN IF NOT EXISTS ai_indication_reason       text,
    ADD COLUMN IF NOT EXISTS protocol_layers            jsonb,
    ADD COLUMN IF NOT EXISTS cementation_protocol       jsonb,
    ADD COLUMN IF NOT EXISTS generic_protocol           jsonb,
    ADD COLUMN IF NOT EXISTS checklist_progress         jsonb    DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS alerts                     jsonb    DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS warnings                   jsonb    DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS photo_45                   text,
    ADD COLUMN IF NOT EXISTS photo_face                 text,
    ADD COLUMN IF NOT EXISTS additional_photos          jsonb    DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS tooth_bounds               jsonb,
    ADD COLUMN IF NOT EXISTS dsd_analysis               jsonb,
    ADD COLUMN IF NOT EXISTS dsd_simulation_url         text,
    ADD COLUMN IF NOT EXISTS simulation_url             text,
    ADD COLUMN IF NOT EXISTS patient_aesthetic_goals    text,
    ADD COLUMN IF NOT EXISTS patient_desired_changes    text[];

SELECT auria.ensure_foreign_key('public.evaluations', 'evaluations_ideal_resin_id_fkey',
    'ideal_resin_id', 'public.resins', 'id', 'NO ACTION');

SELECT auria.ensure_index('public.evaluations', 'idx_evaluations_ideal_resin_id',
    '(ideal_resin_id) WHERE ideal_resin_id IS NOT NULL');
-- None over treatment_type (eight values: a dentist's own rows are fewer than
-- those of one value), additional_photos and patient_desired_changes: the
-- operators of a GIN index are not leakproof, so that under row-level security
-- PostgreSQL never asks it before the policy. Each row written paid for them.

-- For a visitor with a share token: see 008.
GRANT SELECT (
    treatment_type, desired_tooth_shape, ideal_resin_id, ideal_reason, is_from_inventory,
    has_inventory_at_creation, ai_treatment_indication, ai_indication_reason, protocol_layers,
    cementation_protocol, generic_protocol, checklist_progress, alerts, warnings, photo_45,
    photo_face, additional_photos, tooth_bounds, dsd_analysis, dsd_simulation_url, simulation_url,
    patient_aesthetic_goals, patient_desired_changes
) ON TABLE public.evaluations TO anon;

COMMENT ON COLUMN public.evaluations.treatment_type IS 'resina, porcelana or another treatment; decides which protocol is filled';
COMMENT ON COLUMN public.evaluations.desired_tooth_shape IS 'Shape that the patient wishes for';
COMMENT ON COLUMN public.evaluations.ideal_resin_id IS 'Best resin for the case, whether the dentist has it or not';
COMMENT ON COLUMN public.evaluations.ideal_reason IS 'Why that resin would be the best';
COMMENT ON COLUMN public.evaluations.is_from_inventory IS 'Whether recommended_resin_id is in the dentist''s inventory';
COMMENT ON COLUMN public.evaluations.has_inventory_at_creation IS 'Whether the dentist had an inventory when the case was evaluated';
COMMENT ON COLUMN public.evaluations.ai_treatment_indication IS 'Treatment that the AI indicates, before the dentist decides';
COMMENT ON COLUMN public.evaluations.ai_indication_reason IS 'Why the AI indicates it';
COMMENT ON COLUMN public.evaluations.protocol_layers IS 'Layers with shade and thickness, from the inside out';
COMMENT ON COLUMN public.evaluations.cementation_protocol IS 'Steps of cementing, for ceramic work';
COMMENT ON COLUMN public.evaluations.generic_protocol IS 'Steps of any other treatment';
COMMENT ON COLUMN public.evaluations.checklist_progress IS 'Indexes of the protocol steps already done';
COMMENT ON COLUMN public.evaluations.alerts IS 'What the dentist must look at before going on';
COMMENT ON COLUMN public.evaluations.warnings IS 'Risks of the chosen treatment';
COMMENT ON COLUMN public.evaluations.photo_45 IS 'Path in the bucket clinical-photos: seen from 45 degrees';
COMMENT ON COLUMN public.evaluations.photo_face IS 'Path in the bucket clinical-photos: the whole face';
COMMENT ON COLUMN public.evaluations.additional_photos IS 'Further paths in clinical-photos, by kind of photo';
COMMENT ON COLUMN public.evaluations.tooth_bounds IS 'Box around the tooth in photo_frontal, in percent';
COMMENT ON COLUMN public.evaluations.dsd_analysis IS 'Digital smile design: proportions, lines, suggestions';
COMMENT ON COLUMN public.evaluations.dsd_simulation_url IS 'Path in the bucket dsd-simulations';
COMMENT ON COLUMN public.evaluations.simulation_url IS 'Simulation of the restored tooth alone';
COMMENT ON COLUMN public.evaluations.patient_aesthetic_goals IS 'In the patient''s own words';
COMMENT ON COLUMN public.evaluations.patient_desired_changes IS 'What the patient would change, picked from a list';


-------------------------------------------------- session_detected_teeth --

CREATE TABLE IF NOT EXISTS public.session_detected_teeth (
    id                    uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    session_id            uuid         NOT NULL,
    user_id               uuid         NOT NULL,
    tooth                 text         NOT NULL,
    priority              text,
    treatment_indication  text,
    indication_reason     text,
    cavity_class          text,
    restoration_size      text,
    substrate             text,
    substrate_condition   text,
    enamel_condition      text,
    depth                 text,
    tooth_region          text,
    tooth_bounds          jsonb,
    created_at            timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_unique('public.session_detected_teeth', 'session_detected_teeth_session_id_tooth_key',
    '{session_id, tooth}');
SELECT auria.ensure_foreign_key('public.session_detected_teeth', 'session_detected_teeth_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');

SELECT auria.ensure_index('public.session_detected_teeth', 'idx_session_detected_teeth_user_id', '(user_id)');

ALTER TABLE public.session_detected_teeth ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.session_detected_teeth FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.session_detected_teeth TO authenticated, service_role;

DROP POLICY IF EXISTS session_detected_teeth_select_own ON public.session_detected_teeth;
CREATE POLICY session_detected_teeth_select_own ON public.session_detected_teeth
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS session_detected_teeth_insert_own ON public.session_detected_teeth;
CREATE POLICY session_detected_teeth_insert_own ON public.session_detected_teeth
    FOR INSERT TO authenticated
    WITH CHECK (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS session_detected_teeth_update_own ON public.session_detected_teeth;
CREATE POLICY session_detected_teeth_update_own ON public.session_detected_teeth
    FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid()))
    WITH CHECK (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS session_detected_teeth_delete_own ON public.session_detected_teeth;
CREATE POLICY session_detected_teeth_delete_own ON public.session_detected_teeth
    FOR DELETE TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.session_detected_teeth IS 'Teeth that the AI has found in the photos of a session';
COMMENT ON COLUMN public.session_detected_teeth.session_id IS 'Becomes evaluations.session_id once the dentist evaluates them';
COMMENT ON COLUMN public.session_detected_teeth.tooth IS 'FDI notation, as in 11 or 36';
COMMENT ON COLUMN public.session_detected_teeth.priority IS 'alta, média or baixa';
COMMENT ON COLUMN public.session_detected_teeth.treatment_indication IS 'resina, porcelana or another treatment';
COMMENT ON COLUMN public.session_detected_teeth.indication_reason IS 'Why that treatment is indicated';
COMMENT ON COLUMN public.session_detected_teeth.cavity_class IS 'Black''s classification, as in Classe IV';
COMMENT ON COLUMN public.session_detected_teeth.restoration_size IS 'How much of the tooth is to be restored';
COMMENT ON COLUMN public.session_detected_teeth.substrate IS 'What the restoration bonds to, as in enamel or dentin';
COMMENT ON COLUMN public.session_detected_teeth.substrate_condition IS 'State of the substrate, as in healthy, sclerotic or stained';
COMMENT ON COLUMN public.session_detected_teeth.enamel_condition IS 'State of the enamel around the cavity';
COMMENT ON COLUMN public.session_detected_teeth.depth IS 'Depth of the cavity';
COMMENT ON COLUMN public.session_detected_teeth.tooth_region IS 'Anterior or posterior region of the mouth';
COMMENT ON COLUMN public.session_detected_teeth.tooth_bounds IS 'Box around the tooth in the photo, in percent';
