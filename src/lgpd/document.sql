-- An export: $1 the kind of subject, $2 its id, $3 the rows of the tables, $4 the files, $5 what is not included.
SELECT pg_catalog.jsonb_build_object(
           'subject', pg_catalog.jsonb_build_object('kind', $1, 'id', $2),
           'exported_at', pg_catalog.now(),
           'tables', $3,
           'storage_objects', $4::pg_catalog.jsonb,
           'not_included', $5::pg_catalog.jsonb)
