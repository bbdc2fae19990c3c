-- 013 DSD layers: a simulation in several layers, for comparing them.

ALTER TABLE public.evaluations
    ADD COLUMN IF NOT EXISTS dsd_simulation_layers jsonb;

-- For a visitor with a share token: see 008.
GRANT SELECT (dsd_simulation_layers) ON TABLE public.evaluations TO anon;

COMMENT ON COLUMN public.evaluations.dsd_simulation_layers IS 'Layers of the DSD simulation, each with its image: an array';
