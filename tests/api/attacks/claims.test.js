// Tokens that somebody made up, and true ones that say odd things.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { answer, answered, refused } from '../stage/assertions.js';
import { attack } from '../stage/attack.js';
import { practiceOf } from '../stage/practice.js';
import { SECRET, sign, unsigned, userToken } from '../stage/tokens.js';

const SECRET_OF_THE_ATTACKER = 'a'.repeat(64);

/** A PostgREST that accepts either secret. */
const BOTH_SECRETS = JSON.stringify({
  keys: [SECRET, SECRET_OF_THE_ATTACKER].map((secret) => ({ kty: 'oct', alg: 'HS256', k: Buffer.from(secret).toString('base64url') })),
});

/** PostgREST rejects a token. */
async function rejected(api, token, statuses = [401]) {
  const response = await api.request('/patients?select=name', { token });
  assert.ok(statuses.includes(response.status), `${response.status}`);
  const text = await response.text();
  assert.ok(!text.includes('Segredo'), text);
}

attack('a token that somebody else signed is rejected', { settings: { PGRST_JWT_SECRET: BOTH_SECRETS } }, async (api) => {
  const { dentist, patient } = await practiceOf(api);
  const claims = { role: 'authenticated', sub: dentist.id };
  await rejected(api, sign(claims, { secret: SECRET_OF_THE_ATTACKER }));
  await rejected(api, sign({ ...claims, role: 'service_role' }, { secret: SECRET_OF_THE_ATTACKER }));
  await rejected(api, unsigned(claims));
  await rejected(api, unsigned({ role: 'service_role' }));
  await rejected(api, sign(claims, { header: { alg: 'HS256', typ: 'JWT' }, secret: '' }));
  await rejected(api, sign(claims, { header: { alg: 'RS256', typ: 'JWT' } }));
  await rejected(api, `${sign(claims)}x`);
  const [head, , signature] = userToken(randomUUID()).split('.');
  await rejected(api, [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.'));
  await rejected(api, 'not.a.token');
  await rejected(api, sign('not json'));
  answered(await dentist.db.from('patients').select('name'), 200, [{ name: patient.name }]);
});

attack('a token whose time is over or has not come is rejected', 'GRANT SELECT ON public.patients TO anon', async (api) => {
  const { dentist, patient } = await practiceOf(api);
  const now = Math.floor(Date.now() / 1000);
  const claims = { role: 'authenticated', sub: dentist.id };
  await rejected(api, sign({ ...claims, exp: now - 60 }));
  await rejected(api, sign({ ...claims, nbf: now + 3600 }));
  await rejected(api, sign({ role: 'anon', exp: now + 60 }));
  answered(await dentist.db.from('patients').select('name'), 200, [{ name: patient.name }]);
});

attack(
  'a role that PostgREST may not become is rejected, even in a token that is signed',
  { sql: 'GRANT pg_read_all_data TO authenticator', undo: 'REVOKE pg_read_all_data FROM authenticator' },
  async (api) => {
    const { dentist, patient } = await practiceOf(api);
    for (const role of ['postgres', 'pg_read_all_data', 'authenticator', 'SERVICE_ROLE', 'service_role; RESET ROLE', 'none', '', 'a'.repeat(100000)]) {
      await rejected(api, sign({ role, sub: dentist.id }), [400, 401, 403, 431]);
    }
    for (const role of [null, 7, ['service_role'], { name: 'service_role' }]) {
      await rejected(api, sign({ role, sub: dentist.id }), [400, 401, 403]);
    }
    answered(await dentist.db.from('patients').select('name'), 200, [{ name: patient.name }]);
  },
);

attack(
  'a claim that names no user, or is no uuid, shows nothing',
  'CREATE POLICY hole ON public.patients FOR SELECT TO authenticated USING (true)',
  async (api) => {
    const { dentist, patient } = await practiceOf(api);
    for (const sub of [undefined, null, randomUUID()]) {
      const db = api.client(sign({ role: 'authenticated', sub }));
      answered(await db.from('patients').select('name'), 200, []);
      answered(await db.from('profiles').select('id'), 200, []);
    }
    // Supabase's own auth.uid() calls this no uuid, the extension's calls it nobody.
    const nameless = await api.client(sign({ role: 'authenticated', sub: '' })).from('patients').select('name');
    if (nameless.status === 200) answered(nameless, 200, []);
    else refused(nameless, 400, '22P02');
    const odd = [
      'admin',
      `${dentist.id}' OR '1'='1`,
      `${dentist.id}; SET ROLE service_role`,
      `${dentist.id}0`,
      'x'.repeat(2000),
    ];
    for (const sub of odd) {
      const response = await api.client(sign({ role: 'authenticated', sub })).from('patients').select('name');
      refused(response, 400, '22P02');
    }
    for (const sub of [42, true, [dentist.id], { id: dentist.id }]) {
      await rejected(api, sign({ role: 'authenticated', sub }));
    }
    // The same user however the uuid is written: PostgreSQL reads them all.
    answered(await api.user(dentist.id.toUpperCase()).from('patients').select('name'), 200, [{ name: patient.name }]);
  },
);

attack(
  'other claims than role and sub give no rights',
  `CREATE POLICY hole ON public.patients FOR SELECT TO authenticated
     USING ((current_setting('request.jwt.claims', true)::json -> 'app_metadata' ->> 'admin')::boolean)`,
  async (api) => {
    const { dentist, patient } = await practiceOf(api);
    const nosy = randomUUID();
    const more = [
      { user_id: dentist.id },
      { 'request.jwt.claim.sub': dentist.id },
      { app_metadata: { admin: true, role: 'service_role' } },
      { user_metadata: { user_id: dentist.id, role: 'service_role' } },
      { user_role: 'service_role', is_admin: true },
    ];
    for (const claims of more) {
      const db = api.client(sign({ role: 'authenticated', sub: nosy, ...claims }));
      answered(await db.from('patients').select('name'), 200, []);
      answered(await db.from('subscriptions').select('id'), 200, []);
    }
    answered(await dentist.db.from('patients').select('name'), 200, [{ name: patient.name }]);
  },
);

attack(
  'what a user said about himself at sign-up makes him nothing but a profile',
  `CREATE POLICY hole ON public.patients FOR SELECT TO authenticated USING (EXISTS (
     SELECT FROM public.profiles WHERE profiles.user_id = (SELECT auth.uid()) AND full_name = 'service_role'))`,
  async (api) => {
    const { dentist } = await practiceOf(api);
    const braggart = await api.signUp({
      full_name: 'service_role',
      cro: { $ne: null },
      user_id: dentist.id,
      role: 'service_role',
      clinic_name: 'Clínica Alheia',
    });
    const profile = answer(await braggart.db.from('profiles').select('user_id, full_name, cro, clinic_name').single(), 200);
    assert.deepEqual(profile, { user_id: braggart.id, full_name: 'service_role', cro: null, clinic_name: null });
    answered(await braggart.db.from('patients').select('name'), 200, []);
  },
);
