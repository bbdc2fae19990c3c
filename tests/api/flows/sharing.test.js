// A patient opens the link that the dentist sent, without an account.
import assert from 'node:assert/strict';
import { answer, answered } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { newEvaluation, practiceOf } from '../stage/practice.js';

flow('a link that was just made has a token of its own and a week to live', async (api) => {
  const { link } = await practiceOf(api);
  assert.match(link.token, /^[0-9a-f]{64}$/);
  const days = (Date.parse(link.expires_at) - Date.parse(link.created_at)) / 86_400_000;
  assert.ok(Math.abs(days - 7) < 0.01, `${days} days`);
});

flow('a visitor opens a link by the header and sees the cases of its session', async (api) => {
  const { dentist, evaluation, link } = await practiceOf(api);
  await newEvaluation(dentist, { tooth: '46' });
  const visitor = api.visitorWith(link.token);
  answered(await visitor.from('shared_links').select('session_id, expires_at').maybeSingle(), 200, {
    session_id: evaluation.session_id,
    expires_at: link.expires_at,
  });
  const cases = await visitor.from('evaluations').select('tooth, cavity_class, dsd_analysis').eq('session_id', evaluation.session_id);
  answered(cases, 200, [{ tooth: '11', cavity_class: 'Classe IV', dsd_analysis: { proporcao: 0.78 } }]);
  answered(await visitor.from('evaluations').select('id'), 200, [{ id: evaluation.id }]);
});

flow('a visitor opens a link by the functions, and so does somebody signed in', async (api) => {
  const { dentist, evaluation, link } = await practiceOf(api);
  await dentist.db.from('profiles').update({ clinic_name: 'Clínica Prado' }).eq('user_id', dentist.id);
  const patient = await api.signUp();
  const p_token = link.token;
  for (const visitor of [api.anon(), patient.db]) {
    answered(await visitor.rpc('check_shared_link_status', { p_token }), 200, 'valid');
    answered(await visitor.rpc('get_shared_evaluation', { p_token }), 200, [
      {
        tooth: '11',
        treatment_type: 'resina',
        cavity_class: 'Classe IV',
        status: 'draft',
        ai_treatment_indication: null,
        created_at: evaluation.created_at,
        clinic_name: 'Clínica Prado',
        patient_document: null,
      },
    ]);
    answered(await visitor.rpc('get_shared_dsd', { p_token }).maybeSingle(), 200, {
      dsd_analysis: { proporcao: 0.78 },
      dsd_simulation_url: 'dsd/1.png',
      dsd_simulation_layers: null,
      photo_frontal: null,
    });
  }
});

flow('a link whose time is over says so', async (api) => {
  const { dentist, link } = await practiceOf(api);
  answered(
    await dentist.db.from('shared_links').update({ expires_at: '2020-01-01T00:00:00Z' }).eq('id', link.id).select('id').single(),
    200,
    { id: link.id },
  );
  answered(await api.anon().rpc('check_shared_link_status', { p_token: link.token }), 200, 'expired');
});

flow('a link that its dentist deletes is not found any more', async (api) => {
  const { dentist, link } = await practiceOf(api);
  answered(await api.anon().rpc('check_shared_link_status', { p_token: link.token }), 200, 'valid');
  answered(await dentist.db.from('shared_links').delete().eq('id', link.id), 204, null);
  answered(await api.anon().rpc('check_shared_link_status', { p_token: link.token }), 200, 'not_found');
});

flow('a dentist lists the links that are still open', async (api) => {
  const { dentist, link } = await practiceOf(api);
  const open = await dentist.db.from('shared_links').select('*').gt('expires_at', new Date().toISOString());
  assert.deepEqual(answer(open, 200), [link]);
});
