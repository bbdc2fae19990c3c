-- The functions whose bodies are strings that have the word $1, a table, and one of the words $2, its plain columns.
SELECT p.oid::pg_catalog.regprocedure::text
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal')
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND p.prosrc OPERATOR(pg_catalog.~) ('\m' || $1 || '\M')
   AND p.prosrc OPERATOR(pg_catalog.~) ('\m(' || pg_catalog.array_to_string($2, '|') || ')\M')
 ORDER BY 1
