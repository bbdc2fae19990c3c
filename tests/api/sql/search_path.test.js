// Objects that look like the real ones, ahead in the search path of somebody who has SQL of his own.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { attackWithSql } from '../stage/attack.js';
import { asService, asUser, asVisitor, practiceInSql } from '../stage/roles.js';

const TYPES = ['uuid', 'text', 'timestamptz', 'int4', 'int8', 'bool', 'jsonb', 'bytea', 'date', 'name', 'oid', 'interval'];
const COMPARISONS = ['=', '<>', '<', '>', '<=', '>='];
const MIXED = [
  ['+', 'integer', 'integer'],
  ['-', 'integer', 'integer'],
  ['-', 'timestamptz', 'interval'],
  ['||', 'text', 'text'],
  ['~', 'text', 'text'],
  ['->>', 'json', 'text'],
  ['->>', 'jsonb', 'text'],
];
const FUNCTIONS = [
  'now()', 'gen_random_uuid()', 'current_setting(text)', 'current_setting(text, boolean)', 'length(text)', 'lower(text)',
  'to_char(date, text)', 'concat(text)', 'strpos(text, text)', 'string_to_array(text, text)', 'cardinality(text[])',
  'uid()', 'foldername(text)', 'phi_encrypt(text)', 'get_credit_cost(text)', 'new_share_token()',
];
const TABLES = [
  'subscriptions', 'subscription_plans', 'credit_costs', 'credit_usage', 'evaluations', 'profiles', 'patients',
  'shared_links', 'rate_limits', 'users',
];

/** A schema of the attacker in which everything is a trap: whoever calls into it raises this. */
const TRAP = 'the trap was sprung';

async function traps(api, user) {
  const schema = `evil_${randomUUID().replaceAll('-', '')}`;
  await api.truth(`CREATE SCHEMA ${schema} AUTHORIZATION authenticated; GRANT USAGE ON SCHEMA ${schema} TO PUBLIC`);
  const trap = (signature, returns) =>
    `CREATE FUNCTION ${schema}.${signature} RETURNS ${returns} LANGUAGE plpgsql AS $$ BEGIN RAISE '${TRAP}'; END $$;`;
  const statements = [
    ...TYPES.flatMap((type) => [
      trap(`compare(pg_catalog.${type}, pg_catalog.${type})`, 'boolean'),
      ...COMPARISONS.map((sign) => `CREATE OPERATOR ${schema}.${sign} (LEFTARG = ${type}, RIGHTARG = ${type}, FUNCTION = ${schema}.compare);`),
    ]),
    ...MIXED.map(([sign, left, right], number) =>
      `${trap(`mixed_${number}(${left}, ${right})`, left)} CREATE OPERATOR ${schema}.${sign} (LEFTARG = ${left}, RIGHTARG = ${right}, FUNCTION = ${schema}.mixed_${number});`),
    ...FUNCTIONS.map((signature) => trap(signature, 'text')),
    ...TABLES.map((name) => `CREATE TABLE ${schema}.${name} (trap integer);`),
    ...['uuid', 'text', 'jsonb', 'timestamptz'].map((name) => `CREATE DOMAIN ${schema}.${name} AS pg_catalog.int4;`),
  ];
  await asUser(api, user, ({ run }) => run(statements.join('\n')));
  return schema;
}

/** Tables of the session itself, ahead of all others. */
const TEMPORARY = TABLES.map((name) => `CREATE TEMPORARY TABLE ${name} (trap pg_catalog.int4);`).join('\n');

/** Goes into the trap's schema, with temporary tables on top of it. */
const enter = async ({ run }, schema) => {
  await run(TEMPORARY);
  await run(`SET search_path = pg_temp, ${schema}, public, pg_catalog`);
};

const RESET = (signature) => `ALTER FUNCTION public.${signature} RESET search_path`;

// The traps themselves: there is no hole to open here, the other tests rest on it.
attackWithSql('the traps are sharp: a careless statement springs them', null, async (api) => {
  const { dentist } = await practiceInSql(api);
  const schema = await traps(api, dentist);
  await asUser(api, dentist, async (session) => {
    await enter(session, schema);
    for (const careless of ["SELECT 'a'::pg_catalog.text = 'b'::pg_catalog.text", "SELECT get_credit_cost('x'::pg_catalog.text)", 'SELECT now()']) {
      const { message } = await session.refuses(careless, 'P0001');
      assert.equal(message, TRAP);
    }
    await session.refuses('SELECT token FROM shared_links', '42703');
  });
});

attackWithSql('what a user may call springs no trap in the search path', RESET('can_create_case(uuid)'), async (api) => {
  const { dentist } = await practiceInSql(api);
  const schema = await traps(api, dentist);
  await asUser(api, dentist, async (session) => {
    await enter(session, schema);
    assert.equal(await session.value('SELECT public.can_use_credits($1, $2)', [dentist.id, 'case_analysis']), true);
    assert.equal(await session.value('SELECT public.can_create_case($1)', [dentist.id]), true);
    assert.equal(await session.value('SELECT public.get_credit_cost($1)', ['dsd_simulation']), 2);
    await session.refuses(`SELECT public.can_use_credits('${randomUUID()}', 'case_analysis')`, '42501');
  });
  assert.match(
    (await api.truth("SELECT proconfig::text AS set FROM pg_proc WHERE oid = 'public.can_create_case(uuid)'::regprocedure"))[0].set,
    /search_path=pg_catalog, pg_temp/,
  );
});

attackWithSql('what a visitor may call springs no trap in the search path', RESET('check_shared_link_status(text)'), async (api) => {
  const { dentist, token } = await practiceInSql(api);
  const schema = await traps(api, dentist);
  await asVisitor(api, async (session) => {
    await enter(session, schema);
    assert.equal(await session.value('SELECT public.check_shared_link_status($1)', [token]), 'valid');
    assert.equal((await session.rows('SELECT * FROM public.get_shared_evaluation($1)', [token])).length, 1);
    assert.equal((await session.rows('SELECT * FROM public.get_shared_dsd($1)', [token])).length, 0);
  });
});

attackWithSql('triggers, defaults and policies spring no trap in the search path', RESET('update_updated_at_column()') + '; ' + `
  CREATE OR REPLACE FUNCTION public.update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$`, async (api) => {
  const { dentist, patient_id, session_id } = await practiceInSql(api);
  const schema = await traps(api, dentist);
  await asUser(api, dentist, async (session) => {
    await enter(session, schema);
    await session.run("INSERT INTO public.patients (user_id, name, birth_date) VALUES ($1, 'Novo', '1990-01-01')", [dentist.id]);
    await session.run("UPDATE public.patients SET notes = 'x'");
    await session.run("UPDATE public.evaluations SET patient_name = 'y'");
    const made = await session.rows('INSERT INTO public.shared_links (user_id, session_id) VALUES ($1, $2) RETURNING token', [
      dentist.id,
      session_id,
    ]);
    assert.match(made[0].token, /^[0-9a-f]{64}$/);
    assert.equal((await session.rows('SELECT id FROM public.patients')).length, 2);
    await session.run("INSERT INTO storage.objects (bucket_id, name) VALUES ('avatars', $1)", [`${dentist.id}/a.png`]);
  });
  const [{ birth }] = await api.truth(
    "SELECT public.phi_decrypt(birth_date_encrypted) AS birth FROM public.patients WHERE user_id = $1 AND name = 'Novo'",
    [dentist.id],
  );
  assert.equal(birth, '1990-01-01');
  assert.ok(patient_id);
});

attackWithSql("the backend's functions spring no trap in the search path", RESET('check_and_increment_rate_limit(uuid, text, timestamptz, timestamptz, timestamptz)') + `;
  CREATE OR REPLACE FUNCTION public.check_and_increment_rate_limit(
    p_user_id uuid, p_function_name text, p_minute_window timestamptz, p_hour_window timestamptz, p_day_window timestamptz)
  RETURNS TABLE (minute_count integer, hour_count integer, day_count integer) LANGUAGE sql SECURITY DEFINER
  AS $$ SELECT length($2), 1, 1 $$`, async (api) => {
  const { dentist } = await practiceInSql(api);
  // Something for the backfill to do; other tests have patients in the same table.
  await api.truth(`ALTER TABLE public.patients DISABLE TRIGGER USER;
    UPDATE public.patients SET name_encrypted = NULL WHERE user_id = '${dentist.id}'; ALTER TABLE public.patients ENABLE TRIGGER USER`);
  const schema = await traps(api, dentist);
  await asService(api, async (session) => {
    await enter(session, schema);
    const id = dentist.id;
    // Rows are written by SQL where the transaction keeps its snapshot, and without it elsewhere.
    for (const begin of ['BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ']) {
      await session.run(begin);
      assert.equal(await session.value('SELECT public.use_credits($1, $2)', [id, 'case_analysis']), true);
      assert.equal(await session.value('SELECT public.refund_credits($1, $2)', [id, 'case_analysis']), true);
      const reference = randomUUID();
      assert.equal(await session.value('SELECT public.use_credits($1, $2, $3)', [id, 'dsd_simulation', reference]), true);
      assert.equal(await session.value('SELECT public.refund_credits($1, $2, $3)', [id, 'dsd_simulation', reference]), true);
      await session.run('COMMIT');
    }
    // The counter is above what the smaller plan grants: settled, and written to the ledger.
    await session.run("UPDATE public.subscriptions SET credits_used_this_month = 21 WHERE user_id OPERATOR(pg_catalog.=) $1", [id]);
    await session.run(
      "UPDATE public.subscriptions SET plan_id = 'price_essencial_monthly', status = 'past_due' WHERE user_id OPERATOR(pg_catalog.=) $1",
      [id],
    );
    await session.run("UPDATE public.subscriptions SET status = 'active' WHERE user_id OPERATOR(pg_catalog.=) $1", [id]);
    await session.run('SELECT public.add_bonus_credits($1, 5)', [id]);
    await session.run('SELECT public.increment_case_usage($1)', [id]);
    await session.run('SELECT public.reset_monthly_usage()');
    await session.run('SELECT public.reset_monthly_usage_with_rollover()');
    await session.run('SELECT public.cleanup_old_rate_limits()');
    const window = '2026-01-01T00:00:00Z';
    for (const count of [1, 2]) {
      assert.deepEqual(await session.rows('SELECT * FROM public.check_and_increment_rate_limit($1, $2, $3, $3, $3)', [id, 'f', window]), [
        { minute_count: count, hour_count: count, day_count: count },
      ]);
    }
    assert.equal(await session.value('SELECT public.phi_decrypt(public.phi_encrypt($1))', ['segredo']), 'segredo');
    await session.run('SELECT * FROM auria.phi_status()');
    await session.run('CALL auria.phi_backfill(10)');
    await session.run('CALL auria.reset_monthly(10)');
  });
  const changes = await api.truth("SELECT credits_used FROM public.credit_usage WHERE user_id = $1 AND operation = 'plan_change'", [dentist.id]);
  assert.deepEqual(changes, [{ credits_used: -1 }]);
  const [{ credits_bonus }] = await api.truth('SELECT credits_bonus FROM public.subscriptions WHERE user_id = $1', [dentist.id]);
  assert.equal(credits_bonus, 5);
  assert.deepEqual(await api.truth('SELECT id FROM public.patients WHERE user_id = $1 AND name_encrypted IS NULL', [dentist.id]), []);
});
