-- What auria.migrate() has applied, made and replaced. Run at the start of every migrate().
GRANT USAGE ON SCHEMA auria TO service_role;

CREATE TABLE IF NOT EXISTS auria.migrations (
    number      integer      NOT NULL  PRIMARY KEY,
    name        text         NOT NULL,
    sha256      text         NOT NULL,
    applied_at  timestamptz  NOT NULL  DEFAULT now()
);

ALTER TABLE auria.migrations
    ADD COLUMN IF NOT EXISTS warnings  text;

ALTER TABLE auria.migrations ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE auria.migrations FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE auria.migrations TO service_role;

DROP POLICY IF EXISTS migrations_all_service_role ON auria.migrations;
CREATE POLICY migrations_all_service_role ON auria.migrations
    FOR ALL TO service_role
    USING (true)
    WITH CHECK (true);

COMMENT ON TABLE auria.migrations IS 'Migrations that auria.migrate() has applied to this database';
COMMENT ON COLUMN auria.migrations.sha256 IS
    'Checksum of the file as it was applied, in hex; auria.doctor() reports a file that has changed since';
COMMENT ON COLUMN auria.migrations.warnings IS 'What the DBA was asked to act on when the migration was applied';

COMMENT ON COLUMN auria.migrations.applied_at IS
    'When it was applied for the first time; evaluations from before 006 count as free uses';

-- The backend reads these two and writes neither.
CREATE TABLE IF NOT EXISTS auria.installed_functions (
    signature     text         NOT NULL  PRIMARY KEY,
    installed_at  timestamptz  NOT NULL  DEFAULT now()
);

ALTER TABLE auria.installed_functions ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE auria.installed_functions FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE auria.installed_functions TO service_role;

DROP POLICY IF EXISTS installed_functions_select_service_role ON auria.installed_functions;
CREATE POLICY installed_functions_select_service_role ON auria.installed_functions
    FOR SELECT TO service_role
    USING (true);

COMMENT ON TABLE auria.installed_functions IS
    'Functions of public that were installed once: one that is missing was dropped by the team, and an update does not make it again';

COMMENT ON COLUMN auria.installed_functions.signature IS 'Name and argument types';
COMMENT ON COLUMN auria.installed_functions.installed_at IS 'When it was installed for the first time';

CREATE TABLE IF NOT EXISTS auria.replaced_functions (
    id           bigint       NOT NULL  GENERATED ALWAYS AS IDENTITY  PRIMARY KEY,
    signature    text         NOT NULL,
    definition   text         NOT NULL,
    owner        text         NOT NULL,
    replaced_at  timestamptz  NOT NULL  DEFAULT now()
);

ALTER TABLE auria.replaced_functions ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE auria.replaced_functions FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE auria.replaced_functions TO service_role;

DROP POLICY IF EXISTS replaced_functions_select_service_role ON auria.replaced_functions;
CREATE POLICY replaced_functions_select_service_role ON auria.replaced_functions
    FOR SELECT TO service_role
    USING (true);

COMMENT ON TABLE auria.replaced_functions IS
    'Functions as they were before the compiled ones replaced them';
COMMENT ON COLUMN auria.replaced_functions.id IS 'In the order in which they were replaced';
COMMENT ON COLUMN auria.replaced_functions.signature IS 'Name and argument types';
COMMENT ON COLUMN auria.replaced_functions.replaced_at IS 'When the compiled function replaced it';
COMMENT ON COLUMN auria.replaced_functions.definition IS 'CREATE OR REPLACE FUNCTION, as pg_get_functiondef wrote it';
COMMENT ON COLUMN auria.replaced_functions.owner IS 'Role that owned the function';

-- How often use_credits has answered false, for auria.metrics(). Sequences, because a number taken from one costs no row,
-- no lock that others wait for, and stays when the transaction is rolled back. Every other operation counts as `other`: a
-- caller who invents names makes nothing grow. A DBA may add auria.refused_OPERATION for an operation of the team's own;
-- auria.migrate() gives it to the schema's owner, who counts.
CREATE SEQUENCE IF NOT EXISTS auria.refused_case_analysis;
CREATE SEQUENCE IF NOT EXISTS auria.refused_dsd_simulation;
CREATE SEQUENCE IF NOT EXISTS auria.refused_other;

REVOKE ALL ON SEQUENCE auria.refused_case_analysis, auria.refused_dsd_simulation, auria.refused_other
    FROM PUBLIC, anon, authenticated, service_role;

COMMENT ON SEQUENCE auria.refused_case_analysis IS 'How many charges of this operation were refused';
COMMENT ON SEQUENCE auria.refused_dsd_simulation IS 'How many charges of this operation were refused';
COMMENT ON SEQUENCE auria.refused_other IS 'How many charges were refused of operations without a sequence of their own';

-- An erasure writes one entry, and nothing changes or removes one.
CREATE TABLE IF NOT EXISTS auria.erasures (
    id           bigint       NOT NULL  GENERATED ALWAYS AS IDENTITY  PRIMARY KEY,
    erased_at    timestamptz  NOT NULL  DEFAULT now(),
    subject      text         NOT NULL,
    login        text         NOT NULL,
    role         text         NOT NULL,
    removed      jsonb        NOT NULL,
    kept         jsonb        NOT NULL,
    not_reached  jsonb        NOT NULL,
    files        bigint       NOT NULL
);

ALTER TABLE auria.erasures
    ADD COLUMN IF NOT EXISTS digest    bytea,
    ADD COLUMN IF NOT EXISTS complete  boolean;

ALTER TABLE auria.erasures ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE auria.erasures FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE auria.erasures TO service_role;

DROP POLICY IF EXISTS erasures_select_service_role ON auria.erasures;
CREATE POLICY erasures_select_service_role ON auria.erasures
    FOR SELECT TO service_role
    USING (true);

COMMENT ON TABLE auria.erasures IS
    'Erasures of personal data on request (LGPD, article 18), for an auditor: names neither the person nor what was stored';
COMMENT ON COLUMN auria.erasures.id IS 'As auria.erase_user() and auria.erase_patient() report it';
COMMENT ON COLUMN auria.erasures.erased_at IS 'When the transaction of the erasure began';
COMMENT ON COLUMN auria.erasures.subject IS 'What kind of person was erased: user (a dentist, with their patients) or patient';
COMMENT ON COLUMN auria.erasures.login IS 'Role that had logged in';
COMMENT ON COLUMN auria.erasures.role IS 'Role whose rights were in force';
COMMENT ON COLUMN auria.erasures.removed IS 'Number of rows removed, by table';
COMMENT ON COLUMN auria.erasures.kept IS 'Number of rows kept, by table: payments; null for rows that mention the person';
COMMENT ON COLUMN auria.erasures.not_reached IS
    'Tables whose rows the owner of the schema could not remove: how many a trigger or rule kept, or null';
COMMENT ON COLUMN auria.erasures.files IS 'How many files the caller was asked to delete';
COMMENT ON COLUMN auria.erasures.digest IS
    'SHA-256 of the erased id as text, for auria.erase_again() after a backup was restored';
COMMENT ON COLUMN auria.erasures.complete IS 'Whether every table was reached and no row was kept by a trigger or rule';
