-- pgbench -D dentists=N: one charge with a reference, of a dentist at random.
\set dentist random(1, :dentists)
SELECT public.use_credits(('00000000-0000-4000-8000-' || lpad(:dentist::text, 12, '0'))::uuid, 'case_analysis', gen_random_uuid());
