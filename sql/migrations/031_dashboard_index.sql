-- 031 Dashboard index: get_dashboard_metrics reads a dentist's 2,000
-- evaluations among a million from the index alone: 0.8 ms, instead of 2.8 ms
-- with 2,000 blocks of the table in the cache and 9.7 ms where they are not.
-- It is 80 MB for a million rows and 120 bytes of WAL for each row written.
-- cleanup_stuck_evaluations goes through it, too: 0.15 s instead of 0.65 s.
--
-- Databases of a later AURIA have three other indexes, which stay where they
-- are. A new one does not get them; measured over the same rows:
--   (user_id, status) without the other two columns: no gain, because the
--     table is read all the same;
--   (session_id, user_id): a session by its user 0.10 ms, as with
--     idx_evaluations_session_id;
--   (user_id, created_at DESC) of what is draft or analyzing: the first 20 of
--     them in 0.06 ms, with idx_evaluations_user_created in 0.23 ms, for a
--     tenth more time at each write.

SELECT auria.ensure_index('public.evaluations', 'idx_evaluations_dashboard',
    '(user_id, status) INCLUDE (session_id, created_at)');
