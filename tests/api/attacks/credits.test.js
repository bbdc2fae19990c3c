// Somebody signed in who would like credits without paying.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { answer, answered, forbidden, forbiddenToVisitors, refused } from '../stage/assertions.js';
import { attack } from '../stage/attack.js';
import { subscribe } from '../stage/practice.js';

/** The rows of a table that are about a user, for comparing. */
const rowsOf = (api, table, user) => api.truth(`SELECT * FROM public.${table} WHERE user_id = $1 ORDER BY id`, [user.id]);

async function paying(api) {
  const dentist = await api.signUp();
  const subscription = await subscribe(api, dentist, 'price_essencial_monthly');
  const spend = { p_user_id: dentist.id, p_operation: 'case_analysis' };
  answered(await api.service().rpc('use_credits', spend), 200, true);
  return { dentist, subscription };
}

const opened = (table, command, rule) =>
  `GRANT ${command} ON public.${table} TO authenticated;
   CREATE POLICY hole ON public.${table} FOR ${command} TO authenticated ${rule}`;

attack(
  'a user cannot raise the bonus, plan or counters of the own subscription',
  opened('subscriptions', 'UPDATE', 'USING (user_id = (SELECT auth.uid()))'),
  async (api) => {
    const { dentist, subscription } = await paying(api);
    const before = await rowsOf(api, 'subscriptions', dentist);
    for (const change of [
      { credits_bonus: 1000 },
      { credits_used_this_month: 0 },
      { credits_rollover: 50 },
      { plan_id: 'price_elite_monthly' },
      { status: 'trialing' },
      { usage_reset_at: '2020-01-01T00:00:00Z' },
    ]) {
      forbidden(await dentist.db.from('subscriptions').update(change).eq('id', subscription.id));
    }
    assert.deepEqual(await rowsOf(api, 'subscriptions', dentist), before);
    answered(await dentist.db.from('subscriptions').select('credits_bonus'), 200, [{ credits_bonus: 0 }]);
  },
);

attack(
  'a user cannot give himself a subscription, by insert or by upsert',
  opened('subscriptions', 'INSERT', 'WITH CHECK (user_id = (SELECT auth.uid()))'),
  async (api) => {
    const dentist = await api.signUp();
    const wish = { user_id: dentist.id, plan_id: 'price_elite_monthly', status: 'active', credits_bonus: 500 };
    forbidden(await dentist.db.from('subscriptions').insert(wish));
    forbidden(await dentist.db.from('subscriptions').upsert(wish, { onConflict: 'user_id' }));
    answered(await dentist.db.from('subscriptions').select('*'), 200, []);
  },
);

attack(
  'a user cannot delete the subscription to fall back on free cases',
  opened('subscriptions', 'DELETE', 'USING (user_id = (SELECT auth.uid()))'),
  async (api) => {
    const { dentist, subscription } = await paying(api);
    forbidden(await dentist.db.from('subscriptions').delete().eq('user_id', dentist.id));
    answered(await dentist.db.from('subscriptions').select('id'), 200, [{ id: subscription.id }]);
  },
);

attack(
  'a user cannot erase or rewrite the ledger of credits',
  opened('credit_usage', 'DELETE', 'USING (user_id = (SELECT auth.uid()))'),
  async (api) => {
    const { dentist } = await paying(api);
    const before = await rowsOf(api, 'credit_usage', dentist);
    assert.equal(before.length, 1);
    forbidden(await dentist.db.from('credit_usage').delete().eq('user_id', dentist.id));
    forbidden(await dentist.db.from('credit_usage').update({ credits_used: 0 }).eq('user_id', dentist.id));
    assert.deepEqual(await rowsOf(api, 'credit_usage', dentist), before);
    assert.equal(answer(await dentist.db.from('credit_usage').select('id'), 200).length, 1);
  },
);

attack(
  'a user cannot write a refund into the ledger',
  opened('credit_usage', 'INSERT', 'WITH CHECK (user_id = (SELECT auth.uid()))'),
  async (api) => {
    const { dentist } = await paying(api);
    forbidden(
      await dentist.db
        .from('credit_usage')
        .insert({ user_id: dentist.id, operation: 'case_analysis_refund', credits_used: -1 }),
    );
    const ledger = await dentist.db.from('credit_usage').select('operation, credits_used');
    answered(ledger, 200, [{ operation: 'case_analysis', credits_used: 1 }]);
  },
);

attack(
  'a user cannot write a purchase or a month into the events of credits',
  opened('credit_events', 'INSERT', 'WITH CHECK (user_id = (SELECT auth.uid()))'),
  async (api) => {
    const { dentist } = await paying(api);
    const events = () => api.truth('SELECT * FROM public.credit_events WHERE user_id = $1 ORDER BY entry', [dentist.id]);
    const before = await events();
    assert.deepEqual(before.map(({ kind }) => kind), ['start']);
    const purchase = { entry: 9_000_000, user_id: dentist.id, kind: 'purchase', credits: 50, changed_bonus: 50, bonus: 50 };
    forbidden(await dentist.db.from('credit_events').insert(purchase));
    forbidden(await dentist.db.from('credit_events').update({ bonus: 50 }).eq('user_id', dentist.id));
    forbidden(await dentist.db.from('credit_events').delete().eq('user_id', dentist.id));
    // Not even the backend: its functions write what happens.
    forbidden(await api.service().from('credit_events').insert(purchase));
    forbidden(await api.service().from('credit_events').update({ bonus: 50 }).eq('user_id', dentist.id));
    forbidden(await api.service().from('credit_events').delete().eq('user_id', dentist.id));
    assert.deepEqual(await events(), before);
    forbiddenToVisitors(await api.anon().from('credit_events').select('kind'));
    answered(await dentist.db.from('credit_events').select('kind'), 200, [{ kind: 'start' }]);
  },
);

attack(
  'a user cannot record a payment or a purchase that was never made',
  opened('credit_pack_purchases', 'INSERT', 'WITH CHECK (user_id = (SELECT auth.uid()))'),
  async (api) => {
    const dentist = await api.signUp();
    const purchase = { user_id: dentist.id, pack_id: 'pack_50', credits: 50, amount: 0, status: 'completed' };
    forbidden(await dentist.db.from('credit_pack_purchases').insert(purchase));
    forbidden(
      await dentist.db.from('payment_history').insert({ user_id: dentist.id, amount: 1, status: 'succeeded' }),
    );
    answered(await dentist.db.from('credit_pack_purchases').select('id'), 200, []);
    answered(await dentist.db.from('payment_history').select('id'), 200, []);
  },
);

attack(
  'a user cannot reset the own rate limit',
  opened('rate_limits', 'DELETE', 'USING (user_id = (SELECT auth.uid()))'),
  async (api) => {
    const dentist = await api.signUp();
    const window = '2026-05-01T00:00:00Z';
    const count = await api.service().rpc('check_and_increment_rate_limit', {
      p_user_id: dentist.id,
      p_function_name: 'generate-dsd',
      p_minute_window: window,
      p_hour_window: window,
      p_day_window: window,
    });
    answer(count, 200);
    forbidden(await dentist.db.from('rate_limits').delete().eq('user_id', dentist.id));
    forbidden(await dentist.db.from('rate_limits').update({ minute_count: 0 }).eq('user_id', dentist.id));
    forbidden(await dentist.db.from('rate_limits').insert({ user_id: dentist.id, function_name: 'x' }));
    answered(await dentist.db.from('rate_limits').select('minute_count'), 200, [{ minute_count: 1 }]);
  },
);

attack(
  'nobody but the backend changes prices, packs and plans',
  opened('credit_costs', 'UPDATE', 'USING (true)'),
  async (api) => {
    const dentist = await api.signUp();
    for (const [caller, refuse] of [[dentist.db, forbidden], [api.anon(), forbiddenToVisitors]]) {
      refuse(await caller.from('credit_costs').update({ credits: 0 }).eq('operation', 'case_analysis'));
      refuse(await caller.from('credit_packs').update({ credits: 9999 }).eq('id', 'pack_10'));
      refuse(await caller.from('subscription_plans').update({ credits_per_month: -1 }).eq('id', 'starter'));
      refuse(await caller.from('resins').insert({ name: 'x' }));
      refuse(await caller.from('resin_catalog').delete().eq('brand', '3M'));
      answered(await caller.from('credit_costs').select('credits').eq('operation', 'case_analysis'), 200, [{ credits: 1 }]);
    }
  },
);

attack(
  'functions of the backend are closed to visitors and users',
  // Both lines of defence open: the grant, and a function that does not ask who calls.
  `CREATE OR REPLACE FUNCTION public.add_bonus_credits(p_user_id uuid, p_credits integer) RETURNS void
   LANGUAGE sql SECURITY DEFINER
   AS 'UPDATE public.subscriptions SET credits_bonus = credits_bonus + p_credits WHERE user_id = p_user_id';
   GRANT EXECUTE ON FUNCTION public.add_bonus_credits(uuid, integer) TO authenticated`,
  async (api) => {
    const { dentist } = await paying(api);
    const user = { p_user_id: dentist.id };
    const operation = { ...user, p_operation: 'case_analysis' };
    const window = '2026-05-01T00:00:00Z';
    const calls = [
      ['use_credits', operation],
      ['use_credits', { ...operation, p_reference_id: randomUUID() }],
      ['refund_credits', operation],
      ['refund_credits', { ...operation, p_reference_id: randomUUID() }],
      ['add_bonus_credits', { ...user, p_credits: 100 }],
      ['add_bonus_credits', { ...user, p_credits: 100, p_reference: 'cs_forged' }],
      ['revoke_bonus_credits', { ...user, p_credits: 100, p_reference: 'pi_forged' }],
      ['increment_case_usage', user],
      ['reset_monthly_usage', undefined],
      ['reset_monthly_usage_with_rollover', undefined],
      ['cleanup_old_rate_limits', undefined],
      ['phi_encrypt', { plaintext: 'x' }],
      ['phi_decrypt', { ciphertext: '\\xc30d' }],
      [
        'check_and_increment_rate_limit',
        { ...user, p_function_name: 'f', p_minute_window: window, p_hour_window: window, p_day_window: window },
      ],
    ];
    const before = await rowsOf(api, 'subscriptions', dentist);
    for (const [name, parameters] of calls) {
      forbidden(await dentist.db.rpc(name, parameters));
      forbiddenToVisitors(await api.anon().rpc(name, parameters));
    }
    assert.deepEqual(await rowsOf(api, 'subscriptions', dentist), before);
    answered(await api.service().rpc('can_use_credits', operation), 200, true);
  },
);

attack(
  'trigger functions and the machinery of the extension are not to be called',
  { settings: { PGRST_DB_SCHEMAS: 'public,auria,auth' } },
  async (api) => {
    const dentist = await api.signUp();
    for (const name of ['handle_new_user', 'update_updated_at_column', 'encrypt_patient_phi', 'encrypt_evaluation_phi']) {
      refused(await dentist.db.rpc(name), 404, 'PGRST202');
    }
    for (const name of ['migrate', 'credit_statement', 'new_share_token', 'set_config', 'pg_read_file', 'lo_create', 'pg_sleep', 'uid']) {
      refused(await dentist.db.rpc(name), 404, 'PGRST202');
    }
    for (const schema of ['auria', 'auth', 'storage', 'pg_catalog', 'information_schema']) {
      refused(await dentist.db.schema(schema).from('users').select('*'), 406, 'PGRST106');
    }
    answered(await dentist.db.rpc('get_credit_cost', { p_operation: 'case_analysis' }), 200, 1);
  },
);

attack(
  "asking about somebody else's credits is refused, whoever they are",
  `CREATE OR REPLACE FUNCTION public.can_use_credits(p_user_id uuid, p_operation text) RETURNS boolean
   LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT true'`,
  async (api) => {
    const { dentist } = await paying(api);
    const nosy = await api.signUp();
    const about = (id) => ({ p_user_id: id, p_operation: 'case_analysis' });
    for (const id of [dentist.id, randomUUID()]) {
      forbidden(await nosy.db.rpc('can_use_credits', about(id)));
      forbidden(await nosy.db.rpc('can_create_case', { p_user_id: id }));
    }
    forbiddenToVisitors(await api.anon().rpc('can_use_credits', about(dentist.id)));
    forbiddenToVisitors(await api.anon().rpc('can_create_case', { p_user_id: dentist.id }));
    answered(await nosy.db.rpc('can_use_credits', about(nosy.id)), 200, true);
    answered(await nosy.db.rpc('can_create_case', { p_user_id: nosy.id }), 200, true);
  },
);

attack(
  'a token without a user may ask about nobody',
  `CREATE OR REPLACE FUNCTION public.can_use_credits(p_user_id uuid, p_operation text) RETURNS boolean
   LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT true'`,
  async (api) => {
    const dentist = await api.signUp();
    const call = { p_user_id: dentist.id, p_operation: 'case_analysis' };
    const { sign } = await import('../stage/tokens.js');
    forbidden(await api.client(sign({ role: 'authenticated' })).rpc('can_use_credits', call));
    refused(await api.client(sign({ role: 'authenticated' })).rpc('can_use_credits', { ...call, p_user_id: null }), 400, '22004');
    answered(await dentist.db.rpc('can_use_credits', call), 200, true);
  },
);
