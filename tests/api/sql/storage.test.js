// Names of files that are meant to lead into somebody else's folder. The file store asks the database as the user.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { attackWithSql } from '../stage/attack.js';
import { asUser, asVisitor, practiceInSql } from '../stage/roles.js';

const PUT = 'INSERT INTO storage.objects (bucket_id, name) VALUES ($1, $2)';
const BUCKETS = ['clinical-photos', 'dsd-simulations', 'avatars'];

/** Supabase's triggers let nobody else delete a file's row. */
const AS_THE_FILE_STORE = "SET storage.allow_delete_query = 'true'";

const code = (work) => work.then(() => 'success', (error) => error.code);

const anyName = (command, clause) =>
  `CREATE POLICY hole ON storage.objects FOR ${command} TO authenticated ${clause}`;

attackWithSql("a file is put into one's own folder and no other", anyName('INSERT', 'WITH CHECK (true)'), async (api) => {
  const [{ dentist }, { dentist: other }] = [await practiceInSql(api), await practiceInSql(api)];
  const file = randomUUID();
  const names = [
    `${other.id}/${file}.jpg`,
    `${file}.jpg`,
    '',
    null,
    '/',
    `/${dentist.id}/${file}.jpg`,
    `//${dentist.id}/${file}.jpg`,
    `${dentist.id}`,
    `./${dentist.id}/${file}.jpg`,
    `${dentist.id}/../${other.id}/${file}.jpg`,
    `${dentist.id}/..`,
    `../${dentist.id}/${file}.jpg`,
    `${dentist.id}/a/../../${other.id}/${file}.jpg`,
    `${dentist.id}/..${file}`,
    `${dentist.id}\\..\\${other.id}\\${file}.jpg`,
    `${dentist.id.toUpperCase()}/${file}.jpg`,
    ` ${dentist.id}/${file}.jpg`,
    `${dentist.id} /${file}.jpg`,
    `${dentist.id}%2f..%2f${other.id}/${file}.jpg`,
    `{${dentist.id}}/${file}.jpg`,
    `${dentist.id.replaceAll('-', '')}/${file}.jpg`,
    `public/${dentist.id}/${file}.jpg`,
  ];
  await asUser(api, dentist, async ({ run }) => {
    for (const bucket of BUCKETS) {
      for (const name of names) assert.equal(await code(run(PUT, [bucket, name])), '42501', `${bucket}: ${name}`);
      assert.equal(await code(run(PUT, [bucket, `${dentist.id}/${file}.jpg`])), 'success', bucket);
      assert.equal(await code(run(PUT, [bucket, `${dentist.id}/case/${file}.jpg`])), 'success', bucket);
    }
    assert.equal(await code(run(PUT, [null, `${dentist.id}/x.jpg`])), '42501');
    assert.equal(await code(run(PUT, ['other-bucket', `${dentist.id}/x.jpg`])), '42501');
  });
});

attackWithSql("another's files are not seen, changed or deleted", anyName('SELECT', 'USING (true)'), async (api) => {
  const [{ dentist }, { dentist: other }] = [await practiceInSql(api), await practiceInSql(api)];
  for (const bucket of BUCKETS) await asUser(api, dentist, ({ run }) => run(PUT, [bucket, `${dentist.id}/a.jpg`]));
  const [{ id: stray }] = await api.truth(
    "INSERT INTO storage.objects (bucket_id, name) VALUES ('clinical-photos', $1) RETURNING id",
    [`${other.id}/../${dentist.id}/b.jpg`],
  );
  const of = `name LIKE '%${dentist.id}%'`;
  await asUser(api, other, async ({ rows, run }) => {
    await run(AS_THE_FILE_STORE);
    assert.deepEqual(await rows(`SELECT bucket_id FROM storage.objects WHERE ${of}`), []);
    assert.deepEqual(await rows('SELECT id FROM storage.objects WHERE id = $1', [stray]), []);
    assert.deepEqual(await rows(`UPDATE storage.objects SET metadata = '{}' WHERE ${of} RETURNING id`), []);
    assert.deepEqual(await rows(`DELETE FROM storage.objects WHERE ${of} RETURNING id`), []);
    assert.deepEqual(await rows('SELECT * FROM storage.buckets'), []);
  });
  await asVisitor(api, async ({ rows, run, refuses }) => {
    await run(AS_THE_FILE_STORE);
    assert.deepEqual(await rows(`SELECT bucket_id FROM storage.objects WHERE ${of}`), []);
    await refuses(`INSERT INTO storage.objects (bucket_id, name) VALUES ('avatars', '${dentist.id}/c.jpg')`, '42501');
    assert.deepEqual(await rows(`DELETE FROM storage.objects WHERE ${of} RETURNING id`), []);
  });
  await asUser(api, dentist, async ({ value }) => {
    assert.equal(Number(await value(`SELECT count(*) FROM storage.objects WHERE ${of}`)), 3);
  });
});

attackWithSql(
  'a file is not moved into the folder of another, out of any folder, or into a bucket that is never rewritten',
  // A file its owner no longer sees cannot be moved either: that layer is opened too.
  `${anyName('UPDATE', 'USING (true)')}; CREATE POLICY hole_select ON storage.objects FOR SELECT TO authenticated USING (true)`,
  async (api) => {
    const [{ dentist }, { dentist: other }] = [await practiceInSql(api), await practiceInSql(api)];
    const own = `${dentist.id}/own.jpg`;
    await asUser(api, dentist, async ({ run, refuses, rows }) => {
      for (const bucket of BUCKETS) await run(PUT, [bucket, own]);
      for (const name of [`${other.id}/own.jpg`, 'own.jpg', `${dentist.id}/../own.jpg`, '']) {
        await refuses(`UPDATE storage.objects SET name = '${name}' WHERE bucket_id = 'clinical-photos' AND name = '${own}'`, '42501');
        await refuses(`UPDATE storage.objects SET name = '${name}' WHERE bucket_id = 'avatars' AND name = '${own}'`, '42501');
      }
      await refuses(`UPDATE storage.objects SET bucket_id = 'dsd-simulations', name = '${dentist.id}/new.jpg' WHERE bucket_id = 'avatars' AND name = '${own}'`, '42501');
      assert.deepEqual(
        await rows(`UPDATE storage.objects SET metadata = '{}' WHERE bucket_id = 'dsd-simulations' AND name = '${own}' RETURNING id`),
        [],
      );
      const moved = await rows(
        `UPDATE storage.objects SET name = '${dentist.id}/moved.jpg' WHERE bucket_id = 'clinical-photos' AND name = '${own}' RETURNING name`,
      );
      assert.deepEqual(moved, [{ name: `${dentist.id}/moved.jpg` }]);
    });
  },
);

attackWithSql(
  'no bucket is made, opened to the public or emptied by an API role',
  `GRANT UPDATE ON storage.buckets TO authenticated;
   CREATE POLICY hole ON storage.buckets FOR ALL TO authenticated USING (true)`,
  async (api) => {
    const { dentist } = await practiceInSql(api);
    for (const role of [(work) => asUser(api, dentist, work), (work) => asVisitor(api, work)]) {
      await role(async ({ refuses, rows, run }) => {
        await run(AS_THE_FILE_STORE);
        // Supabase grants these rights to everybody, and has no policy that shows a row.
        const changed = (statement) => rows(`${statement} RETURNING id`).catch(({ code }) => (code === '42501' ? [] : code));
        assert.deepEqual(await changed("UPDATE storage.buckets SET public = true WHERE id = 'clinical-photos'"), []);
        assert.deepEqual(await changed("DELETE FROM storage.buckets WHERE id = 'clinical-photos'"), []);
        await refuses("INSERT INTO storage.buckets (id, name) VALUES ('mine', 'mine')", '42501');
      });
    }
    const buckets = await api.truth('SELECT id, public FROM storage.buckets ORDER BY id');
    assert.deepEqual(buckets, [
      { id: 'avatars', public: true },
      { id: 'clinical-photos', public: false },
      { id: 'dsd-simulations', public: false },
    ]);
  },
);
