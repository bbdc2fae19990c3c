/* Made by `make sql` from the code; never edited by hand. */

\echo Use "CREATE EXTENSION auria" to load this file. \quit

SELECT 1;

-- auria_pg::triggers::new_user::handle_new_user

CREATE OR REPLACE FUNCTION public.handle_new_user() RETURNS trigger
    LANGUAGE c SECURITY DEFINER
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'handle_new_user_wrapper';

-- auria_pg::triggers::updated_at::update_updated_at_column

CREATE OR REPLACE FUNCTION public.update_updated_at_column() RETURNS trigger
    LANGUAGE c
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'update_updated_at_column_wrapper';
