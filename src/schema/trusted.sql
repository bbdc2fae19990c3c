-- The roles whose tables, functions and triggers may be used with more rights than theirs.
-- $1: those in auria.trusted_owners; $2: the role that owns the schema, or is to own it; $3: the role that is made for that;
-- $4: what SET ROLE asks for.
WITH trusted (oid, rolname) AS (
    SELECT r.oid, r.rolname
      FROM pg_catalog.pg_roles r
     WHERE r.rolsuper
        OR r.rolname = CURRENT_USER
        OR r.rolname = 'pg_database_owner'
        OR r.rolname = $3
        OR r.oid = (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
        OR r.rolname = ANY ($1)
)
SELECT oid FROM trusted
 UNION
-- A role that may become the schema's owner has its rights anyhow.
SELECT r.oid FROM pg_catalog.pg_roles r JOIN trusted o ON o.rolname = $2 AND pg_catalog.pg_has_role(r.oid, o.oid, $4)
