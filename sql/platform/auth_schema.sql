-- Who the users are and who is asking.
CREATE SCHEMA auth;

GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;

COMMENT ON SCHEMA auth IS 'Users and the identity of the current request';
