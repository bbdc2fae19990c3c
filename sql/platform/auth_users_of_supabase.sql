-- The users as Supabase's sign-up service first makes them: it goes on from there when it connects.
CREATE TABLE auth.users (
    instance_id           uuid,
    id                    uuid          NOT NULL  PRIMARY KEY,
    aud                   varchar(255),
    role                  varchar(255),
    email                 varchar(255)  UNIQUE,
    encrypted_password    varchar(255),
    confirmed_at          timestamptz,
    invited_at            timestamptz,
    confirmation_token    varchar(255),
    confirmation_sent_at  timestamptz,
    recovery_token        varchar(255),
    recovery_sent_at      timestamptz,
    email_change_token    varchar(255),
    email_change          varchar(255),
    email_change_sent_at  timestamptz,
    last_sign_in_at       timestamptz,
    raw_app_meta_data     jsonb,
    raw_user_meta_data    jsonb,
    is_super_admin        boolean,
    created_at            timestamptz,
    updated_at            timestamptz
);

ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
