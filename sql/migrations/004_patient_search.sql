-- 004 Patient search: finding a patient by part of the name, or by a name
-- spelled almost right: LIKE, ILIKE and similarity by trigrams. pg_trgm may live
-- in any schema; its name is filled in when the migration runs.

SELECT auria.ensure_index('public.patients', 'idx_patients_name_trgm',
    'USING gin (name @extschema:pg_trgm@.gin_trgm_ops)');
