-- The roles without superuser rights that can write auria.replaced_functions, its owner first.
SELECT r.rolname::pg_catalog.text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'auria'
  JOIN pg_catalog.pg_roles r ON NOT r.rolsuper AND r.rolname !~ '^pg_'
 WHERE c.relname = 'replaced_functions'
   AND (r.oid = c.relowner
        OR pg_catalog.has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE')
        OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER'))
 ORDER BY r.oid = c.relowner DESC, 1
