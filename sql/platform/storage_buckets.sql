-- Row-level security without a policy: only the backend sees buckets.
CREATE TABLE storage.buckets (
    id          text         NOT NULL  PRIMARY KEY,
    name        text         NOT NULL  UNIQUE,
    owner       uuid,
    created_at  timestamptz            DEFAULT now(),
    updated_at  timestamptz            DEFAULT now(),
    public      boolean                DEFAULT false
);

ALTER TABLE storage.buckets ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON TABLE storage.buckets TO anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE storage.buckets TO service_role;

COMMENT ON TABLE storage.buckets IS 'Buckets of the file store';
COMMENT ON COLUMN storage.buckets.public IS 'Whether the file store serves the objects without asking who reads';
