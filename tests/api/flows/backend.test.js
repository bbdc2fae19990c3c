// Calls that only the Edge Functions make: rate limits, metrics, the monthly reset, patient data.
import assert from 'node:assert/strict';
import { answer, answered } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { newPatient, subscribe } from '../stage/practice.js';

flow('the rate limiter counts calls and starts again with a new minute', async (api) => {
  const dentist = await api.signUp();
  const count = (minute) =>
    api
      .service()
      .rpc('check_and_increment_rate_limit', {
        p_user_id: dentist.id,
        p_function_name: 'analyze-dental-photo',
        p_minute_window: minute,
        p_hour_window: '2026-03-01T10:00:00Z',
        p_day_window: '2026-03-01T00:00:00Z',
      })
      .single();
  answered(await count('2026-03-01T10:00:00Z'), 200, { minute_count: 1, hour_count: 1, day_count: 1 });
  answered(await count('2026-03-01T10:00:00Z'), 200, { minute_count: 2, hour_count: 2, day_count: 2 });
  answered(await count('2026-03-01T10:01:00Z'), 200, { minute_count: 1, hour_count: 3, day_count: 3 });
  answered(await dentist.db.from('rate_limits').select('function_name, day_count'), 200, [
    { function_name: 'analyze-dental-photo', day_count: 3 },
  ]);
});

flow('calls of the rate limiter at the same time are all counted', async (api) => {
  const dentist = await api.signUp();
  const window = '2026-03-01T10:00:00Z';
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      api
        .service()
        .rpc('check_and_increment_rate_limit', {
          p_user_id: dentist.id,
          p_function_name: 'generate-dsd',
          p_minute_window: window,
          p_hour_window: window,
          p_day_window: window,
        })
        .single(),
    ),
  );
  const counts = answers.map((response) => answer(response, 200).minute_count).sort((a, b) => a - b);
  assert.deepEqual(counts, Array.from({ length: 20 }, (_, index) => index + 1));
});

flow('the backend records what a prompt cost', async (api) => {
  const execution = {
    prompt_id: 'recommend-resin',
    prompt_version: '2.1.0',
    model: 'gemini-2.5-flash',
    tokens_in: 1250,
    tokens_out: 480,
    estimated_cost: 0.001275,
    latency_ms: 2130,
    success: true,
  };
  const written = await api.service().from('prompt_executions').insert(execution).select(Object.keys(execution).join(',')).single();
  answered(written, 201, execution);
});

flow('the backend reads what was encrypted of a patient', async (api) => {
  const dentist = await api.signUp();
  const patient = await newPatient(dentist, 'Zélia Tavares', { notes: 'gestante' });
  assert.notEqual(patient.notes_encrypted, null);
  answered(await api.service().rpc('phi_decrypt', { ciphertext: patient.notes_encrypted }), 200, 'gestante');
  const ciphertext = answer(await api.service().rpc('phi_encrypt', { plaintext: 'alérgica a penicilina' }), 200);
  answered(await api.service().rpc('phi_decrypt', { ciphertext }), 200, 'alérgica a penicilina');
});

flow('the monthly job settles a month that is over and carries credits into the next', async (api) => {
  const dentist = await api.signUp();
  await subscribe(api, dentist, 'price_pro_monthly_v2', {
    credits_used_this_month: 45,
    usage_reset_at: new Date(Date.now() - 31 * 86_400_000).toISOString(),
  });
  assert.ok(answer(await api.service().rpc('reset_monthly_usage_with_rollover'), 200) >= 1);
  const settled = await dentist.db.from('subscriptions').select('credits_used_this_month, credits_rollover').single();
  answered(settled, 200, { credits_used_this_month: 0, credits_rollover: 15 });
});
