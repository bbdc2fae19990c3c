-- Keeps the definition of the view public.$1.
INSERT INTO auria.replaced_functions (signature, definition, owner)
SELECT 'view public.' || $1,
       pg_catalog.format('CREATE VIEW public.%I AS %s', $1, pg_catalog.pg_get_viewdef(c.oid)),
       r.rolname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
 WHERE c.oid = pg_catalog.to_regclass('public.' || $1)
