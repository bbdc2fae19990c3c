-- Owns the tables and functions, so that SECURITY DEFINER means its rights and no superuser's.
CREATE ROLE auria_owner NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

COMMENT ON ROLE auria_owner IS 'Owns the AURIA schema; GRANT auria_owner TO a role lets it migrate the schema';
