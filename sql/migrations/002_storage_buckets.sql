-- 002 Storage buckets: clinical-photos, dsd-simulations, avatars.
--
-- A file belongs to the user whose id is the first folder of its name. A name
-- without a folder belongs to nobody, and so does one that holds '..', which
-- could lead a file store out of the folder.

-- @as owner of storage.buckets
INSERT INTO storage.buckets (id, name, public)
VALUES ('clinical-photos', 'clinical-photos', false),
       ('dsd-simulations', 'dsd-simulations', false),
       ('avatars',         'avatars',         true)
ON CONFLICT DO NOTHING;

-- @as superuser
-- Without row security the policies below would protect nothing.
ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;


--------------------------------------------------------- clinical-photos --

DROP POLICY IF EXISTS clinical_photos_select_own ON storage.objects;
CREATE POLICY clinical_photos_select_own ON storage.objects
    FOR SELECT TO authenticated
    USING (
        bucket_id = 'clinical-photos'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );

DROP POLICY IF EXISTS clinical_photos_insert_own ON storage.objects;
CREATE POLICY clinical_photos_insert_own ON storage.objects
    FOR INSERT TO authenticated
    WITH CHECK (
        bucket_id = 'clinical-photos'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );

DROP POLICY IF EXISTS clinical_photos_update_own ON storage.objects;
CREATE POLICY clinical_photos_update_own ON storage.objects
    FOR UPDATE TO authenticated
    USING (
        bucket_id = 'clinical-photos'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    )
    WITH CHECK (
        bucket_id = 'clinical-photos'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );

DROP POLICY IF EXISTS clinical_photos_delete_own ON storage.objects;
CREATE POLICY clinical_photos_delete_own ON storage.objects
    FOR DELETE TO authenticated
    USING (
        bucket_id = 'clinical-photos'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );


--------------------------------------------------------- dsd-simulations --
-- No UPDATE: a simulation is a result, replaced by a new one and not edited.

DROP POLICY IF EXISTS dsd_simulations_select_own ON storage.objects;
CREATE POLICY dsd_simulations_select_own ON storage.objects
    FOR SELECT TO authenticated
    USING (
        bucket_id = 'dsd-simulations'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );

DROP POLICY IF EXISTS dsd_simulations_insert_own ON storage.objects;
CREATE POLICY dsd_simulations_insert_own ON storage.objects
    FOR INSERT TO authenticated
    WITH CHECK (
        bucket_id = 'dsd-simulations'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );

DROP POLICY IF EXISTS dsd_simulations_delete_own ON storage.objects;
CREATE POLICY dsd_simulations_delete_own ON storage.objects
    FOR DELETE TO authenticated
    USING (
        bucket_id = 'dsd-simulations'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );


----------------------------------------------------------------- avatars --

-- The bucket is public: its object URLs work without a policy. One for
-- everybody would only let a visitor list the files, and with their names every
-- user's id. The owner's own is what INSERT with RETURNING and upserts need.

DROP POLICY IF EXISTS avatars_select_own ON storage.objects;
CREATE POLICY avatars_select_own ON storage.objects
    FOR SELECT TO authenticated
    USING (
        bucket_id = 'avatars'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );

DROP POLICY IF EXISTS avatars_insert_own ON storage.objects;
CREATE POLICY avatars_insert_own ON storage.objects
    FOR INSERT TO authenticated
    WITH CHECK (
        bucket_id = 'avatars'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );

DROP POLICY IF EXISTS avatars_update_own ON storage.objects;
CREATE POLICY avatars_update_own ON storage.objects
    FOR UPDATE TO authenticated
    USING (
        bucket_id = 'avatars'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    )
    WITH CHECK (
        bucket_id = 'avatars'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );

DROP POLICY IF EXISTS avatars_delete_own ON storage.objects;
CREATE POLICY avatars_delete_own ON storage.objects
    FOR DELETE TO authenticated
    USING (
        bucket_id = 'avatars'
        AND (storage.foldername(name))[1] = (SELECT auth.uid())::text
        AND strpos(name, '..') = 0
    );
