// Attacks on the tables that are views in the sealed layout: those of the open layout whose upserts PostgreSQL refuses here,
// and what only this layout has to withstand.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { answer, answered, forbidden, forbiddenToVisitors, refused, tellsNothingOf } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { WHOLE_PATIENT, findings, newPatient, practiceOf } from '../stage/practice.js';

const rowsOf = (dentist) => ({
  evaluations: findings(dentist),
  patients: { user_id: dentist.id, name: `Paciente ${randomUUID()}` },
  evaluation_drafts: { user_id: dentist.id, draft_data: {} },
});

for (const table of ['evaluations', 'patients', 'evaluation_drafts']) {
  flow(`a sealed row of ${table} cannot be given away, planted on somebody else or taken`, async (api) => {
    const [owner, other] = [await api.signUp(), await api.signUp()];
    const row = rowsOf(owner)[table];
    const { id } = answer(await owner.db.from(table).insert(row).select('id').single(), 201);

    forbidden(await owner.db.from(table).update({ user_id: other.id }).eq('id', id));
    forbidden(await other.db.from(table).insert(row));
    answered(await other.db.from(table).update({ user_id: other.id }).eq('id', id).select('id'), 200, []);
    answered(await other.db.from(table).delete().eq('id', id).select('id'), 200, []);
    forbiddenToVisitors(await api.anon().from(table).insert(row));

    answered(await owner.db.from(table).select('user_id').eq('id', id), 200, [{ user_id: owner.id }]);
  });
}

flow("another dentist's ciphertext does not open in one's own row", async (api) => {
  const { patient } = await practiceOf(api, 'Sigilosa da Silva');
  const thief = await api.signUp();
  const [stolen] = await api.truth('SELECT name_encrypted FROM auria_raw.patients_raw WHERE id = $1', [patient.id]);
  const name_encrypted = `\\x${stolen.name_encrypted.toString('hex')}`;
  forbidden(await thief.db.from('patients').insert({ user_id: thief.id, name: 'Isca', name_encrypted }));
  const own = await newPatient(thief, 'Isca');
  forbidden(await thief.db.from('patients').update({ name_encrypted }).eq('id', own.id));
  // Past every rule, as if bytes had been copied in the file: reading them is an error, and says nothing.
  await api.truth('UPDATE auria_raw.patients_raw SET notes_encrypted = $2 WHERE id = $1', [own.id, stolen.name_encrypted]);
  const read = await thief.db.from('patients').select('notes').eq('id', own.id);
  assert.equal(read.error?.code, '39000');
  tellsNothingOf(read, 'Sigilosa');
  answered(await thief.db.from('patients').update({ notes: null }).eq('id', own.id).select('name, notes').single(), 200, {
    name: 'Isca',
    notes: null,
  });
});

flow('a clean-up is not stopped by a row with a value that nobody can read', async (api) => {
  const dentist = await api.signUp();
  const { id } = answer(await dentist.db.from('evaluations').insert(findings(dentist, { status: 'analyzing' })).select('id').single(), 201);
  await api.truth(
    `UPDATE auria_raw.evaluations_raw SET patient_name_encrypted = '\\xdeadbeef', updated_at = now() - interval '1 hour',
            created_at = now() - interval '1 hour' WHERE id = $1`,
    [id],
  );
  await api.truth(`SET session_replication_role = replica; UPDATE auria_raw.evaluations_raw
     SET updated_at = now() - interval '1 hour' WHERE id = '${id}'; RESET session_replication_role`);
  assert.ok(answer(await api.service().rpc('cleanup_stuck_evaluations'), 200) >= 1);
  answered(await dentist.db.from('evaluations').select('status').eq('id', id), 200, [{ status: 'error' }]);
  assert.equal((await dentist.db.from('evaluations').select('patient_name').eq('id', id)).error?.code, '39000');
  answered(await dentist.db.from('evaluations').delete().eq('id', id), 204, null);
});

flow('the encrypted form of a name cannot be forged beside a name, nor in its place', async (api) => {
  const dentist = await api.signUp();
  const forged = { name_encrypted: '\\xdeadbeef' };
  forbidden(await dentist.db.from('patients').insert({ user_id: dentist.id, name: 'Nome Verdadeiro', ...forged }));
  const patient = await newPatient(dentist, 'Nome Verdadeiro');
  forbidden(await dentist.db.from('patients').update(forged).eq('id', patient.id));
  const row = answer(await dentist.db.from('patients').select(WHOLE_PATIENT).eq('id', patient.id).single(), 200);
  const renamed = await dentist.db.from('patients').update({ ...row, name: 'Outro Nome' }).eq('id', patient.id).select().single();
  answered(await api.service().rpc('phi_decrypt', { ciphertext: answer(renamed, 200).name_encrypted }), 200, 'Outro Nome');
});

flow('the stored tables and the functions of the views are served to nobody', async (api) => {
  const dentist = await api.signUp();
  await newPatient(dentist, 'Maria Aparecida');
  for (const db of [dentist.db, api.anon(), api.service()]) {
    refused(await db.schema('auria_raw').from('patients_raw').select('*'), 406, 'PGRST106');
    const stored = await db.from('patients_raw').select('*');
    assert.equal(stored.status, 404, JSON.stringify(stored));
  }
});

flow('an error of the sealed layout names what the open layout names', async (api) => {
  const dentist = await api.signUp();
  const patient = await newPatient(dentist, 'Maria Aparecida', { phone: '+55 11 95555-0101' });
  const [missing, twice] = [
    refused(await dentist.db.from('patients').insert({ user_id: dentist.id, name: null }), 400, '23502'),
    refused(await dentist.db.from('patients').insert({ user_id: dentist.id, name: 'Maria Aparecida' }), 409, '23505'),
  ];
  assert.match(missing.message, /null value in column "name" of relation "patients"/);
  assert.match(twice.message, /"patients_user_id_name_key"/);
  for (const error of [missing, twice]) tellsNothingOf(error, patient.phone, '_raw', 'digest', '_encrypted');
});
