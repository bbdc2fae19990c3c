// A dentist's day: profile, patients, evaluations, drafts, detected teeth, inventory.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { answer, answered } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { WHOLE_PATIENT, findings, newEvaluation, newPatient } from '../stage/practice.js';

flow('a dentist who has signed up reads the profile and updates it', async (api) => {
  const dentist = await api.signUp({ full_name: 'Dr. Caio Brandão', cro: 'SP-12345' });
  const profile = answer(await dentist.db.from('profiles').select('*').eq('user_id', dentist.id).maybeSingle(), 200);
  assert.equal(profile.full_name, 'Dr. Caio Brandão');
  assert.equal(profile.cro, 'SP-12345');
  assert.equal(profile.clinic_name, null);

  answered(
    await dentist.db.from('profiles').update({ clinic_name: 'Clínica Sorriso', phone: '11 4002-8922' }).eq('user_id', dentist.id),
    204,
    null,
  );
  const updated = answer(await dentist.db.from('profiles').select('*').single(), 200);
  assert.deepEqual(
    updated,
    { ...profile, clinic_name: 'Clínica Sorriso', phone: '11 4002-8922', updated_at: updated.updated_at },
  );
  assert.ok(updated.updated_at > profile.updated_at);
});

flow('a patient is created, found by part of the name, updated and deleted', async (api) => {
  const dentist = await api.signUp();
  const patient = await newPatient(dentist, 'João Gonçalves da Silva', {
    phone: '+55 21 98888-0000',
    email: 'joao@example.com',
    birth_date: '1987-02-28',
    notes: 'bruxismo noturno',
  });
  await newPatient(dentist, 'Ana Beatriz Souza');

  const found = await dentist.db
    .from('patients')
    .select('id, name, birth_date')
    .eq('user_id', dentist.id)
    .ilike('name', '%GONÇALVES%')
    .order('name')
    .limit(10);
  answered(found, 200, [{ id: patient.id, name: 'João Gonçalves da Silva', birth_date: '1987-02-28' }]);

  const updated = await dentist.db
    .from('patients')
    .update({ phone: null, notes: 'placa de bruxismo entregue' })
    .eq('id', patient.id)
    .select('phone, notes, phone_encrypted, name_encrypted')
    .single();
  answered(updated, 200, {
    phone: null,
    notes: 'placa de bruxismo entregue',
    phone_encrypted: null,
    name_encrypted: patient.name_encrypted,
  });
  assert.match(patient.name_encrypted, /^\\x[0-9a-f]{40,}$/);

  answered(await dentist.db.from('patients').delete().eq('id', patient.id), 204, null);
  answered(await dentist.db.from('patients').select('name'), 200, [{ name: 'Ana Beatriz Souza' }]);
});

flow('a patient entered twice under the same name stays one patient', async (api) => {
  const dentist = await api.signUp();
  const enter = (phone) =>
    dentist.db
      .from('patients')
      .upsert({ user_id: dentist.id, name: 'Rita Moreira', phone }, { onConflict: 'user_id,name' })
      .select('id, phone')
      .single();
  const first = answer(await enter('1111-1111'), 201);
  answered(await enter('2222-2222'), api.version === '11.2.2' ? 201 : 200, { id: first.id, phone: '2222-2222' });
  answered(await dentist.db.from('patients').select('id', { count: 'exact' }), 200, [{ id: first.id }]);

  const again = await dentist.db.from('patients').insert({ user_id: dentist.id, name: 'Rita Moreira' });
  assert.equal(again.status, 409);
  assert.equal(again.error.code, '23505');
});

flow('a client reads a patient, changes it and sends the whole row back, encrypted columns included', async (api) => {
  const dentist = await api.signUp();
  const { id } = await newPatient(dentist, 'Luís Otávio Pacheco', {
    phone: '+55 31 97777-0000',
    email: 'luis@example.com',
    birth_date: '1979-11-05',
    notes: 'hipertenso',
  });
  const whole = () => dentist.db.from('patients').select(WHOLE_PATIENT).eq('id', id).single();
  const read = answer(await whole(), 200);
  const written = answer(
    await dentist.db
      .from('patients')
      .upsert({ ...read, phone: '+55 31 96666-0000', email: null, notes: 'hipertenso, em tratamento' })
      .select(WHOLE_PATIENT)
      .single(),
    api.version === '11.2.2' ? 201 : 200,
  );
  assert.deepEqual(answer(await whole(), 200), written);
  // Values that did not change stay as they were, byte for byte; the others are encrypted anew, or gone with their plain value.
  assert.deepEqual(written, {
    ...read,
    phone: '+55 31 96666-0000',
    phone_encrypted: written.phone_encrypted,
    email: null,
    email_encrypted: null,
    notes: 'hipertenso, em tratamento',
    notes_encrypted: written.notes_encrypted,
    updated_at: written.updated_at,
  });
  for (const column of ['name', 'phone', 'birth_date', 'notes']) {
    const ciphertext = written[`${column}_encrypted`];
    answered(await api.service().rpc('phi_decrypt', { ciphertext }), 200, written[column]);
  }
});

flow('an evaluation keeps every one of its JSON columns as it was sent', async (api) => {
  const dentist = await api.signUp();
  const columns = {
    alternatives: [{ name: 'Filtek Z350 XT', reason: 'estética' }],
    stratification_protocol: { layers: [{ order: 1, shade: 'A2D', thickness: '0.5' }] },
    protocol_layers: [{ shade: 'WE', nested: { deep: [1, 2.5, null, true] } }],
    cementation_protocol: { steps: ['condicionar', 'silanizar'] },
    generic_protocol: { treatment_type: 'implante' },
    checklist_progress: [0, 2, 5],
    alerts: ['Substrato escurecido'],
    warnings: ['Não polir antes de 24 h'],
    additional_photos: { smile45: 'a/b.jpg', face: null },
    tooth_bounds: { x: 12.5, y: 40, width: 8, height: 11 },
    dsd_analysis: { facial_midline: 'centrada', suggestions: [{ tooth: '11', change: 'alongar' }] },
    dsd_simulation_layers: [{ type: 'complete', url: 'x.png' }],
    patient_desired_changes: ['whiter', 'aspas " e vírgula,'],
  };
  const evaluation = await newEvaluation(dentist, columns);
  const names = Object.keys(columns).join(', ');
  answered(await dentist.db.from('evaluations').select(names).eq('id', evaluation.id).single(), 200, columns);

  answered(
    await dentist.db.from('evaluations').update({ checklist_progress: [0, 1, 2], status: 'completed' }).eq('id', evaluation.id),
    204,
    null,
  );
  answered(
    await dentist.db
      .from('evaluations')
      .select('id')
      .contains('dsd_analysis', { facial_midline: 'centrada' })
      .overlaps('patient_desired_changes', ['whiter', 'longer']),
    200,
    [{ id: evaluation.id }],
  );
});

flow('the dashboard shows the newest twenty cases and how many there are', async (api) => {
  const dentist = await api.signUp();
  const cases = Array.from({ length: 25 }, (_, day) =>
    findings(dentist, { tooth: String(11 + day), created_at: `2026-01-${String(day + 1).padStart(2, '0')}T12:00:00+00:00` }),
  );
  // The years of a practice, imported by the backend: a client cannot choose created_at.
  answered(await api.service().from('evaluations').insert(cases), 201, null);
  const page = await dentist.db
    .from('evaluations')
    .select('tooth, created_at', { count: 'exact' })
    .eq('user_id', dentist.id)
    .order('created_at', { ascending: false })
    .limit(20);
  const newest = cases.reverse().slice(0, 20).map(({ tooth, created_at }) => ({ tooth, created_at }));
  assert.equal(page.count, 25);
  answered(page, 206, newest);
  const counted = await dentist.db.from('evaluations').select('*', { count: 'exact', head: true });
  assert.equal(counted.count, 25);
});

flow('the teeth of one session are listed with patient and resins embedded', async (api) => {
  const dentist = await api.signUp();
  const patient = await newPatient(dentist, 'Paulo Nunes');
  const [ideal, recommended] = answer(
    await dentist.db.from('resins').select('id, name').in('name', ['Filtek Supreme Ultra', 'Aura']).order('name', { ascending: false }),
    200,
  );
  const session_id = randomUUID();
  for (const tooth of ['21', '11']) {
    await newEvaluation(dentist, {
      tooth,
      session_id,
      patient_id: patient.id,
      recommended_resin_id: recommended.id,
      ideal_resin_id: ideal.id,
    });
  }
  await newEvaluation(dentist, { tooth: '36' });

  const session = await dentist.db
    .from('evaluations')
    .select('tooth, patients(name), resins!recommended_resin_id(name, manufacturer), ideal:resins!ideal_resin_id(name)')
    .eq('session_id', session_id)
    .order('tooth');
  const of = (tooth) => ({
    tooth,
    patients: { name: 'Paulo Nunes' },
    resins: { name: 'Aura', manufacturer: 'SDI' },
    ideal: { name: 'Filtek Supreme Ultra' },
  });
  answered(session, 200, [of('11'), of('21')]);

  answered(await dentist.db.from('patients').delete().eq('id', patient.id), 204, null);
  const left = await dentist.db.from('evaluations').select('tooth, patients(name)').eq('session_id', session_id).order('tooth');
  answered(left, 200, [{ tooth: '11', patients: null }, { tooth: '21', patients: null }]);
});

flow('a draft is saved over the last one and gone when it is discarded', async (api) => {
  const dentist = await api.signUp();
  const save = (draft_data) =>
    dentist.db.from('evaluation_drafts').upsert({ user_id: dentist.id, draft_data }, { onConflict: 'user_id' });
  answered(await save({ step: 1 }), 201, null);
  answered(await save({ step: 3, photos: ['a.jpg'] }), api.version === '11.2.2' ? 201 : 200, null);
  const read = () => dentist.db.from('evaluation_drafts').select('draft_data').eq('user_id', dentist.id).maybeSingle();
  answered(await read(), 200, { draft_data: { step: 3, photos: ['a.jpg'] } });
  answered(await dentist.db.from('evaluation_drafts').delete().eq('user_id', dentist.id), 204, null);
  answered(await read(), 200, null);
});

flow('teeth detected again in a session replace what was detected before', async (api) => {
  const dentist = await api.signUp();
  const session_id = randomUUID();
  const detect = (teeth) =>
    dentist.db
      .from('session_detected_teeth')
      .upsert(teeth.map((tooth) => ({ ...tooth, session_id, user_id: dentist.id })), { onConflict: 'session_id,tooth' });
  const bounds = { x: 40, y: 35, width: 6, height: 10 };
  answered(await detect([{ tooth: '11', priority: 'alta', tooth_bounds: bounds }, { tooth: '21', priority: 'baixa' }]), 201, null);
  assert.ok([200, 201].includes((await detect([{ tooth: '21', priority: 'média' }])).status));
  const teeth = await dentist.db
    .from('session_detected_teeth')
    .select('tooth, priority, tooth_bounds')
    .eq('session_id', session_id)
    .order('tooth');
  answered(teeth, 200, [
    { tooth: '11', priority: 'alta', tooth_bounds: bounds },
    { tooth: '21', priority: 'média', tooth_bounds: null },
  ]);
});

flow('the inventory lists its shades with the catalogue embedded', async (api) => {
  const dentist = await api.signUp();
  const shades = answer(
    await dentist.db
      .from('resin_catalog')
      .select('*')
      .eq('product_line', 'Filtek Z350 XT')
      .in('shade', ['A1B', 'A2B'])
      .order('shade'),
    200,
  );
  assert.equal(shades.length, 2);
  answered(
    await dentist.db.from('user_inventory').insert(shades.map(({ id }) => ({ user_id: dentist.id, resin_id: id }))),
    201,
    null,
  );
  const inventory = await dentist.db
    .from('user_inventory')
    .select('resin_id, resin_catalog(*)')
    .eq('user_id', dentist.id)
    .order('resin_catalog(shade)');
  answered(inventory, 200, shades.map((shade) => ({ resin_id: shade.id, resin_catalog: shade })));

  answered(await dentist.db.from('user_inventory').delete().eq('resin_id', shades[0].id), 204, null);
  answered(await dentist.db.from('user_inventory').select('resin_id'), 200, [{ resin_id: shades[1].id }]);
});
