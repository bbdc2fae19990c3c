// Who read which patient, as docs/phi.md sets it up: what each way of reading leaves in the server's log.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { answer } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { practiceOf } from '../stage/practice.js';

flow('each way to read a patient leaves a line that says who, and none holds patient data', async (api) => {
  const [{ sealed }] = await api.truth("SELECT to_regclass('auria_raw.patients_raw') IS NOT NULL AS sealed");
  const { dentist, patient, evaluation, link } = await practiceOf(api);
  const [{ ciphertext }] = await api.truth(
    `SELECT '\\x' || encode(name_encrypted, 'hex') AS ciphertext FROM ${sealed ? 'auria_raw.patients_raw' : 'public.patients'} WHERE id = $1`,
    [patient.id],
  );
  const log = () => readFile(api.server.log, 'utf8');
  const whole = (await log()).length;

  /** The lines that a request leaves: of pgAudit about patients and evaluations, and of the functions that open values. */
  async function linesOf(request) {
    const from = (await log()).length;
    const data = answer(await request(), 200);
    const lines = (await log()).slice(from).split('\n');
    return {
      data,
      audited: lines.filter((line) => line.includes('AUDIT: OBJECT')),
      reads: lines.filter((line) => line.includes('auria read: ')).map((line) => line.split('auria read: ')[1]),
      all: lines.filter((line) => line.includes('LOG:')),
    };
  }

  const table = sealed ? 'auria_raw.patients_raw' : 'public.patients';
  const own = await linesOf(() => dentist.db.from('patients').select('name, notes').eq('id', patient.id));
  assert.equal(own.data[0].name, patient.name);
  assert.equal(own.audited.length, 1);
  assert.ok(own.audited[0].includes(`READ,SELECT,TABLE,${table},`) && own.audited[0].includes(`authenticator ${dentist.id} `), own.audited[0]);
  assert.deepEqual(
    own.reads,
    sealed ? [`role="authenticated" user=${dentist.id} function=auria.open_text dentist=${dentist.id}`] : [],
  );

  const shared = await linesOf(() => api.anon().rpc('get_shared_evaluation', { p_token: link.token }));
  assert.equal(shared.data.length, 1);
  assert.deepEqual(shared.reads, [
    `role="anon" user=none function=get_shared_evaluation dentist=${dentist.id} evaluations=${evaluation.id}`,
  ]);
  const design = await linesOf(() => api.anon().rpc('get_shared_dsd', { p_token: link.token }));
  assert.equal(design.data.length, 1);
  assert.deepEqual(design.reads, [
    `role="anon" user=none function=get_shared_dsd dentist=${dentist.id} evaluations=${evaluation.id}`,
  ]);
  const nothing = await linesOf(() => api.anon().rpc('get_shared_evaluation', { p_token: 'f'.repeat(64) }));
  assert.deepEqual([nothing.data, nothing.reads], [[], []]);

  const backend = api.service();
  const exported = await linesOf(() => backend.schema('auria').rpc('export_patient', { p_patient_id: patient.id }));
  assert.ok(JSON.stringify(exported.data).includes(patient.name));
  assert.deepEqual(exported.reads, [`role="service_role" user=none function=auria.export_patient patient=${patient.id}`]);
  const all = await linesOf(() => backend.schema('auria').rpc('export_user', { p_user_id: dentist.id }));
  assert.deepEqual(all.reads, [`role="service_role" user=none function=auria.export_user dentist=${dentist.id}`]);

  const opened = await linesOf(() => backend.rpc('phi_decrypt', { ciphertext }));
  assert.equal(opened.data, patient.name);
  assert.deepEqual(opened.reads, [
    `role="service_role" user=none function=phi_decrypt dentist=${sealed ? dentist.id : 'none'}`,
  ]);
  const failed = (await log()).length;
  assert.notEqual((await backend.rpc('phi_decrypt', { ciphertext: '\\x00' })).error, null);
  assert.ok(!(await log()).slice(failed).includes('auria read: '));

  const written = (await log()).slice(whole);
  for (const word of ['Maria', 'Segredo', 'látex', '95555', link.token]) {
    assert.ok(!written.includes(word), `${word} in ${written}`);
  }
});
