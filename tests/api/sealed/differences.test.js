// Each difference from the open layout that clients of the sealed layout notice, and what they do instead.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { answer, answered, refused } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { WHOLE_PATIENT, findings, newEvaluation, newPatient } from '../stage/practice.js';
import { userToken } from '../stage/tokens.js';

/** PostgreSQL refuses the statement when it is planned: a view has no unique index. */
const noUpsert = (response) => refused(response, 400, '42P10');

flow('an upsert of a patient, an evaluation or a draft is refused in each of its forms', async (api) => {
  const dentist = await api.signUp();
  const rows = {
    patients: { user_id: dentist.id, name: 'Rita Moreira' },
    evaluations: findings(dentist),
    evaluation_drafts: { user_id: dentist.id, draft_data: { step: 1 } },
  };
  for (const [table, row] of Object.entries(rows)) {
    const id = randomUUID();
    noUpsert(await dentist.db.from(table).upsert({ id, ...row }, { onConflict: 'id' }));
    noUpsert(await dentist.db.from(table).upsert({ id, ...row }, { onConflict: 'id', ignoreDuplicates: true }));
    noUpsert(await dentist.db.from(table).upsert({ id, ...row }));
    const put = await api.request(`/${table}?id=eq.${id}`, {
      method: 'PUT',
      token: userToken(dentist.id),
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ id, ...row }),
    });
    assert.deepEqual([put.status, (await put.json()).code], [400, '42P10'], table);
    answered(await dentist.db.from(table).select('id'), 200, []);
  }
  noUpsert(await dentist.db.from('patients').upsert(rows.patients, { onConflict: 'user_id,name' }));
  noUpsert(await dentist.db.from('evaluation_drafts').upsert(rows.evaluation_drafts, { onConflict: 'user_id' }));
});

flow('a patient entered twice is found by name and updated, where the insert is refused', async (api) => {
  const dentist = await api.signUp();
  const enter = async (phone) => {
    const inserted = await dentist.db.from('patients').insert({ user_id: dentist.id, name: 'Rita Moreira', phone }).select('id').single();
    if (inserted.status === 201) return inserted.data;
    const error = refused(inserted, 409, '23505');
    assert.match(error.message, /patients_user_id_name_key/);
    return answer(
      await dentist.db.from('patients').update({ phone }).match({ user_id: dentist.id, name: 'Rita Moreira' }).select('id').single(),
      200,
    );
  };
  const first = await enter('1111-1111');
  assert.deepEqual(await enter('2222-2222'), first);
  answered(await dentist.db.from('patients').select('id, phone'), 200, [{ ...first, phone: '2222-2222' }]);
});

flow('a client reads a patient, changes it and sends the whole row back by PATCH', async (api) => {
  const dentist = await api.signUp();
  const { id } = await newPatient(dentist, 'Luís Otávio Pacheco', {
    phone: '+55 31 97777-0000',
    email: 'luis@example.com',
    birth_date: '1979-11-05',
    notes: 'hipertenso',
  });
  const read = answer(await dentist.db.from('patients').select(WHOLE_PATIENT).eq('id', id).single(), 200);
  const written = answer(
    await dentist.db
      .from('patients')
      .update({ ...read, phone: '+55 31 96666-0000', email: null })
      .eq('id', id)
      .select(WHOLE_PATIENT)
      .single(),
    200,
  );
  // Values that did not change stay as they were, byte for byte.
  assert.deepEqual(written, {
    ...read,
    phone: '+55 31 96666-0000',
    phone_encrypted: written.phone_encrypted,
    email: null,
    email_encrypted: null,
    updated_at: written.updated_at,
  });
  assert.notEqual(written.phone_encrypted, read.phone_encrypted);
});

flow('an embedding is named by its table, and not by the column of the foreign key', async (api) => {
  const dentist = await api.signUp();
  const patient = await newPatient(dentist, 'Paulo Nunes');
  await newEvaluation(dentist, { patient_id: patient.id, tooth: '21' });
  refused(await dentist.db.from('evaluations').select('patient_id(name)'), 400, 'PGRST200');
  const tooth = { tooth: '21', patients: { name: 'Paulo Nunes' } };
  for (const columns of ['tooth, patients(name)', 'tooth, patients!patient_id(name)', 'tooth, patients!inner(name)']) {
    answered(await dentist.db.from('evaluations').select(columns), 200, [tooth]);
  }
  answered(await dentist.db.from('patients').select('name, evaluations(tooth)'), 200, [
    { name: 'Paulo Nunes', evaluations: [{ tooth: '21' }] },
  ]);
  answered(await dentist.db.from('evaluations').select('tooth, patients!inner(name)').eq('patients.name', 'Outro'), 200, []);
  const returned = await dentist.db
    .from('evaluations')
    .insert(findings(dentist, { patient_id: patient.id, tooth: '22' }))
    .select('tooth, patients(name)')
    .single();
  answered(returned, 201, { ...tooth, tooth: '22' });
});

flow('a draft that is inserted a second time replaces the first', async (api) => {
  const dentist = await api.signUp();
  const save = (draft_data) => dentist.db.from('evaluation_drafts').insert({ user_id: dentist.id, draft_data });
  answered(await save({ step: 1, paciente: 'Rita' }), 201, null);
  const read = () => dentist.db.from('evaluation_drafts').select('id, draft_data, updated_at').eq('user_id', dentist.id).maybeSingle();
  const first = answer(await read(), 200);
  answered(await save({ step: 2, paciente: 'Rita' }), 201, null);
  const second = answer(await read(), 200);
  assert.deepEqual([second.id, second.draft_data], [first.id, { step: 2, paciente: 'Rita' }]);
  assert.ok(second.updated_at > first.updated_at);

  // An autosave from two tabs: every one succeeds, and one draft is left.
  const saves = await Promise.all(Array.from({ length: 12 }, (_, step) => save({ step })));
  assert.deepEqual(saves.map(({ status }) => status), Array(12).fill(201));
  answered(await dentist.db.from('evaluation_drafts').select('user_id'), 200, [{ user_id: dentist.id }]);
  answered(await dentist.db.from('evaluation_drafts').delete().eq('user_id', dentist.id), 204, null);
  answered(await read(), 200, null);
});

flow('of clients that change a row on a condition at the same moment one wins', async (api) => {
  const dentist = await api.signUp();
  for (let round = 0; round < 10; round++) {
    const { id } = await newEvaluation(dentist, { status: 'analyzing' });
    const attempts = await Promise.all(
      ['a', 'b', 'c', 'd'].map((winner) =>
        dentist.db
          .from('evaluations')
          .update({ status: 'completed', recommendation_text: winner })
          .match({ id, status: 'analyzing' })
          .select('recommendation_text'),
      ),
    );
    const winners = attempts.flatMap((attempt) => answer(attempt, 200));
    assert.equal(winners.length, 1);
    answered(await dentist.db.from('evaluations').select('recommendation_text').eq('id', id).single(), 200, winners[0]);
  }
});
