-- 024 Anamnesis: the patient's history, in free text.

ALTER TABLE public.evaluations
    ADD COLUMN IF NOT EXISTS anamnesis            text,
    ADD COLUMN IF NOT EXISTS anamnesis_encrypted  bytea;

COMMENT ON COLUMN public.evaluations.anamnesis IS 'PHI. The patient''s history, as the dentist wrote it down';
COMMENT ON COLUMN public.evaluations.anamnesis_encrypted IS 'anamnesis, as an OpenPGP message';
