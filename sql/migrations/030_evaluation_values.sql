-- 030 Evaluation values: the words that status and treatment_type may hold.

SELECT auria.ensure_check('public.evaluations', 'evaluations_status_not_unknown',
    $$status IN ('draft', 'analyzing', 'completed', 'error')$$);
SELECT auria.ensure_check('public.evaluations', 'evaluations_treatment_type_not_unknown',
    $$treatment_type IN ('resina', 'porcelana', 'implante', 'coroa', 'endodontia', 'encaminhamento',
                         'gengivoplastia', 'recobrimento_radicular')$$);

COMMENT ON COLUMN public.evaluations.status IS 'draft, analyzing, completed or error';
COMMENT ON COLUMN public.evaluations.treatment_type IS
    'resina, porcelana, implante, coroa, endodontia, encaminhamento, gengivoplastia or recobrimento_radicular; decides which protocol is filled';
