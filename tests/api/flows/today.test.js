// The newest client and its Edge Functions, beyond the first 18 migrations.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { answer, answered, refused } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { findings, newEvaluation, newPatient, practiceOf, subscribe } from '../stage/practice.js';

/** Looks for the record of an operation, calls the function if there is none, and records it: as the Edge Functions do. */
async function once(api, dentist, operation_id, type) {
  const service = api.service();
  const record = { user_id: dentist.id, operation_id, type };
  const done = answer(await service.from('credit_transactions').select('id').match(record).maybeSingle(), 200);
  if (done) return 'done before';
  const rpc = type === 'consume' ? 'use_credits' : 'refund_credits';
  if (!answer(await service.rpc(rpc, { p_user_id: dentist.id, p_operation: 'dsd_simulation' }), 200)) return 'refused';
  answered(await service.from('credit_transactions').insert({ ...record, operation: 'dsd_simulation' }), 201, null);
  return 'done';
}

const used = async (api, dentist) =>
  answer(await api.service().from('subscriptions').select('credits_used_this_month').eq('user_id', dentist.id).single(), 200)
    .credits_used_this_month;

flow('a charge with an operation id is made once, and so is its refund, however often they are retried', async (api) => {
  const dentist = await api.signUp();
  await subscribe(api, dentist);
  const operation = `dsd-${randomUUID()}`;
  assert.deepEqual([await once(api, dentist, operation, 'consume'), await once(api, dentist, operation, 'consume')], ['done', 'done before']);
  assert.equal(await used(api, dentist), 2);
  assert.deepEqual([await once(api, dentist, operation, 'refund'), await once(api, dentist, operation, 'refund')], ['done', 'done before']);
  assert.equal(await used(api, dentist), 0);

  // Two at the same moment: the second record is refused.
  const record = { user_id: dentist.id, operation_id: operation, operation: 'dsd_simulation', type: 'consume' };
  refused(await api.service().from('credit_transactions').insert(record), 409, '23505');
  refused(await api.service().from('credit_transactions').insert({ ...record, type: 'gift' }), 400, '23514');
  refused(await dentist.db.from('credit_transactions').select('id'), 403, '42501');
});

flow('the dashboard counts what is pending, and tells nobody about somebody else', async (api) => {
  const dentist = await api.signUp();
  await newPatient(dentist, 'Maria Aparecida');
  const session_id = randomUUID();
  await newEvaluation(dentist, { session_id, status: 'completed' });
  await newEvaluation(dentist, { session_id, tooth: '12' });
  await newEvaluation(dentist, { status: 'completed' });
  const ask = { p_user_id: dentist.id };
  const metrics = {
    total_evaluations: 3,
    total_patients: 1,
    pending_sessions: 1,
    weekly_sessions: 2,
    completion_rate: 50,
    pending_teeth: 1,
  };
  answered(await dentist.db.rpc('get_dashboard_metrics', ask), 200, metrics);
  answered(await api.service().rpc('get_dashboard_metrics', ask), 200, metrics);
  const other = await api.signUp();
  refused(await other.db.rpc('get_dashboard_metrics', ask), 403, '42501');
  refused(await api.anon().rpc('get_dashboard_metrics', ask), 401, '42501');
});

flow('a draft that is saved twice is one draft, and the last one', async (api) => {
  const dentist = await api.signUp();
  const save = (step) =>
    dentist.db
      .from('evaluation_drafts')
      .upsert({ user_id: dentist.id, draft_data: { step, paciente: 'Rita' } }, { onConflict: 'user_id' })
      .select('draft_data');
  for (const step of [1, 2]) {
    const saved = await save(step);
    assert.ok([200, 201].includes(saved.status), JSON.stringify(saved));
  }
  answered(await dentist.db.from('evaluation_drafts').select('draft_data').maybeSingle(), 200, {
    draft_data: { step: 2, paciente: 'Rita' },
  });
  answered(await dentist.db.from('evaluation_drafts').delete().eq('user_id', dentist.id), 204, null);
});

flow('a draft that the newest client saves by inserting it again replaces the last one and comes back', async (api) => {
  const dentist = await api.signUp();
  const other = await api.signUp();
  const save = (draft_data, by = dentist) => by.db.from('evaluation_drafts').insert({ user_id: by.id, draft_data });
  answered(await save({ step: 1, paciente: 'Nina' }, other), 201, null);
  answered(await save({ step: 1, paciente: 'Rita' }), 201, null);
  const read = (of = dentist) => of.db.from('evaluation_drafts').select('id, draft_data, created_at, updated_at').maybeSingle();
  const first = answer(await read(), 200);
  const saved = answer(await save({ step: 2, paciente: 'Rita' }).select().single(), 201);
  assert.deepEqual([saved.id, saved.created_at, saved.draft_data], [first.id, first.created_at, { step: 2, paciente: 'Rita' }]);
  assert.ok(saved.updated_at > first.updated_at);

  // An autosave from two tabs: every one succeeds, and one draft is left.
  const saves = await Promise.all(Array.from({ length: 12 }, (_, step) => save({ step })));
  assert.deepEqual(saves.map(({ status }) => status), Array(12).fill(201));
  answered(await dentist.db.from('evaluation_drafts').select('id'), 200, [{ id: first.id }]);
  refused(await dentist.db.from('evaluation_drafts').insert({ user_id: other.id, draft_data: {} }), 403, '42501');
  assert.deepEqual(answer(await read(other), 200).draft_data, { step: 1, paciente: 'Nina' });
  answered(await dentist.db.from('evaluation_drafts').delete().eq('user_id', dentist.id), 204, null);
  answered(await read(), 200, null);
});

flow('a dentist makes a referral code once, and sees who signed up with it', async (api) => {
  const [ana, bia, other] = [await api.signUp(), await api.signUp(), await api.signUp()];
  const code = `ANA-${randomUUID()}`;
  const made = answer(
    await ana.db.from('referral_codes').insert({ user_id: ana.id, code }).select('id, code, is_active').single(),
    201,
  );
  assert.equal(made.is_active, true);
  answered(await ana.db.from('referral_codes').select('code').eq('user_id', ana.id).maybeSingle(), 200, { code });
  refused(await bia.db.from('referral_codes').insert({ user_id: bia.id, code }), 409, '23505');
  refused(await bia.db.from('referral_codes').insert({ user_id: ana.id, code: `${code}2` }), 403, '42501');

  // The backend finds the code's owner and counts the sign-up.
  const service = api.service();
  const owner = answer(await service.from('referral_codes').select('id, user_id').eq('code', code).eq('is_active', true).single(), 200);
  const convert = (referred_id) =>
    service.from('referral_conversions').insert({ referrer_id: owner.user_id, referred_id, referral_code_id: owner.id });
  answered(await convert(bia.id), 201, null);
  refused(await convert(bia.id), 409, '23505');
  refused(await convert(ana.id), 400, '23514');
  for (const [dentist, count] of [
    [ana, 1],
    [bia, 1],
    [other, 0],
  ]) {
    const seen = await dentist.db.from('referral_conversions').select('*', { count: 'exact', head: true });
    assert.equal(seen.count, count);
  }
  refused(await bia.db.from('referral_conversions').insert({ referrer_id: bia.id, referred_id: other.id, referral_code_id: owner.id }), 403, '42501');
});

flow('a webhook event that Stripe sends twice is handled once', async (api) => {
  const stripe_event_id = `evt_${randomUUID()}`;
  const take = () =>
    api.service().from('webhook_events').insert({ stripe_event_id, event_type: 'invoice.paid', payload: { id: stripe_event_id } });
  answered(await take(), 201, null);
  refused(await take(), 409, '23505');
  answered(await api.service().from('webhook_events').update({ status: 'processed' }).eq('stripe_event_id', stripe_event_id), 204, null);
  answered(await api.service().from('webhook_events').select('status').eq('stripe_event_id', stripe_event_id), 200, [
    { status: 'processed' },
  ]);

  const dentist = await api.signUp();
  const pay = () =>
    api.service().from('payment_history').insert({ user_id: dentist.id, amount: 5900, status: 'succeeded', stripe_event_id });
  answered(await pay(), 201, null);
  refused(await pay(), 409, '23505');
});

flow('the wizard saves anamnesis and radiograph, and the backend reads them encrypted', async (api) => {
  const dentist = await api.signUp();
  const columns = {
    anamnesis: 'Hipertensa; nega alergias',
    radiograph_url: `${dentist.id}/periapical.png`,
    radiograph_type: 'periapical',
    dsd_image_hash: 'c0ffee',
    status: 'analyzing',
    treatment_type: 'gengivoplastia',
  };
  const evaluation = await newEvaluation(dentist, columns);
  const names = Object.keys(columns).join(', ');
  answered(await dentist.db.from('evaluations').select(names).eq('id', evaluation.id).single(), 200, columns);
  const { anamnesis_encrypted } = answer(
    await api.service().from('evaluations').select('anamnesis_encrypted').eq('id', evaluation.id).single(),
    200,
  );
  answered(await api.service().rpc('phi_decrypt', { ciphertext: anamnesis_encrypted }), 200, columns.anamnesis);
  refused(await dentist.db.from('evaluations').insert(findings(dentist, { status: 'finished' })), 400, '23514');
  const changed = answer(
    await dentist.db.from('evaluations').update({ status: 'completed' }).eq('id', evaluation.id).select('updated_at').single(),
    200,
  );
  assert.ok(Date.parse(changed.updated_at) > Date.parse(evaluation.updated_at));
});

flow('a patient opens the shared page with a document, and without one', async (api) => {
  const { dentist, evaluation, link } = await practiceOf(api);
  const open = async () => answer(await api.anon().rpc('get_shared_evaluation', { p_token: link.token }), 200);
  assert.deepEqual((await open()).map((row) => row.patient_document), [null]);
  const patient_document = { titulo: 'Seu tratamento', cuidados: ['Evite café por 48 h'] };
  answered(await dentist.db.from('evaluations').update({ patient_document }).eq('id', evaluation.id), 204, null);
  assert.deepEqual((await open()).map((row) => row.patient_document), [patient_document]);
  // By the function alone: reading the table with the token shows neither document nor anamnesis.
  for (const column of ['patient_document', 'anamnesis', 'patient_document_encrypted', 'radiograph_url']) {
    refused(await api.visitorWith(link.token).from('evaluations').select(column), 401, '42501');
  }
});

flow('an account is deleted table by table', async (api) => {
  const { dentist } = await practiceOf(api);
  const other = await api.signUp();
  await subscribe(api, dentist);
  const service = api.service();
  const user_id = dentist.id;
  await once(api, dentist, 'op', 'consume');
  answered(await service.from('payment_history').insert({ user_id, amount: 1, status: 'succeeded' }), 201, null);
  answered(await dentist.db.from('evaluation_drafts').insert({ user_id, draft_data: {} }), 201, null);
  const code = answer(
    await dentist.db.from('referral_codes').insert({ user_id, code: `X-${randomUUID()}` }).select('id').single(),
    201,
  );
  answered(
    await service.from('referral_conversions').insert({ referrer_id: user_id, referred_id: other.id, referral_code_id: code.id }),
    201,
    null,
  );
  const tables = [
    ['referral_conversions', 'referrer_id'],
    ['referral_conversions', 'referred_id'],
    ['referral_codes', 'user_id'],
    ['credit_transactions', 'user_id'],
    ['credit_usage', 'user_id'],
    ['credit_pack_purchases', 'user_id'],
    ['payment_history', 'user_id'],
    ['subscriptions', 'user_id'],
    ['rate_limits', 'user_id'],
    ['shared_links', 'user_id'],
    ['session_detected_teeth', 'user_id'],
    ['evaluation_drafts', 'user_id'],
    ['evaluations', 'user_id'],
    ['patients', 'user_id'],
    ['user_inventory', 'user_id'],
    ['profiles', 'user_id'],
  ];
  for (const [table, column] of tables) {
    answered(await service.from(table).delete().eq(column, user_id), 204, null);
    const left = await service.from(table).select('*', { count: 'exact', head: true }).eq(column, user_id);
    assert.equal(left.count, 0, table);
  }
});

flow('the clean-ups are the backend\'s', async (api) => {
  const dentist = await api.signUp();
  for (const rpc of ['cleanup_stale_drafts', 'cleanup_expired_shared_links', 'cleanup_stuck_evaluations', 'verify_phi_encryption']) {
    refused(await dentist.db.rpc(rpc), 403, '42501');
    const done = await api.service().rpc(rpc);
    assert.equal(done.status, 200, JSON.stringify(done.error));
  }
});
