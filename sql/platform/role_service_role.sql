-- The backend. Row-level security does not bind it; its grants do.
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
