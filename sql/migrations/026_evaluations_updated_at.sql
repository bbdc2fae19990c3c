-- 026 When an evaluation was last changed. cleanup_stuck_evaluations goes by
-- it. Rows that exist get the time of this migration, so that the table is not
-- rewritten.

ALTER TABLE public.evaluations
    ADD COLUMN IF NOT EXISTS updated_at timestamptz NOT NULL DEFAULT now();

DROP TRIGGER IF EXISTS update_evaluations_updated_at ON public.evaluations;
CREATE TRIGGER update_evaluations_updated_at
    BEFORE UPDATE ON public.evaluations
    FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
