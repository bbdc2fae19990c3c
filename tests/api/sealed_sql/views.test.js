// Sessions with SQL of their own, on the views and stored tables of the sealed layout.
import assert from 'node:assert/strict';
import { flow } from '../stage/flow.js';
import { asService, asUser, asVisitor, practiceInSql } from '../stage/roles.js';

flow('a stored table is read through its view, and written through it alone', async (api) => {
  const { dentist, patient_id } = await practiceInSql(api);
  await asUser(api, dentist, async ({ rows, refuses }) => {
    // Their own rows, encrypted: as the view shows them, too.
    assert.equal((await rows('SELECT name_encrypted FROM auria_raw.patients_raw')).length, 1);
    for (const statement of [
      `INSERT INTO auria_raw.patients_raw (user_id, name_encrypted) VALUES ('${dentist.id}', '\\x00')`,
      `UPDATE auria_raw.patients_raw SET notes_encrypted = NULL WHERE id = '${patient_id}'`,
      `DELETE FROM auria_raw.patients_raw WHERE id = '${patient_id}'`,
    ]) {
      await refuses(statement, '42501');
    }
  });
  await asService(api, async ({ refuses }) => {
    await refuses(`UPDATE auria_raw.patients_raw SET notes_encrypted = NULL WHERE id = '${patient_id}'`, '42501');
  });
  await asVisitor(api, async ({ refuses }) => {
    await refuses('SELECT id FROM auria_raw.evaluations_raw', '42501');
    await refuses('SELECT patient_name FROM public.evaluations', '42501');
    await refuses('SELECT name FROM public.patients', '42501');
  });
});

flow('a value opens for its owner, whatever function is called', async (api) => {
  const [{ dentist, patient_id }, { dentist: thief }] = [await practiceInSql(api), await practiceInSql(api)];
  const [{ message }] = await api.truth(
    "SELECT '\\x' || encode(name_encrypted, 'hex') AS message FROM auria_raw.patients_raw WHERE id = $1",
    [patient_id],
  );
  // Only the superuser may let API roles name what is in the schema: even then a value is its owner's.
  await api.truth('GRANT USAGE ON SCHEMA auria TO authenticated');
  try {
    await asUser(api, dentist, async ({ value }) => {
      assert.equal(await value('SELECT auria.open_text($1)', [message]), 'Maria Segredo');
    });
    await asUser(api, thief, async ({ refuses }) => {
      await refuses(`SELECT auria.open_text('${message}')`, '39000');
      await refuses(`SELECT public.phi_decrypt('${message}')`, '42501');
      await refuses(`SELECT auria.bound_value('${message}', '${thief.id}')`, '42501');
      await refuses(`SELECT auria.name_digest('${thief.id}', '${message}')`, '42501');
    });
  } finally {
    await api.truth('REVOKE USAGE ON SCHEMA auria FROM authenticated');
  }
  await asUser(api, dentist, async ({ refuses }) => refuses(`SELECT auria.open_text('${message}')`, '42501'));
  await asService(api, async ({ value }) => {
    assert.equal(await value('SELECT auria.open_text($1)', [message]), 'Maria Segredo');
  });
});

flow('COPY and MERGE know a view: rows are read and changed by the policies, or MERGE is refused', async (api) => {
  const other = await practiceInSql(api);
  const { dentist } = await practiceInSql(api);
  await asUser(api, dentist, async ({ refuses, run, value }) => {
    assert.equal(Number(await value('SELECT count(*) FROM public.patients')), 1);
    await refuses("COPY (SELECT * FROM public.patients) TO '/tmp/patients'", '42501');
    await refuses("COPY public.patients FROM '/etc/passwd'", '42501');
    const merge = `MERGE INTO public.patients p
      USING (VALUES ('${dentist.id}'::uuid), ('${other.dentist.id}'::uuid)) v (id) ON p.user_id = v.id
       WHEN MATCHED THEN UPDATE SET notes = 'x'`;
    // PostgreSQL 17 is the first that merges into a view.
    if (Number(await value('SHOW server_version_num')) < 170000) {
      await refuses(merge, '0A000', '42809');
    } else {
      assert.equal((await run(merge)).rowCount, 1);
      assert.equal(await value('SELECT notes FROM public.patients'), 'x');
    }
  });
  assert.deepEqual(await api.truth('SELECT id FROM public.patients WHERE notes IS NOT NULL AND user_id = $1', [other.dentist.id]), []);
});

flow('no API role alters or drops a view or a stored table', async (api) => {
  const { dentist } = await practiceInSql(api);
  for (const role of [(work) => asUser(api, dentist, work), (work) => asService(api, work)]) {
    await role(async ({ refuses }) => {
      for (const statement of [
        'DROP VIEW public.patients',
        'ALTER VIEW public.patients RESET (security_invoker)',
        'CREATE OR REPLACE VIEW public.patients AS SELECT * FROM auria_raw.patients_raw',
        'DROP TRIGGER insert_sealed ON public.patients',
        'ALTER TABLE auria_raw.patients_raw DISABLE ROW LEVEL SECURITY',
        'ALTER TABLE auria_raw.patients_raw DISABLE TRIGGER ALL',
        'DROP TABLE auria_raw.patients_raw',
        'CREATE TABLE auria_raw.mine (id integer)',
        'CALL auria.phi_seal()',
      ]) {
        await refuses(statement, '42501');
      }
    });
  }
});
