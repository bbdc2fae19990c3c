-- Whether the numbers of entries and events go on where they are: both have one sequence, which decides in which order a
-- balance is made of them.
WITH sequence (last, cache) AS (
    SELECT coalesce(pg_catalog.pg_sequence_last_value(seqrelid), 0), seqcache
      FROM pg_catalog.pg_sequence
     WHERE seqrelid = 'public.credit_usage_entry_seq'::pg_catalog.regclass
), written (greatest) AS (
    SELECT greatest((SELECT max(entry) FROM public.credit_usage), (SELECT max(entry) FROM public.credit_events))
)
SELECT pg_catalog.format('sequence public.credit_usage_entry_seq is at %s, and the last entry is %s: run SELECT pg_catalog.setval('
                         '''public.credit_usage_entry_seq'', greatest(%s, pg_catalog.nextval(''public.credit_usage_entry_seq'')))',
                         last, greatest, greatest)
  FROM sequence, written
 WHERE last < greatest
 UNION ALL
SELECT pg_catalog.format('sequence public.credit_usage_entry_seq has a cache of %s, so that sessions number entries out of order: '
                         'run ALTER SEQUENCE public.credit_usage_entry_seq CACHE 1', cache)
  FROM sequence
 WHERE cache > 1
