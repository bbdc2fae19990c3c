-- A patient's files are in the dentist's folder: those that the patient's rows, $2 as jsonb, name, as a path or at the end of
-- a URL, and those in a folder named after one of the rows, their session or the patient, $1.
WITH said AS MATERIALIZED (
    SELECT DISTINCT pg_catalog.split_part(value #>> '{}', '?', 1) AS text
      FROM pg_catalog.jsonb_path_query($2, 'strict $.** ? (@.type() == "string")') AS value
),
ids AS MATERIALIZED (
    SELECT pg_catalog.array_agg(text) AS all_of_them FROM said
     WHERE text ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
)
SELECT o.bucket_id, o.name FROM storage.objects o CROSS JOIN ids
 WHERE pg_catalog.split_part(o.name, '/', 1) = ANY (ids.all_of_them)
   AND ((pg_catalog.string_to_array(o.name, '/'))[2:] && (ids.all_of_them || $1::pg_catalog.text)
        OR EXISTS (SELECT FROM said
                    WHERE said.text = o.name
                       OR pg_catalog.right(said.text, pg_catalog.length(o.name) + 1) = '/' || o.name))
 ORDER BY 1, 2
