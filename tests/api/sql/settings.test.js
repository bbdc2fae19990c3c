// The settings of the extension, and those by which a session says who it is.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { attackWithSql } from '../stage/attack.js';
import { asService, asUser, practiceInSql } from '../stage/roles.js';

const MAY_SET = {
  sql: 'GRANT SET ON PARAMETER auria.phi_key_file TO service_role, authenticated, authenticator',
  undo: 'REVOKE SET ON PARAMETER auria.phi_key_file FROM service_role, authenticated, authenticator',
};

/** Another session reads the values that this one encrypted: both have the key of the server. */
async function hasTheKeyOfTheServer(api, { value }) {
  const read = await value("SELECT public.phi_encrypt('segredo')")
    .then((ciphertext) => asService(api, (other) => other.value('SELECT public.phi_decrypt($1)', [ciphertext])))
    .catch((error) => error.message);
  assert.equal(read, 'segredo');
}

attackWithSql('a key file set by an API role before the library is loaded is thrown away', MAY_SET, async (api) => {
  const { dentist } = await practiceInSql(api);
  await asService(api, async (session) => {
    await session.run("SET auria.phi_key_file = '/etc/hostname'");
    await session.run("SET auria.phi_previous_key_file = '/etc/hostname'");
    await hasTheKeyOfTheServer(api, session);
    assert.ok(session.notices.some((notice) => notice.includes('auria.phi_key_file')), `${session.notices}`);
  });
  // Given in the start packet, it stands in the place of the configuration file: the session is left without a key.
  await asService(
    api,
    ({ refuses }) => refuses("SELECT public.phi_encrypt('segredo')", '55000'),
    '-c auria.phi_key_file=/etc/hostname',
  );
  await asUser(api, dentist, async (session) => {
    await session.run("SET auria.phi_key_file = '/etc/hostname'");
    await session.run('BEGIN');
    await session.run("SET LOCAL auria.trusted_owners = 'authenticated'");
    await session.run("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Escondida')", [dentist.id]);
    await session.run('COMMIT');
  });
  const [{ name }] = await api.truth(
    "SELECT public.phi_decrypt(name_encrypted) AS name FROM public.patients WHERE user_id = $1 AND name = 'Escondida'",
    [dentist.id],
  );
  assert.equal(name, 'Escondida');
});

attackWithSql('no API role sets, resets or sees the key file once the library is loaded', MAY_SET, async (api) => {
  await practiceInSql(api);
  const { dentist } = await practiceInSql(api);
  const attempts = async (session) => {
    await session.run("SELECT public.get_credit_cost('x')");
    await session.refuses("SET auria.phi_key_file = '/etc/hostname'", '42501');
    await session.refuses("SET LOCAL auria.phi_key_file = '/etc/hostname'", '42501');
    await session.refuses("SELECT set_config('auria.phi_key_file', '/etc/hostname', true)", '42501');
    await session.refuses("SET auria.phi_previous_key_file = '/etc/hostname'", '42501');
    await session.refuses("SET auria.trusted_owners = 'authenticated'", '42501');
    await session.refuses('RESET auria.phi_key_file', '42501');
    await session.refuses('SHOW auria.phi_key_file', '42501');
    await session.refuses("SELECT current_setting('auria.phi_key_file')", '42501');
    await session.refuses("ALTER ROLE authenticated SET auria.phi_key_file = '/etc/hostname'", '42501');
    await session.refuses("ALTER SYSTEM SET auria.phi_key_file = '/etc/hostname'", '42501');
    const shown = await session.rows("SELECT name FROM pg_catalog.pg_settings WHERE name LIKE 'auria.phi%' AND setting <> ''");
    assert.deepEqual(shown, []);
    await session.refuses(
      "CREATE FUNCTION pg_temp.with_my_key() RETURNS integer LANGUAGE sql SET auria.phi_key_file = '/etc/hostname' AS 'SELECT 1'",
      '42501',
    );
    await session.refuses('SELECT * FROM pg_catalog.pg_file_settings', '42501');
  };
  await asUser(api, dentist, attempts);
  await asService(api, async (session) => {
    await attempts(session);
    await hasTheKeyOfTheServer(api, session);
  });
});

attackWithSql(
  'a pooled session gives one caller nothing of the one before',
  `CREATE OR REPLACE FUNCTION public.can_use_credits(p_user_id uuid, p_operation text) RETURNS boolean
   LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT true'`,
  async (api) => {
    const [{ dentist }, { dentist: other }] = [await practiceInSql(api), await practiceInSql(api)];
    await asService(api, async ({ run, value, refuses }) => {
      const ask = (user) => `SELECT public.can_use_credits('${user.id}', 'case_analysis')`;
      const become = async (user) => {
        await run('BEGIN');
        await run('SET LOCAL ROLE authenticated');
        await run("SELECT set_config('request.jwt.claims', $1, true)", [JSON.stringify({ sub: user.id })]);
      };
      for (let round = 0; round < 3; round++) {
        assert.equal(await value(ask(dentist)), true);
        await become(other);
        assert.equal(await value(ask(other)), true);
        assert.equal(Number(await value('SELECT count(*) FROM public.patients')), 1);
        await refuses(ask(dentist), '42501');
        await run('ROLLBACK');
        await become(dentist);
        assert.equal(await value(ask(dentist)), true);
        await refuses(ask(other), '42501');
        await run('ROLLBACK');
      }
    });
  },
);

attackWithSql(
  'claims that are no JSON, or whose sub is no uuid, are an error of one statement',
  'CREATE POLICY hole ON public.profiles FOR SELECT TO authenticated USING (true)',
  async (api) => {
    const { dentist } = await practiceInSql(api);
    await asUser(api, dentist, async ({ run, refuses, rows, value }) => {
      const claim = (claims) => run("SELECT set_config('request.jwt.claims', $1, false)", [claims]);
      for (const claims of ['not json', '{', '{"sub": "x"}', '{"sub": {"id": 1}}', `{"sub": "${dentist.id}'"}`]) {
        await claim(claims);
        await refuses('SELECT * FROM public.profiles', '22P02');
        await refuses(`SELECT public.can_use_credits('${dentist.id}', 'case_analysis')`, '22P02');
      }
      for (const claims of ['', '{}', '[]', 'null', '"text"', '7', '{"sub": null}', `{"sub": "${randomUUID()}"}`]) {
        await claim(claims);
        assert.deepEqual(await rows('SELECT * FROM public.profiles'), [], claims);
        await refuses(`SELECT public.can_use_credits('${dentist.id}', 'case_analysis')`, '42501');
      }
      // Supabase's own auth.uid() calls this no uuid, the extension's calls it nobody.
      await claim('{"sub": ""}');
      assert.deepEqual(await rows('SELECT * FROM public.profiles').catch(({ code }) => code === '22P02' ? [] : code), []);
      await refuses(`SELECT public.can_use_credits('${dentist.id}', 'case_analysis')`, '42501', '22P02');
      await claim(JSON.stringify({ sub: dentist.id }));
      assert.equal((await rows('SELECT * FROM public.profiles')).length, 1);
      assert.equal(await value(`SELECT public.can_use_credits('${dentist.id}', 'case_analysis')`), true);
    });
  },
);

attackWithSql(
  'a cheap function in a filter is not shown the rows of others',
  'CREATE POLICY hole ON public.patients FOR SELECT TO authenticated USING (true)',
  async (api) => {
    await practiceInSql(api);
    const nosy = await api.signUp();
    await asUser(api, nosy, async ({ run, rows, notices }) => {
      await run(
        "CREATE FUNCTION pg_temp.peek(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'seen: %', value; RETURN true; END $$",
      );
      await run("INSERT INTO public.patients (user_id, name) VALUES ($1, 'Própria')", [nosy.id]);
      assert.deepEqual(await rows('SELECT name FROM public.patients WHERE pg_temp.peek(name)'), [{ name: 'Própria' }]);
      await run('CREATE TEMPORARY VIEW mine AS SELECT * FROM public.patients');
      assert.equal((await rows('SELECT name FROM mine WHERE pg_temp.peek(name)')).length, 1);
      assert.deepEqual([...new Set(notices)], ['seen: Própria']);
    });
  },
);

attackWithSql(
  'a definer of somebody else, or of the own making, lends nobody the rights of the backend',
  // Both lines of defence open: the grant, and a function that does not ask who calls.
  `CREATE OR REPLACE FUNCTION public.use_credits(p_user_id uuid, p_operation text) RETURNS boolean
   LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
   GRANT EXECUTE ON FUNCTION public.use_credits(uuid, text) TO PUBLIC`,
  async (api) => {
    const { dentist } = await practiceInSql(api);
    const nosy = await api.signUp();
    await asUser(api, nosy, async ({ run, refuses }) => {
      await run(`CREATE FUNCTION pg_temp.spend(id uuid) RETURNS boolean LANGUAGE sql SECURITY DEFINER
                 AS $$ SELECT public.use_credits(id, 'case_analysis') $$`);
      await run(`CREATE FUNCTION pg_temp.ask(id uuid) RETURNS boolean LANGUAGE sql SECURITY DEFINER
                 AS $$ SELECT public.can_use_credits(id, 'case_analysis') $$`);
      await refuses(`SELECT pg_temp.spend('${dentist.id}')`, '42501');
      await refuses(`SELECT pg_temp.ask('${dentist.id}')`, '42501');
    });
    assert.deepEqual(await api.truth('SELECT id FROM public.credit_usage WHERE user_id = $1', [dentist.id]), []);
  },
);
