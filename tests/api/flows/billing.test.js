// Plans, credits and Stripe's webhook.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { answer, answered, refused } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { subscribe } from '../stage/practice.js';

const poolOf = async (api, dentist) =>
  answer(
    await api
      .service()
      .from('subscriptions')
      .select('credits_used_this_month, credits_bonus, cases_used_this_month, dsd_used_this_month')
      .eq('user_id', dentist.id)
      .single(),
    200,
  );

flow('the price page shows plans, packs and costs to a visitor', async (api) => {
  const anon = api.anon();
  const plans = await anon
    .from('subscription_plans')
    .select('id, price_monthly, credits_per_month')
    .eq('is_active', true)
    .order('sort_order');
  answered(plans, 200, [
    { id: 'starter', price_monthly: 0, credits_per_month: 5 },
    { id: 'price_essencial_monthly', price_monthly: 5900, credits_per_month: 20 },
    { id: 'price_pro_monthly_v2', price_monthly: 11900, credits_per_month: 60 },
    { id: 'price_elite_monthly', price_monthly: 24900, credits_per_month: 200 },
  ]);
  answered(await anon.from('credit_packs').select('id, credits, price').eq('is_active', true).order('sort_order'), 200, [
    { id: 'pack_10', credits: 10, price: 2900 },
    { id: 'pack_25', credits: 25, price: 5900 },
    { id: 'pack_50', credits: 50, price: 9900 },
  ]);
  answered(await anon.from('credit_costs').select('operation, credits').order('operation'), 200, [
    { operation: 'case_analysis', credits: 1 },
    { operation: 'dsd_simulation', credits: 2 },
  ]);
  answered(await anon.rpc('get_credit_cost', { p_operation: 'dsd_simulation' }), 200, 2);
  answered(await anon.rpc('get_credit_cost', { p_operation: 'unheard_of' }), 200, 1);
});

flow('a dentist sees the own subscription with the plan embedded', async (api) => {
  const dentist = await api.signUp();
  await subscribe(api, dentist);
  const subscription = await dentist.db
    .from('subscriptions')
    .select('status, credits_used_this_month, plan:subscription_plans(credits_per_month)')
    .eq('user_id', dentist.id)
    .in('status', ['active', 'trialing'])
    .maybeSingle();
  answered(subscription, 200, { status: 'active', credits_used_this_month: 0, plan: { credits_per_month: 60 } });
});

flow('a webhook about a subscription writes it, and writes over it the next time', async (api) => {
  const dentist = await api.signUp();
  const first = await subscribe(api, dentist, 'price_essencial_monthly', { status: 'trialing' });
  const change = await api
    .service()
    .from('subscriptions')
    .upsert(
      { user_id: dentist.id, plan_id: 'price_elite_monthly', status: 'past_due', cancel_at_period_end: true },
      { onConflict: 'user_id' },
    )
    .select('id, plan_id, status, cancel_at_period_end, stripe_customer_id')
    .single();
  assert.ok([200, 201].includes(change.status));
  assert.deepEqual(change.data, {
    id: first.id,
    plan_id: 'price_elite_monthly',
    status: 'past_due',
    cancel_at_period_end: true,
    stripe_customer_id: first.stripe_customer_id,
  });
});

flow('a webhook that changes the plan settles what was used, and coming twice settles it once', async (api) => {
  const dentist = await api.signUp();
  const { id } = await subscribe(api, dentist, 'price_pro_monthly_v2');
  // One credit more than the smaller plan will grant, and ten that were bought.
  answered(await api.service().rpc('add_bonus_credits', { p_user_id: dentist.id, p_credits: 10 }), 204, null);
  const spend = async (p_operation) =>
    answer(await api.service().rpc('use_credits', { p_user_id: dentist.id, p_operation }), 200);
  for (let use = 0; use < 10; use++) assert.equal(await spend('dsd_simulation'), true);
  assert.equal(await spend('case_analysis'), true);

  const deliver = async (plan_id) => {
    const change = await api
      .service()
      .from('subscriptions')
      .upsert({ user_id: dentist.id, plan_id, status: 'active' }, { onConflict: 'user_id' })
      .select('id, plan_id, credits_used_this_month, credits_used_hidden, credits_bonus')
      .single();
    return answer(change, api.version === '11.2.2' ? 201 : 200);
  };
  const small = { id, plan_id: 'price_essencial_monthly', credits_used_this_month: 20, credits_used_hidden: 1, credits_bonus: 10 };
  assert.deepEqual([await deliver(small.plan_id), await deliver(small.plan_id)], [small, small]);
  const changes = () =>
    dentist.db.from('credit_usage').select('credits_used, subscription_id').eq('operation', 'plan_change').order('entry');
  answered(await changes(), 200, [{ credits_used: -1, subscription_id: id }]);

  // Only what was bought is left to spend; back under the larger plan nothing was gained.
  assert.equal(await spend('dsd_simulation'), true);
  const large = { id, plan_id: 'price_pro_monthly_v2', credits_used_this_month: 21, credits_used_hidden: 0, credits_bonus: 8 };
  assert.deepEqual(await deliver(large.plan_id), large);
  answered(await changes(), 200, [{ credits_used: -1, subscription_id: id }, { credits_used: -1, subscription_id: id }]);
});

flow('a webhook about an invoice that comes twice records one payment', async (api) => {
  const dentist = await api.signUp();
  const subscription = await subscribe(api, dentist);
  const stripe_invoice_id = `in_${randomUUID()}`;
  const deliver = () =>
    api.service().from('payment_history').upsert(
      {
        user_id: dentist.id,
        subscription_id: subscription.id,
        stripe_invoice_id,
        amount: 11900,
        status: 'succeeded',
        invoice_url: 'https://invoice.example/1',
      },
      { onConflict: 'stripe_invoice_id' },
    );
  answered(await deliver(), 201, null);
  assert.ok([200, 201].includes((await deliver()).status));
  const payments = await dentist.db.from('payment_history').select('stripe_invoice_id, amount, currency, status');
  answered(payments, 200, [{ stripe_invoice_id, amount: 11900, currency: 'brl', status: 'succeeded' }]);
});

flow('a webhook about a pack that comes twice adds its credits once', async (api) => {
  const dentist = await api.signUp();
  await subscribe(api, dentist);
  const stripe_session_id = `cs_${randomUUID()}`;
  const deliver = async () => {
    const purchase = await api
      .service()
      .from('credit_pack_purchases')
      .upsert(
        { user_id: dentist.id, pack_id: 'pack_25', credits: 25, amount: 5900, stripe_session_id, status: 'completed' },
        { onConflict: 'stripe_session_id', ignoreDuplicates: true },
      )
      .select('credits');
    const rows = answer(purchase, purchase.status);
    for (const { credits } of rows) {
      answered(await api.service().rpc('add_bonus_credits', { p_user_id: dentist.id, p_credits: credits }), 204, null);
    }
    return rows.length;
  };
  assert.deepEqual([await deliver(), await deliver()], [1, 0]);
  assert.equal((await poolOf(api, dentist)).credits_bonus, 25);
  answered(await dentist.db.from('credit_pack_purchases').select('pack_id, status'), 200, [
    { pack_id: 'pack_25', status: 'completed' },
  ]);
});

flow('a pack that webhook and success page report together is added once, and the other call adds each time', async (api) => {
  const dentist = await api.signUp();
  await subscribe(api, dentist);
  const service = api.service();
  const pack = { p_user_id: dentist.id, p_credits: 25, p_reference: `cs_${randomUUID()}` };
  // PostgREST chooses between the two functions of this name by the names of the arguments.
  for (const response of await Promise.all([1, 2, 3].map(() => service.rpc('add_bonus_credits', pack)))) {
    answered(response, 204, null);
  }
  assert.equal((await poolOf(api, dentist)).credits_bonus, 25);
  for (const bonus of [30, 35]) {
    answered(await service.rpc('add_bonus_credits', { p_user_id: dentist.id, p_credits: 5 }), 204, null);
    assert.equal((await poolOf(api, dentist)).credits_bonus, bonus);
  }
});

flow('a pack that is paid back is taken back once, and a front shows the dentist what happened', async (api) => {
  const [dentist, other] = [await api.signUp(), await api.signUp()];
  const subscription = await subscribe(api, dentist);
  await subscribe(api, other);
  const service = api.service();
  const pack = { p_user_id: dentist.id, p_credits: 10, p_reference: `pi_${randomUUID()}` };
  answered(await service.rpc('add_bonus_credits', pack), 204, null);
  for (let report = 0; report < 2; report++) answered(await service.rpc('revoke_bonus_credits', pack), 200, 10);
  answered(await service.rpc('revoke_bonus_credits', { ...pack, p_reference: `pi_${randomUUID()}` }), 200, 0);
  const events = await dentist.db
    .from('credit_events')
    .select('kind, reference, credits, changed_bonus, bonus, plan_id, subscription_id, made_by')
    .order('entry')
    .range(0, 2);
  const of = { plan_id: 'price_pro_monthly_v2', subscription_id: subscription.id, made_by: 'service_role' };
  answered(events, 200, [
    { kind: 'start', reference: null, credits: null, changed_bonus: 0, bonus: 0, ...of },
    { kind: 'purchase', reference: pack.p_reference, credits: 10, changed_bonus: 10, bonus: 10, ...of },
    { kind: 'revocation', reference: pack.p_reference, credits: 10, changed_bonus: -10, bonus: 0, ...of },
  ]);
  answered(await other.db.from('credit_events').select('kind'), 200, [{ kind: 'start' }]);
  assert.equal(answer(await service.from('credit_events').select('kind').in('user_id', [dentist.id, other.id]), 200).length, 5);
});

flow('an analysis is paid for before it runs, and the dentist sees it in the ledger', async (api) => {
  const dentist = await api.signUp();
  const subscription = await subscribe(api, dentist);
  const ask = { p_user_id: dentist.id, p_operation: 'case_analysis' };
  answered(await dentist.db.rpc('can_use_credits', ask), 200, true);
  answered(await api.service().rpc('use_credits', ask), 200, true);
  answered(await api.service().rpc('use_credits', { ...ask, p_operation: 'dsd_simulation' }), 200, true);
  assert.deepEqual(await poolOf(api, dentist), {
    credits_used_this_month: 3,
    credits_bonus: 0,
    cases_used_this_month: 1,
    dsd_used_this_month: 1,
  });
  const ledger = await dentist.db.from('credit_usage').select('operation, credits_used, subscription_id').order('created_at');
  answered(ledger, 200, [
    { operation: 'case_analysis', credits_used: 1, subscription_id: subscription.id },
    { operation: 'dsd_simulation', credits_used: 2, subscription_id: subscription.id },
  ]);
});

flow('a charge and a refund with a reference are retried and happen once', async (api) => {
  const dentist = await api.signUp();
  await subscribe(api, dentist);
  const call = { p_user_id: dentist.id, p_operation: 'dsd_simulation', p_reference_id: randomUUID() };
  const service = api.service();
  const retried = await Promise.all([1, 2, 3].map(() => service.rpc('use_credits', call)));
  for (const response of retried) answered(response, 200, true);
  assert.equal((await poolOf(api, dentist)).credits_used_this_month, 2);
  for (const response of await Promise.all([1, 2, 3].map(() => service.rpc('refund_credits', call)))) {
    answered(response, 200, true);
  }
  assert.equal((await poolOf(api, dentist)).credits_used_this_month, 0);
  const ledger = await dentist.db.from('credit_usage').select('operation, credits_used, reference_id').order('created_at');
  answered(ledger, 200, [
    { operation: 'dsd_simulation', credits_used: 2, reference_id: call.p_reference_id },
    { operation: 'dsd_simulation_refund', credits_used: -2, reference_id: call.p_reference_id },
  ]);
});

flow('a refund without a reference gives back the last use, until there is none', async (api) => {
  const dentist = await api.signUp();
  await subscribe(api, dentist);
  const call = { p_user_id: dentist.id, p_operation: 'case_analysis' };
  answered(await api.service().rpc('use_credits', call), 200, true);
  answered(await api.service().rpc('refund_credits', call), 200, true);
  answered(await api.service().rpc('refund_credits', call), 200, false);
  assert.equal((await poolOf(api, dentist)).credits_used_this_month, 0);
});

flow('somebody without a subscription gets three analyses and is then refused', async (api) => {
  const dentist = await api.signUp();
  const call = { p_user_id: dentist.id, p_operation: 'case_analysis' };
  const answers = [];
  for (let attempt = 0; attempt < 4; attempt++) answers.push(answer(await api.service().rpc('use_credits', call), 200));
  assert.deepEqual(answers, [true, true, true, false]);
  answered(await dentist.db.rpc('can_use_credits', call), 200, false);
});

flow('a call with a missing argument is refused with the reason', async (api) => {
  const dentist = await api.signUp();
  refused(await api.service().rpc('use_credits', { p_user_id: dentist.id, p_operation: null }), 400, '22004');
  refused(await api.service().rpc('use_credits', { p_user: dentist.id }), 404, 'PGRST202');
  refused(await api.service().rpc('add_bonus_credits', { p_user_id: dentist.id, p_credits: -5 }), 400, '22023');
  refused(await api.service().rpc('add_bonus_credits', { p_user_id: randomUUID(), p_credits: 5 }), 409, '23503');
  const pack = { p_user_id: dentist.id, p_credits: 5, p_reference: null };
  refused(await api.service().rpc('add_bonus_credits', pack), 400, '22004');
  refused(await api.service().rpc('revoke_bonus_credits', pack), 400, '22004');
  refused(await api.service().rpc('add_bonus_credits', { ...pack, p_reference: 'x'.repeat(201) }), 400, '22023');
  refused(await api.service().rpc('revoke_bonus_credits', { p_user_id: dentist.id, p_reference: 'pi_1' }), 404, 'PGRST202');
});
