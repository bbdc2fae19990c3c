-- That the draft t is the dentist's of the patient $1, and has the patient's id or name in it.
t.user_id = (SELECT p.user_id FROM public.patients p WHERE p.id = $1)
AND EXISTS (SELECT FROM pg_catalog.jsonb_path_query(t.draft_data, 'strict $.** ? (@.type() == "string")') AS said (value)
             WHERE said.value #>> '{}' = $1::pg_catalog.text
                OR (said.value #>> '{}') ~* (SELECT '(^|\W)' || pg_catalog.regexp_replace(p.name, '(\W)', '\\\1', 'g') || '($|\W)'
                                               FROM public.patients p WHERE p.id = $1 AND p.name <> ''))
