-- Views of the team that call phi_encrypt or phi_decrypt, and the roles other than service_role that may read them.
-- A view without security_invoker calls functions with the reader's rights, too.
SELECT c.oid::pg_catalog.regclass::text,
       pg_catalog.string_agg(DISTINCT COALESCE(r.rolname, 'PUBLIC'), ', ')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_rewrite w ON w.ev_class = c.oid
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
                             AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                             AND d.refobjid IN (pg_catalog.to_regprocedure('public.phi_encrypt(text)'),
                                                pg_catalog.to_regprocedure('public.phi_decrypt(bytea)'))
 CROSS JOIN LATERAL pg_catalog.aclexplode(COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner))) AS a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE c.relkind = 'v'
   AND a.privilege_type = 'SELECT'
   AND (a.grantee = 0 OR NOT r.rolsuper AND NOT pg_catalog.has_function_privilege(a.grantee, d.refobjid, 'EXECUTE'))
 GROUP BY 1
 ORDER BY 1
