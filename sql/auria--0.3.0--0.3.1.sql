\echo Use "ALTER EXTENSION auria UPDATE" to load this file. \quit

-- The library alone changed.
