-- 022 DSD image hash: a photo that was analysed before is recognised.

ALTER TABLE public.evaluations
    ADD COLUMN IF NOT EXISTS dsd_image_hash text;

SELECT auria.ensure_index('public.evaluations', 'idx_evaluations_dsd_image_hash',
    '(dsd_image_hash) WHERE dsd_image_hash IS NOT NULL');

COMMENT ON COLUMN public.evaluations.dsd_image_hash IS
    'Hash of the photo behind dsd_analysis, by which the Edge Function finds an analysis that was made before';
