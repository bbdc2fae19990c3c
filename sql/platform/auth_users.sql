-- The users, as far as AURIA looks at them. API roles have no access: the
-- foreign keys and the sign-up trigger work with the owner's rights.
CREATE TABLE auth.users (
    id                  uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    email               text,
    raw_user_meta_data  jsonb,
    raw_app_meta_data   jsonb,
    created_at          timestamptz            DEFAULT now(),
    updated_at          timestamptz            DEFAULT now()
);

ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;

COMMENT ON TABLE auth.users IS 'Everyone who has signed up';
COMMENT ON COLUMN auth.users.raw_user_meta_data IS 'What the user said at sign-up: full_name and cro become the profile';
COMMENT ON COLUMN auth.users.raw_app_meta_data IS 'What the backend knows about the user';
