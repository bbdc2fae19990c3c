-- 032 Replacing drafts: the newest client saves its draft by a plain INSERT every two seconds, older ones upsert.

-- Named to sort last: a trigger after it could leave the new row out, when the stored one is gone.
DROP TRIGGER IF EXISTS zz_replace_draft ON public.evaluation_drafts;
CREATE TRIGGER zz_replace_draft
    BEFORE INSERT ON public.evaluation_drafts
    FOR EACH ROW EXECUTE FUNCTION public.replace_draft();

COMMENT ON TRIGGER zz_replace_draft ON public.evaluation_drafts IS
    'A second draft of a user that is inserted replaces the first';
