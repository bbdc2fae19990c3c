// Somebody signed in who looks for what belongs to others: rows, counts, hints in errors.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { answer, answered, forbidden, forbiddenToVisitors, refused, tellsNothingOf } from '../stage/assertions.js';
import { attack } from '../stage/attack.js';
import { newPatient, practiceOf, subscribe } from '../stage/practice.js';

const PRIVATE = [
  'profiles',
  'patients',
  'evaluations',
  'evaluation_drafts',
  'user_inventory',
  'session_detected_teeth',
  'shared_links',
  'subscriptions',
  'rate_limits',
  'credit_usage',
  'credit_events',
  'payment_history',
  'credit_pack_purchases',
  'referral_codes',
];

const readsEverything = (table) => `CREATE POLICY hole ON public.${table} FOR SELECT TO authenticated USING (true)`;

/** A dentist with a row in every private table. */
async function busyPractice(api) {
  const practice = await practiceOf(api);
  const { dentist, evaluation } = practice;
  const subscription = await subscribe(api, dentist);
  const [shade] = answer(await dentist.db.from('resin_catalog').select('id').limit(1), 200);
  const user_id = dentist.id;
  const rows = [
    [dentist.db, 'evaluation_drafts', { draft_data: { rascunho: 'Segredo' } }],
    [dentist.db, 'user_inventory', { resin_id: shade.id }],
    [dentist.db, 'session_detected_teeth', { session_id: evaluation.session_id, tooth: '11' }],
    [dentist.db, 'referral_codes', { code: `CONVITE-${user_id}` }],
    [api.service(), 'rate_limits', { function_name: 'f' }],
    [api.service(), 'credit_usage', { operation: 'case_analysis', credits_used: 1 }],
    [api.service(), 'payment_history', { amount: 1, status: 'succeeded', subscription_id: subscription.id }],
    [api.service(), 'credit_pack_purchases', { pack_id: 'pack_10', credits: 10, amount: 2900 }],
  ];
  for (const [db, table, row] of rows) answered(await db.from(table).insert({ user_id, ...row }), 201, null);
  return practice;
}

for (const table of PRIVATE) {
  attack(`nobody reads or counts the rows of others in ${table}`, readsEverything(table), async (api) => {
    const { dentist } = await busyPractice(api);
    const nosy = await api.signUp();
    await api.truth('DELETE FROM public.profiles WHERE user_id = $1', [nosy.id]);

    const counted = await nosy.db.from(table).select('*', { count: 'exact' });
    answered(counted, 200, []);
    assert.equal(counted.count, 0);
    // These are the planner's guess, not a count: 206 says that it guessed more than there is to see.
    for (const method of ['planned', 'estimated']) {
      const guessed = await nosy.db.from(table).select('*', { count: method });
      assert.deepEqual(answer(guessed, guessed.count > 0 ? 206 : 200), []);
    }
    const filtered = await nosy.db.from(table).select('user_id', { count: 'exact' }).eq('user_id', dentist.id);
    answered(filtered, 200, []);
    assert.equal(filtered.count, 0);
    answered(await nosy.db.from(table).select('user_id').or(`user_id.eq.${dentist.id},user_id.neq.${dentist.id}`), 200, []);
    answered(await nosy.db.from(table).select('user_id').not('user_id', 'is', null).order('user_id').limit(1000000), 200, []);
    const ranged = await nosy.db.from(table).select('user_id', { count: 'exact' }).range(0, 10);
    answered(ranged, 200, []);

    const own = await dentist.db.from(table).select('user_id', { count: 'exact' });
    answered(own, 200, [{ user_id: dentist.id }]);
    assert.equal(own.count, 1);
  });
}

attack('nobody but the backend reads what prompts cost', 'GRANT SELECT ON public.prompt_executions TO authenticated', async (api) => {
  const dentist = await api.signUp();
  forbidden(await dentist.db.from('prompt_executions').select('*'));
  forbiddenToVisitors(await api.anon().from('prompt_executions').select('*'));
  answer(await api.service().from('prompt_executions').select('id').limit(1), 200);
});

attack('a plan that is no longer on offer is shown to nobody', 'CREATE POLICY hole ON public.subscription_plans FOR SELECT TO anon USING (true)', async (api) => {
  const plan = { id: `secret_${randomUUID()}`, name: 'Interno', price_monthly: 1, is_active: false };
  answered(await api.service().from('subscription_plans').insert(plan), 201, null);
  const dentist = await api.signUp();
  answered(await dentist.db.from('subscription_plans').select('id').eq('id', plan.id), 200, []);
  answered(await api.anon().from('subscription_plans').select('id').eq('id', plan.id), 200, []);
  answered(await api.service().from('subscription_plans').select('id').eq('id', plan.id), 200, [{ id: plan.id }]);
});

attack('embedding reaches no row that the table itself would not show', readsEverything('user_inventory'), async (api) => {
  const { dentist } = await busyPractice(api);
  const nosy = await api.signUp();
  const through = [
    ['resin_catalog', 'id, user_inventory(user_id)', 'user_inventory'],
    ['subscription_plans', 'id, subscriptions(user_id, stripe_customer_id)', 'subscriptions'],
    ['credit_packs', 'id, credit_pack_purchases(user_id, amount)', 'credit_pack_purchases'],
    ['resins', 'id, evaluations!recommended_resin_id(patient_name)', 'evaluations'],
  ];
  for (const [table, columns, embedded] of through) {
    const rows = answer(await nosy.db.from(table).select(columns), 200);
    assert.ok(rows.length > 0);
    for (const row of rows) assert.deepEqual(row[embedded], []);
    answered(await nosy.db.from(table).select(columns.replace('(', '!inner(')), 200, []);
  }
  // Drafts hang on users alone, and users are not served: there is no way to them from another table.
  for (const table of ['profiles', 'evaluations', 'patients']) {
    refused(await nosy.db.from(table).select('*, evaluation_drafts(draft_data)'), 400, 'PGRST200');
  }
  refused(await nosy.db.from('users').select('*'), 404, '42P01');
  const own = answer(await dentist.db.from('credit_packs').select('id, credit_pack_purchases!inner(user_id)'), 200);
  assert.deepEqual(own, [{ id: 'pack_10', credit_pack_purchases: [{ user_id: dentist.id }] }]);
});

attack('a visitor embeds nothing private', 'GRANT SELECT ON public.subscriptions TO anon', async (api) => {
  const { link } = await busyPractice(api);
  for (const db of [api.anon(), api.visitorWith(link.token)]) {
    forbiddenToVisitors(await db.from('subscription_plans').select('id, subscriptions(user_id)'));
    forbiddenToVisitors(await db.from('credit_packs').select('id, credit_pack_purchases(user_id)'));
    forbiddenToVisitors(await db.from('resin_catalog').select('id, user_inventory(user_id)'));
    forbiddenToVisitors(await db.from('resins').select('id, evaluations!recommended_resin_id(patient_name)'));
  }
  answer(await api.anon().from('resins').select('id, evaluations!recommended_resin_id(tooth)'), 200);
});

attack(
  'errors of a cast, filter or constraint reveal nothing about rows that are not shown',
  readsEverything('patients'),
  async (api) => {
    const { dentist, patient } = await practiceOf(api, 'Sigilosa da Silva');
    const nosy = await api.signUp();
    // A cast that fails names the value it fails on: only the owner may get that far.
    answered(await nosy.db.from('patients').select('name::integer'), 200, []);
    answered(await nosy.db.from('patients').select('phone::uuid').eq('id', patient.id), 200, []);
    const castByOwner = await dentist.db.from('patients').select('name::integer');
    assert.equal(castByOwner.status, 400);
    // A name that somebody else has is free.
    answered(await nosy.db.from('patients').insert({ user_id: nosy.id, name: patient.name }), 201, null);
    const responses = [
      await nosy.db.from('patients').insert({ user_id: nosy.id, name: patient.name }),
      await nosy.db.from('patients').insert({ user_id: dentist.id, name: patient.name }),
      await nosy.db.from('patients').insert({ id: patient.id, user_id: nosy.id, name: 'x' }),
      await nosy.db.from('patients').insert({ user_id: nosy.id, name: null }),
      await nosy.db.from('patients').select('*').filter('name', 'match', '('),
      await nosy.db.from('patients').select('nothing'),
      await nosy.db.from('patients').select('*').eq('birth_date', 'never'),
    ];
    for (const response of responses) {
      assert.ok(response.status >= 400, JSON.stringify(response));
      tellsNothingOf(response, patient.phone, patient.notes, dentist.id, 'name_encrypted');
    }
  },
);

attack(
  'an error about a row that is refused does not print the row',
  // Without row-level security PostgreSQL quotes the failing row to roles that may read the table.
  'ALTER TABLE public.patients DISABLE ROW LEVEL SECURITY',
  async (api) => {
    const dentist = await api.signUp();
    const patient = await newPatient(dentist, 'Visível Apenas Aqui', { notes: 'hipertensa' });
    const refusals = [
      await dentist.db.from('patients').update({ name: null }).eq('id', patient.id),
      await dentist.db.from('patients').insert({ user_id: randomUUID(), name: 'Visível Apenas Aqui', notes: 'hipertensa' }),
    ];
    for (const refusal of refusals) {
      tellsNothingOf(refusal, 'hipertensa');
      assert.ok(refusal.status >= 400);
    }
  },
);

attack('the plan of a query is not served', { settings: { PGRST_DB_PLAN_ENABLED: 'true' } }, async (api) => {
  const dentist = await api.signUp();
  refused(await dentist.db.from('patients').select('*').explain({ analyze: true, format: 'json' }), 415, 'PGRST107');
  answered(await dentist.db.from('patients').select('*'), 200, []);
});

attack(
  'nobody sees the dashboard of somebody else',
  `CREATE OR REPLACE FUNCTION public.get_dashboard_metrics(p_user_id uuid) RETURNS json LANGUAGE sql STABLE SECURITY DEFINER
   AS $$ SELECT json_build_object('total_evaluations', (SELECT count(*) FROM public.evaluations WHERE user_id = p_user_id)) $$`,
  async (api) => {
    const { dentist } = await practiceOf(api);
    const nosy = await api.signUp();
    for (const p_user_id of [dentist.id, randomUUID()]) {
      forbidden(await nosy.db.rpc('get_dashboard_metrics', { p_user_id }));
      forbiddenToVisitors(await api.anon().rpc('get_dashboard_metrics', { p_user_id }));
    }
  },
);

attack(
  'nobody sees or makes a referral between others',
  `${readsEverything('referral_conversions')};
   GRANT INSERT ON public.referral_conversions TO authenticated;
   CREATE POLICY hole_insert ON public.referral_conversions FOR INSERT TO authenticated WITH CHECK (true)`,
  async (api) => {
    const [ana, bia, nosy] = [await api.signUp(), await api.signUp(), await api.signUp()];
    const code = answer(
      await ana.db.from('referral_codes').insert({ user_id: ana.id, code: `C-${randomUUID()}` }).select('id').single(),
      201,
    );
    const conversion = { referrer_id: ana.id, referred_id: bia.id, referral_code_id: code.id };
    answered(await api.service().from('referral_conversions').insert(conversion), 201, null);
    const seen = await nosy.db.from('referral_conversions').select('*', { count: 'exact' });
    answered(seen, 200, []);
    assert.equal(seen.count, 0);
    forbidden(await nosy.db.from('referral_conversions').insert({ ...conversion, referred_id: nosy.id }));
    forbidden(await ana.db.from('referral_conversions').update({ reward_granted: true }).eq('referred_id', bia.id));
  },
);

attack(
  'nobody but the backend reads or writes the records of charges and events',
  `GRANT SELECT, INSERT ON public.credit_transactions, public.webhook_events TO authenticated;
   CREATE POLICY hole ON public.credit_transactions TO authenticated USING (true);
   CREATE POLICY hole ON public.webhook_events TO authenticated USING (true)`,
  async (api) => {
    const dentist = await api.signUp();
    const rows = {
      credit_transactions: { user_id: dentist.id, operation_id: randomUUID(), operation: 'case_analysis', type: 'refund' },
      webhook_events: { stripe_event_id: randomUUID(), event_type: 'invoice.paid' },
    };
    for (const [table, row] of Object.entries(rows)) {
      forbidden(await dentist.db.from(table).select('id'));
      forbidden(await dentist.db.from(table).insert(row));
      forbidden(await dentist.db.from(table).delete().not('id', 'is', null));
      forbiddenToVisitors(await api.anon().from(table).select('id'));
    }
  },
);
