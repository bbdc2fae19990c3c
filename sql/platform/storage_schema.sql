-- What the file store knows about its files.
CREATE SCHEMA storage;

GRANT USAGE ON SCHEMA storage TO anon, authenticated, service_role;

COMMENT ON SCHEMA storage IS 'Buckets and objects of the file store';
