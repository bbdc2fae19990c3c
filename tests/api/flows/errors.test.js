// What a client reads of an error: code, message, details and hint, the same in both layouts.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { refused } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { findings, newEvaluation, newPatient } from '../stage/practice.js';

/** PostgREST answered with this status and this body. */
function answeredWith(response, status, code, message, details = null, hint = null) {
  const error = refused(response, status, code);
  assert.deepEqual({ message: error.message, details: error.details, hint: error.hint }, { message, details, hint });
}

flow('a refused write of a dentist says what PostgreSQL says, of the table that clients know', async (api) => {
  const dentist = await api.signUp();
  const { id } = await newPatient(dentist, 'Rita Moreira');
  await newEvaluation(dentist, { patient_id: id });
  const patients = dentist.db.from('patients');
  answeredWith(
    await patients.insert({ user_id: dentist.id, name: 'Rita Moreira' }),
    409,
    '23505',
    'duplicate key value violates unique constraint "patients_user_id_name_key"',
  );
  answeredWith(
    await patients.insert({ user_id: dentist.id }),
    400,
    '23502',
    'null value in column "name" of relation "patients" violates not-null constraint',
  );
  answeredWith(
    await patients.insert({ user_id: randomUUID(), name: 'Rita Moreira' }),
    403,
    '42501',
    'new row violates row-level security policy for table "patients"',
  );
  answeredWith(
    await patients.update({ name_encrypted: '\\xc30d' }).eq('id', id),
    403,
    '42501',
    'column "name_encrypted" of table "patients" cannot be written directly',
    'The value is not the encrypted form of the plain value in the same row.',
    'Write the plain column alone: a trigger encrypts it.',
  );
  answeredWith(
    await dentist.db.from('evaluations').update({ created_at: '2020-01-01T00:00:00Z' }).eq('patient_id', id),
    403,
    '42501',
    'created_at of table "evaluations" cannot be changed',
    null,
    'Leave created_at out of the UPDATE, or send the stored value.',
  );
  answeredWith(
    await dentist.db.from('evaluations').update({ tooth: null }).eq('patient_id', id),
    400,
    '23502',
    'null value in column "tooth" of relation "evaluations" violates not-null constraint',
  );
});

flow('a refused write of the backend quotes the keys that PostgreSQL quotes, and no name', async (api) => {
  const dentist = await api.signUp();
  const { id } = await newPatient(dentist, 'Rita Moreira');
  const service = api.service();
  answeredWith(
    await service.from('patients').insert({ id, user_id: dentist.id, name: 'Outra' }),
    409,
    '23505',
    'duplicate key value violates unique constraint "patients_pkey"',
    `Key (id)=(${id}) already exists.`,
  );
  const nobody = randomUUID();
  const error = refused(await service.from('evaluations').insert(findings(dentist, { patient_id: nobody })), 409, '23503');
  assert.equal(error.details, `Key (patient_id)=(${nobody}) is not present in table "patients".`);
});

flow('a refused call says what was wrong with it and what to do', async (api) => {
  const service = api.service();
  const unknown = [
    'there is no user with this id',
    'The id passed as p_user_id is not in auth.users.',
    'Pass the id of a user who signed up and was not deleted.',
  ];
  answeredWith(await service.rpc('use_credits', { p_user_id: randomUUID(), p_operation: 'case_analysis' }), 409, '23503', ...unknown);
  answeredWith(await service.rpc('add_bonus_credits', { p_user_id: randomUUID(), p_credits: 5 }), 409, '23503', ...unknown);
  const dentist = await api.signUp();
  answeredWith(
    await service.rpc('add_bonus_credits', { p_user_id: dentist.id, p_credits: -5 }),
    400,
    '22023',
    'p_credits must be positive',
    '-5 credits were asked for.',
    'Use refund_credits() to give back what an operation cost.',
  );
});
