-- 025 Radiographs: the radiograph that belongs to an evaluation.

ALTER TABLE public.evaluations
    ADD COLUMN IF NOT EXISTS radiograph_url   text,
    ADD COLUMN IF NOT EXISTS radiograph_type  text;

COMMENT ON COLUMN public.evaluations.radiograph_url IS 'Path in the bucket clinical-photos';
COMMENT ON COLUMN public.evaluations.radiograph_type IS 'Kind of radiograph, as in periapical or panoramica';
