// Commands beside SELECT, INSERT, UPDATE and DELETE, as a signed-in user with SQL of his own.
import assert from 'node:assert/strict';
import pg from 'pg';
import { attackWithSql } from '../stage/attack.js';
import { MANAGED } from '../stage/flow.js';
import { asService, asUser, asVisitor, practiceInSql } from '../stage/roles.js';
import { connection } from '../stage/server.js';

const TABLES = `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p') AND n.nspname IN (${MANAGED}) ORDER BY 1`;

const tables = async (api) => (await api.truth(TABLES)).map(({ name }) => name);

attackWithSql('no table is truncated by an API role', 'GRANT TRUNCATE ON public.user_inventory TO authenticated', async (api) => {
  const { dentist } = await practiceInSql(api);
  const names = await tables(api);
  assert.ok(names.length >= 22, `${names}`);
  for (const name of names) {
    await asUser(api, dentist, ({ refuses }) => refuses(`TRUNCATE ${name} CASCADE`, '42501'));
    await asVisitor(api, ({ refuses }) => refuses(`TRUNCATE ${name} CASCADE`, '42501'));
    await asService(api, ({ refuses }) => refuses(`TRUNCATE ${name} CASCADE`, '42501'));
  }
});

attackWithSql(
  'no table that a user can only read is locked against others',
  'GRANT UPDATE ON public.subscriptions TO authenticated',
  async (api) => {
    const { dentist } = await practiceInSql(api);
    const readOnly = [
      'subscriptions', 'rate_limits', 'credit_usage', 'payment_history', 'credit_pack_purchases', 'resins',
      'resin_catalog', 'credit_costs', 'credit_packs', 'subscription_plans',
    ];
    await asUser(api, dentist, async ({ refuses }) => {
      for (const table of readOnly) {
        for (const mode of ['ROW EXCLUSIVE', 'SHARE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE']) {
          await refuses(`DO $$ BEGIN LOCK TABLE public.${table} IN ${mode} MODE NOWAIT; END $$`, '42501');
        }
      }
      await refuses('DO $$ BEGIN LOCK TABLE auth.users IN ACCESS SHARE MODE; END $$', '42501');
      await refuses('DO $$ BEGIN LOCK TABLE auria.migrations IN ACCESS SHARE MODE; END $$', '42501');
    });
    await asVisitor(api, async ({ refuses }) => {
      for (const table of [...readOnly, 'patients', 'evaluations', 'shared_links']) {
        await refuses(`DO $$ BEGIN LOCK TABLE public.${table} IN ACCESS EXCLUSIVE MODE NOWAIT; END $$`, '42501');
      }
    });
  },
);

attackWithSql(
  'COPY shows own rows only, loads nothing past the policies and reaches no file or program',
  'CREATE POLICY hole ON public.patients FOR SELECT TO authenticated USING (true)',
  async (api) => {
    await practiceInSql(api);
    const { dentist } = await practiceInSql(api);
    await asUser(api, dentist, async ({ refuses, value, run }) => {
      // What COPY … TO reads is what this reads: row-level security makes it the same query.
      assert.equal(Number(await value('SELECT count(*) FROM public.patients')), 1);
      await refuses("COPY public.patients TO '/tmp/patients'", '42501');
      await refuses("COPY public.patients TO PROGRAM 'cat'", '42501');
      await refuses("COPY public.patients FROM '/etc/passwd'", '42501');
      await refuses("COPY public.patients FROM PROGRAM 'id'", '42501');
      // With row-level security, COPY … FROM is refused before a byte is read.
      await refuses('COPY public.patients (user_id, name) FROM STDIN', '0A000');
      await refuses('COPY public.subscriptions FROM STDIN', '42501', '0A000');
      await refuses('COPY public.prompt_executions TO STDOUT', '42501');
      await refuses('COPY auth.users TO STDOUT', '42501');
      await refuses('COPY auria.migrations TO STDOUT', '42501');
      await run('SET row_security = off');
      await refuses('COPY public.patients TO STDOUT', '42501');
    });
  },
);

attackWithSql(
  'row-level security cannot be switched off by the session',
  'ALTER TABLE public.shared_links DISABLE ROW LEVEL SECURITY',
  async (api) => {
    const { token } = await practiceInSql(api);
    const { dentist } = await practiceInSql(api);
    await asVisitor(api, async ({ run, refuses, rows, value }) => {
      await run('SET row_security = off');
      await refuses('SELECT token FROM public.shared_links', '42501');
      await refuses('SELECT tooth FROM public.evaluations', '42501');
      assert.equal(await value('SELECT public.check_shared_link_status($1)', [token]), 'valid');
      assert.equal((await rows('SELECT * FROM public.get_shared_evaluation($1)', [token])).length, 1);
      assert.deepEqual(await rows('SELECT * FROM public.get_shared_evaluation($1)', ['0'.repeat(64)]), []);
    });
    await asUser(api, dentist, async ({ refuses, run, value }) => {
      assert.equal(Number(await value('SELECT count(*) FROM public.patients')), 1);
      await run('SET row_security = off');
      for (const table of ['patients', 'evaluations', 'subscriptions', 'shared_links', 'credit_usage']) {
        await refuses(`SELECT * FROM public.${table}`, '42501');
      }
      // Definers keep to their owner's rights: the answer is the same.
      assert.equal(await value('SELECT public.can_use_credits($1, $2)', [dentist.id, 'case_analysis']), true);
    });
  },
);

attackWithSql(
  'no role is changed, granted or taken on by a role that is only a user',
  { sql: 'GRANT service_role TO authenticated', undo: 'REVOKE service_role FROM authenticated' },
  async (api) => {
    const { dentist } = await practiceInSql(api);
    const login = `only_user_${dentist.id.slice(0, 8)}`;
    await api.truth(`CREATE ROLE ${login} LOGIN IN ROLE authenticated`);
    const client = new pg.Client(connection(api.server, api.database, login));
    await client.connect();
    const code = (statement) => client.query(statement).then(() => 'success', (error) => error.code);
    try {
      assert.equal(await code('SET ROLE authenticated'), 'success');
      for (const role of ['service_role', 'postgres', 'authenticator', 'pg_read_all_data']) {
        assert.equal(await code(`SET ROLE ${role}`), '42501', role);
        assert.equal(await code(`SET SESSION AUTHORIZATION ${role}`), '42501', role);
        assert.notEqual(await code(`GRANT ${role} TO ${login}`), 'success', role);
      }
      assert.equal(await code('ALTER ROLE authenticated BYPASSRLS'), '42501');
      assert.equal(await code('ALTER ROLE authenticator SET search_path = evil'), '42501');
      assert.equal(await code(`ALTER DATABASE ${api.database} SET search_path = evil`), '42501');
      assert.equal(await code('SELECT public.use_credits(gen_random_uuid(), NULL)'), '42501');
    } finally {
      await client.end();
      await api.truth(`DROP ROLE ${login}`);
    }
  },
);

attackWithSql(
  'nothing of the extension is altered, dropped or replaced by an API role',
  'ALTER TABLE public.patients OWNER TO authenticated',
  async (api) => {
    const { dentist } = await practiceInSql(api);
    for (const role of [(work) => asUser(api, dentist, work), (work) => asService(api, work)]) {
      await role(async ({ refuses, run }) => {
        for (const statement of [
          'ALTER TABLE public.patients DISABLE ROW LEVEL SECURITY',
          'ALTER TABLE public.patients NO FORCE ROW LEVEL SECURITY',
          'ALTER TABLE public.patients DISABLE TRIGGER ALL',
          'DROP TABLE public.patients',
          'CREATE POLICY mine ON public.patients USING (true)',
          'DROP POLICY patients_select_own ON public.patients',
          'CREATE TRIGGER mine BEFORE INSERT ON public.patients FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column()',
          'CREATE RULE mine AS ON INSERT TO public.patients DO INSTEAD NOTHING',
          'CREATE INDEX mine ON public.patients ((name))',
          'ALTER FUNCTION public.use_credits(uuid, text) SECURITY INVOKER',
          'ALTER FUNCTION public.use_credits(uuid, text) RESET search_path',
          "CREATE OR REPLACE FUNCTION public.get_credit_cost(p_operation text) RETURNS integer LANGUAGE sql AS 'SELECT 0'",
          'DROP FUNCTION public.encrypt_patient_phi() CASCADE',
          'DROP EXTENSION auria CASCADE',
          'ALTER EXTENSION auria DROP FUNCTION public.use_credits(uuid, text)',
          'CREATE EXTENSION hstore',
          "LOAD 'auria_pg'",
          'CREATE SCHEMA evil',
          'SET session_replication_role = replica',
          'CREATE FUNCTION auria.mine() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$',
          'SELECT * FROM auria.migrate()',
          'SELECT * FROM auria.schedule()',
          "SELECT auria.ensure_index('public.patients', 'mine', '(name)')",
        ]) {
          await refuses(statement, '42501', '0A000');
        }
        // Without the right to grant this is a warning, and nothing is granted.
        await run('GRANT SELECT ON public.patients TO anon');
      });
    }
    const granted = await api.truth(
      "SELECT 1 FROM information_schema.role_table_grants WHERE table_name = 'patients' AND grantee = 'anon'",
    );
    assert.deepEqual(granted, []);
  },
);

attackWithSql(
  "large objects of others are not read, and the server's files are not reached through them",
  "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lo_compat_privileges = on', current_database()); END $$",
  async (api) => {
    const { dentist } = await practiceInSql(api);
    const [{ oid }] = await api.truth("SELECT lo_from_bytea(0, 'segredo'::bytea) AS oid");
    await asUser(api, dentist, async ({ refuses }) => {
      await refuses(`SELECT lo_get(${oid})`, '42501');
      await refuses(`SELECT lo_put(${oid}, 0, 'x')`, '42501');
      await refuses(`SELECT lo_unlink(${oid})`, '42501');
      await refuses("SELECT lo_import('/etc/passwd')", '42501');
      await refuses(`SELECT lo_export(${oid}, '/tmp/segredo')`, '42501');
      await refuses("SELECT pg_read_file('postgresql.conf')", '42501');
      await refuses("SELECT pg_ls_dir('.')", '42501');
      await refuses('SELECT * FROM pg_hba_file_rules', '42501');
      await refuses('SELECT * FROM pg_catalog.pg_largeobject', '42501');
      await refuses('SELECT * FROM pg_catalog.pg_authid', '42501');
      await refuses('SELECT * FROM pg_catalog.pg_statistic', '42501');
    });
    assert.equal((await api.truth(`SELECT lo_get(${oid})::text AS content`))[0].content, `\\x${Buffer.from('segredo').toString('hex')}`);
  },
);

attackWithSql(
  'statistics of the planner show no value of a row that is hidden',
  'ALTER TABLE public.patients DISABLE ROW LEVEL SECURITY',
  async (api) => {
    const { dentist } = await practiceInSql(api);
    await api.truth('ANALYZE public.patients');
    await asUser(api, dentist, async ({ rows }) => {
      assert.deepEqual(await rows("SELECT * FROM pg_stats WHERE schemaname = 'public' AND tablename = 'patients'"), []);
    });
  },
);
