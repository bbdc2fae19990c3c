-- 015 PHI encryption: every value that tells who a patient is, or what was
-- noted about them, is stored encrypted beside the plain one. The triggers do
-- it; the key never enters the database.

---------------------------------------------------------------- patients --

ALTER TABLE public.patients
    ADD COLUMN IF NOT EXISTS name_encrypted        bytea,
    ADD COLUMN IF NOT EXISTS phone_encrypted       bytea,
    ADD COLUMN IF NOT EXISTS email_encrypted       bytea,
    ADD COLUMN IF NOT EXISTS birth_date_encrypted  bytea,
    ADD COLUMN IF NOT EXISTS notes_encrypted       bytea;

DROP TRIGGER IF EXISTS encrypt_patients_phi_trigger ON public.patients;
CREATE TRIGGER encrypt_patients_phi_trigger
    BEFORE INSERT OR UPDATE ON public.patients
    FOR EACH ROW EXECUTE FUNCTION public.encrypt_patient_phi();

COMMENT ON COLUMN public.patients.name_encrypted IS 'name, as an OpenPGP message';
COMMENT ON COLUMN public.patients.phone_encrypted IS 'phone, as an OpenPGP message';
COMMENT ON COLUMN public.patients.email_encrypted IS 'email, as an OpenPGP message';
COMMENT ON COLUMN public.patients.birth_date_encrypted IS 'birth_date as YYYY-MM-DD, as an OpenPGP message';
COMMENT ON COLUMN public.patients.notes_encrypted IS 'notes, as an OpenPGP message';
COMMENT ON TRIGGER encrypt_patients_phi_trigger ON public.patients IS 'Keeps the encrypted columns equal to the plain ones';


------------------------------------------------------------- evaluations --

ALTER TABLE public.evaluations
    ADD COLUMN IF NOT EXISTS patient_name_encrypted bytea;

DROP TRIGGER IF EXISTS encrypt_evaluations_phi_trigger ON public.evaluations;
CREATE TRIGGER encrypt_evaluations_phi_trigger
    BEFORE INSERT OR UPDATE ON public.evaluations
    FOR EACH ROW EXECUTE FUNCTION public.encrypt_evaluation_phi();

COMMENT ON COLUMN public.evaluations.patient_name_encrypted IS 'patient_name, as an OpenPGP message';
COMMENT ON TRIGGER encrypt_evaluations_phi_trigger ON public.evaluations IS 'Keeps the encrypted name equal to the plain one';
