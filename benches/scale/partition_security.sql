-- Row-level security and grants of partitions, which pg_partman makes without: after each run of its maintenance.
DO $$
DECLARE partition regclass;
BEGIN
    FOR partition IN
        SELECT t.relid FROM unnest(ARRAY['credit_usage', 'evaluations']) AS name,
               pg_partition_tree(to_regclass('public.' || name)) AS t WHERE t.isleaf
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', partition);
        EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC, anon, authenticated', partition);
    END LOOP;
END $$;
