-- psql -v dentists=N: what dentists 1 to N leave in a year, by this assumption for each: 120 new patients; 240 visits of
-- two teeth, each with a protocol of about 2 kB; 240 analyses and 60 simulations charged; 60 links shared; 12 payments.
CREATE TEMPORARY TABLE dentist AS
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid AS id FROM generate_series(1, :dentists) AS n;

INSERT INTO public.patients (user_id, name, phone, email, birth_date, notes, created_at)
SELECT d.id, 'Maria da Conceição ' || n, '+55 11 9' || lpad(n::text, 8, '0'), n || '@example.com',
       date '1950-01-01' + n * 100, 'Sensibilidade ao frio no dente 11; bruxismo noturno. ' || md5(n::text),
       now() - make_interval(hours => n * 73)
  FROM dentist d, generate_series(1, 120) AS n;

INSERT INTO public.evaluations (user_id, patient_id, patient_name, patient_age, tooth, region, cavity_class, restoration_size,
       substrate, aesthetic_level, tooth_color, longevity_expectation, budget, status, session_id, anamnesis,
       stratification_protocol, photo_frontal, created_at)
SELECT v.user_id, v.patient, 'Maria da Conceição ' || v.visit % 120, 40, tooth, 'anterior', 'Classe IV', 'media', 'esmalte',
       'alto', 'A2', 'longa', 'alto', 'completed', v.session_id, 'Sem alergias conhecidas. ' || md5(v.visit::text),
       jsonb_build_object('layers', (SELECT jsonb_agg(jsonb_build_object('order', layer, 'name', 'Esmalte cromático vestibular',
                                       'resin', 'Z350 XT A2E', 'thickness', '0.3 mm', 'technique', md5(layer::text || v.session_id)
                                       || ' Aplicar em incremento único e fotopolimerizar por 20 segundos com a ponta encostada.'))
                                FROM generate_series(1, 8) AS layer)),
       v.user_id || '/' || v.session_id || '/frontal.jpg', v.at
  FROM (SELECT p.user_id, p.id AS patient, n AS visit, gen_random_uuid() AS session_id, now() - make_interval(mins => n * 2190) AS at
          FROM (SELECT user_id, id, row_number() OVER (PARTITION BY user_id ORDER BY id) AS number FROM public.patients
                 WHERE user_id IN (SELECT id FROM dentist)) AS p,
               generate_series(1, 240) AS n WHERE p.number = 1 + n % 120) AS v,
       unnest(ARRAY['11', '21']) AS tooth;

INSERT INTO public.credit_usage (user_id, subscription_id, operation, credits_used, reference_id, created_at, from_bonus)
SELECT s.user_id, s.id, CASE WHEN n % 5 = 0 THEN 'dsd_simulation' ELSE 'case_analysis' END, CASE WHEN n % 5 = 0 THEN 2 ELSE 1 END,
       gen_random_uuid(), now() - make_interval(mins => (301 - n) * 1752), 0
  FROM generate_series(1, 300) AS n, public.subscriptions s WHERE s.user_id IN (SELECT id FROM dentist);

INSERT INTO public.shared_links (user_id, session_id)
SELECT user_id, session_id FROM (
    SELECT user_id, session_id, row_number() OVER (PARTITION BY user_id) AS number
      FROM public.evaluations WHERE tooth = '11' AND user_id IN (SELECT id FROM dentist)) AS e WHERE number <= 60;
VACUUM (ANALYZE);
