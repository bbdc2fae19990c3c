-- 'a/b/c.jpg' is in the folders {a,b}; 'c.jpg' is in none: {}.
-- The operator is qualified rather than the search path set: a policy asks for
-- each row, and the planner inlines only a function without settings.
CREATE FUNCTION storage.foldername(name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT parts[1 : pg_catalog.cardinality(parts) OPERATOR(pg_catalog.-) 1]
    FROM pg_catalog.string_to_array(name, '/') AS parts
$$;

GRANT EXECUTE ON FUNCTION storage.foldername(text) TO anon, authenticated, service_role;

COMMENT ON FUNCTION storage.foldername(text) IS 'Folders on the path of an object, outermost first';
