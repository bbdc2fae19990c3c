-- 023 Patient document: what the dentist hands to the patient. It is patient
-- data in free text; whoever presents a share token gets it from
-- get_shared_evaluation, and not by reading the table.

ALTER TABLE public.evaluations
    ADD COLUMN IF NOT EXISTS patient_document            jsonb,
    ADD COLUMN IF NOT EXISTS patient_document_encrypted  bytea;

COMMENT ON COLUMN public.evaluations.patient_document IS
    'PHI. Document for the patient: explanations and instructions, shown to whoever opens a shared link';
COMMENT ON COLUMN public.evaluations.patient_document_encrypted IS
    'patient_document, as PostgreSQL writes jsonb, as an OpenPGP message';
