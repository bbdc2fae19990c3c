-- One row per stored file. The grants are wide and the policies decide: each
-- product that stores files brings its own policies for its own buckets.
CREATE TABLE storage.objects (
    id                uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    bucket_id         text         REFERENCES storage.buckets (id),
    name              text,
    owner             uuid,
    created_at        timestamptz            DEFAULT now(),
    updated_at        timestamptz            DEFAULT now(),
    last_accessed_at  timestamptz            DEFAULT now(),
    metadata          jsonb,
    path_tokens       text[]       GENERATED ALWAYS AS (string_to_array(name, '/')) STORED,
    UNIQUE (bucket_id, name)
);

ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE storage.objects TO anon, authenticated, service_role;

COMMENT ON TABLE storage.objects IS 'Files of the file store';
COMMENT ON COLUMN storage.objects.name IS 'Path inside the bucket, folders separated by /';
COMMENT ON COLUMN storage.objects.path_tokens IS 'The path, split at /';
