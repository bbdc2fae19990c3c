-- 009 Prompt metrics: what each call of an AI model cost. Who may read them is
-- settled in 016.

CREATE TABLE IF NOT EXISTS public.prompt_executions (
    id              uuid           NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    prompt_id       text           NOT NULL,
    prompt_version  text           NOT NULL,
    model           text           NOT NULL,
    tokens_in       integer        NOT NULL  DEFAULT 0,
    tokens_out      integer        NOT NULL  DEFAULT 0,
    estimated_cost  numeric(10,6)  NOT NULL  DEFAULT 0,
    latency_ms      integer        NOT NULL,
    success         boolean        NOT NULL,
    error           text,
    created_at      timestamptz              DEFAULT now()
);

SELECT auria.ensure_check('public.prompt_executions', 'prompt_executions_tokens_in_not_negative', 'tokens_in >= 0');
SELECT auria.ensure_check('public.prompt_executions', 'prompt_executions_tokens_out_not_negative', 'tokens_out >= 0');
SELECT auria.ensure_check('public.prompt_executions', 'prompt_executions_estimated_cost_not_negative',
    'estimated_cost >= 0');
SELECT auria.ensure_check('public.prompt_executions', 'prompt_executions_latency_ms_not_negative', 'latency_ms >= 0');

SELECT auria.ensure_index('public.prompt_executions', 'idx_prompt_executions_prompt_id', '(prompt_id)');
SELECT auria.ensure_index('public.prompt_executions', 'idx_prompt_executions_created_at', '(created_at)');

ALTER TABLE public.prompt_executions ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.prompt_executions FROM PUBLIC, anon, authenticated;

COMMENT ON TABLE public.prompt_executions IS 'Calls of AI models: tokens, cost, latency, outcome';
COMMENT ON COLUMN public.prompt_executions.prompt_id IS 'Which prompt of the application';
COMMENT ON COLUMN public.prompt_executions.prompt_version IS 'Which wording of that prompt';
COMMENT ON COLUMN public.prompt_executions.model IS 'Name of the model, as its provider writes it';
COMMENT ON COLUMN public.prompt_executions.tokens_in IS 'Tokens sent to the model';
COMMENT ON COLUMN public.prompt_executions.tokens_out IS 'Tokens received from it';
COMMENT ON COLUMN public.prompt_executions.estimated_cost IS 'In US dollars';
COMMENT ON COLUMN public.prompt_executions.latency_ms IS 'Milliseconds until the answer';
COMMENT ON COLUMN public.prompt_executions.error IS 'What went wrong when success is false';
