\echo Use "ALTER EXTENSION auria UPDATE" to load this file. \quit

SELECT auria.migrate();
