-- 029 Draft encryption: a draft holds what was noted about a patient before
-- the evaluation exists.

ALTER TABLE public.evaluation_drafts
    ADD COLUMN IF NOT EXISTS draft_data_encrypted bytea;

DROP TRIGGER IF EXISTS encrypt_evaluation_drafts_phi_trigger ON public.evaluation_drafts;
CREATE TRIGGER encrypt_evaluation_drafts_phi_trigger
    BEFORE INSERT OR UPDATE ON public.evaluation_drafts
    FOR EACH ROW EXECUTE FUNCTION public.encrypt_evaluation_draft_phi();

COMMENT ON COLUMN public.evaluation_drafts.draft_data_encrypted IS
    'draft_data, as PostgreSQL writes jsonb, as an OpenPGP message';
COMMENT ON TRIGGER encrypt_evaluation_drafts_phi_trigger ON public.evaluation_drafts IS
    'Keeps the encrypted draft equal to the plain one';
