-- What auria.migrate() has applied. Run at the start of every migrate().
CREATE TABLE IF NOT EXISTS auria.migrations (
    number      integer      NOT NULL  PRIMARY KEY,
    name        text         NOT NULL,
    sha256      text         NOT NULL,
    applied_at  timestamptz  NOT NULL  DEFAULT now()
);

ALTER TABLE auria.migrations ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE auria.migrations FROM PUBLIC, anon, authenticated, service_role;
GRANT USAGE ON SCHEMA auria TO service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE auria.migrations TO service_role;

DROP POLICY IF EXISTS migrations_all_service_role ON auria.migrations;
CREATE POLICY migrations_all_service_role ON auria.migrations
    FOR ALL TO service_role
    USING (true)
    WITH CHECK (true);

COMMENT ON TABLE auria.migrations IS 'Migrations that auria.migrate() has applied to this database';
COMMENT ON COLUMN auria.migrations.sha256 IS
    'Checksum of the file as it was applied, in hex; auria.doctor() reports a file that has changed since';
