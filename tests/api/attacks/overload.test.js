// Requests that are too large. The server answers each of them in some way, and serves the next one.
import assert from 'node:assert/strict';
import { answer, answered } from '../stage/assertions.js';
import { attack } from '../stage/attack.js';
import { newEvaluation, newPatient, practiceOf } from '../stage/practice.js';

const startOf = async (api) => (await api.truth('SELECT pg_catalog.pg_postmaster_start_time()::text AS start'))[0].start;

/** The server has not crashed: it runs since the same moment and no backend took it down on the way. */
async function survives(api, work) {
  const started = await startOf(api);
  const [{ xmin }] = await api.truth('SELECT pg_catalog.pg_control_recovery()::text AS xmin');
  await work();
  assert.equal(await startOf(api), started);
  assert.equal((await api.truth('SELECT pg_catalog.pg_control_recovery()::text AS xmin'))[0].xmin, xmin);
  answer(await api.anon().from('credit_packs').select('id'), 200);
}

attack(
  'a huge limit or offset brings the own rows and no more',
  'CREATE POLICY hole ON public.patients FOR SELECT TO authenticated USING (true)',
  async (api) => {
    await practiceOf(api);
    const dentist = await api.signUp();
    await newPatient(dentist, 'Única');
    await survives(api, async () => {
      answered(await dentist.db.from('patients').select('name').limit(2 ** 53 - 1), 200, [{ name: 'Única' }]);
      answered(await dentist.db.from('patients').select('name').limit(0), 200, []);
      for (const query of ['limit=99999999999999999999', 'limit=-1', 'offset=-1', 'limit=1e9', 'offset=9223372036854775807']) {
        const response = await api.request(`/patients?select=name&${query}`);
        assert.ok(response.status >= 400 && response.status < 500, `${query}: ${response.status}`);
      }
    });
  },
);

attack('JSON nested a hundred thousand levels deep is an error of one request', null, async (api) => {
  const dentist = await api.signUp();
  const deep = (levels) => `{"user_id":"${dentist.id}","draft_data":${'['.repeat(levels)}${']'.repeat(levels)}}`;
  const { userToken } = await import('../stage/tokens.js');
  const post = (body) =>
    api.request('/evaluation_drafts', {
      method: 'POST',
      token: userToken(dentist.id),
      headers: { 'Content-Type': 'application/json' },
      body,
    });
  await survives(api, async () => {
    const response = await post(deep(100_000));
    assert.ok(response.status >= 400, `${response.status}`);
    assert.equal((await response.json()).code, '54001');
    assert.equal((await post(deep(100))).status, 201);
  });
  answered(await dentist.db.from('evaluation_drafts').select('user_id'), 200, [{ user_id: dentist.id }]);
});

attack('texts of ten megabytes are stored and encrypted, or refused with a reason', null, async (api) => {
  const dentist = await api.signUp();
  const long = 'ã'.repeat(5_000_000);
  await survives(api, async () => {
    const patient = await newPatient(dentist, 'Prontuário Longo', { notes: long });
    assert.equal(patient.notes.length, long.length);
    const [{ length }] = await api.truth('SELECT octet_length(notes_encrypted)::integer AS length FROM public.patients WHERE id = $1', [
      patient.id,
    ]);
    assert.ok(length > 10_000_000);
    // The name is a key: what no index can hold is refused.
    const named = await dentist.db.from('patients').insert({ user_id: dentist.id, name: Array.from({ length: 9000 }, () => Math.random().toString(36)).join('') });
    assert.equal(named.error?.code, '54000', JSON.stringify(named.error));
    await newEvaluation(dentist, { patient_name: long.slice(0, 1000) });
  });
  answered(await dentist.db.from('patients').select('name'), 200, [{ name: 'Prontuário Longo' }]);
});

attack('an operation or function name of a megabyte is refused without a trace', null, async (api) => {
  const dentist = await api.signUp();
  const endless = 'x'.repeat(1_000_000);
  await survives(api, async () => {
    const service = api.service();
    const used = await service.rpc('use_credits', { p_user_id: dentist.id, p_operation: endless });
    assert.equal(used.error?.code, '22023');
    const counted = await service.rpc('check_and_increment_rate_limit', {
      p_user_id: dentist.id,
      p_function_name: endless,
      p_minute_window: '2026-01-01',
      p_hour_window: '2026-01-01',
      p_day_window: '2026-01-01',
    });
    assert.equal(counted.error?.code, '22023');
    answered(await service.rpc('get_credit_cost', { p_operation: endless }), 200, 1);
  });
  answered(await dentist.db.from('credit_usage').select('id'), 200, []);
  answered(await dentist.db.from('rate_limits').select('id'), 200, []);
});

attack('a ciphertext made to explode or to recurse is refused', null, async (api) => {
  await survives(api, async () => {
    for (const ciphertext of ['\\x', '\\x00', `\\x${'c30d04090308'.repeat(20000)}`, `\\x${'ff'.repeat(1_000_000)}`, '\\xd2ffffffffff']) {
      const response = await api.service().rpc('phi_decrypt', { ciphertext });
      assert.equal(response.error?.code, '39000', JSON.stringify(response).slice(0, 300));
      assert.equal(response.status, 500);
    }
    const ciphertext = answer(await api.service().rpc('phi_encrypt', { plaintext: 'ok' }), 200);
    answered(await api.service().rpc('phi_decrypt', { ciphertext }), 200, 'ok');
  });
});
