-- A visitor who has not signed in.
CREATE ROLE anon NOLOGIN NOINHERIT;
