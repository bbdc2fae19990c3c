// Sessions of API roles with SQL of their own: what an attacker has who got past PostgREST, or around it.
import assert from 'node:assert/strict';
import pg from 'pg';
import { connection } from './server.js';

/** Opens a session as PostgREST does, gives it to the work, and closes it. `options` go into the start packet. */
export async function as(api, role, user, work, options) {
  const client = new pg.Client({ ...connection(api.server, api.database, 'authenticator'), options });
  const notices = [];
  client.on('notice', (notice) => notices.push(notice.message));
  await client.connect();
  try {
    const claims = JSON.stringify({ role, ...(user ? { sub: user.id } : {}) });
    await client.query(`SET ROLE ${role}`);
    await client.query("SELECT set_config('request.jwt.claims', $1, false)", [claims]);
    return await work({
      notices,
      run: (statement, parameters) => client.query(statement, parameters),
      rows: async (statement, parameters) => (await client.query(statement, parameters)).rows,
      value: async (statement, parameters) => Object.values((await client.query(statement, parameters)).rows[0])[0],
      /** The statement fails with one of these SQLSTATEs; the transaction around it, if any, is left aborted. */
      refuses: async (statement, ...sqlstates) => {
        const outcome = await client.query(statement).then(
          () => 'success',
          (error) => error,
        );
        assert.ok(sqlstates.includes(outcome.code), `${statement}: ${outcome.code ?? outcome} ${outcome.message ?? ''}`);
        return outcome;
      },
    });
  } finally {
    await client.end();
  }
}

export const asUser = (api, user, work, options) => as(api, 'authenticated', user, work, options);
export const asVisitor = (api, work) => as(api, 'anon', null, work);
export const asService = (api, work, options) => as(api, 'service_role', null, work, options);

/** A dentist without PostgREST in between, with a patient, a case and a link. */
export async function practiceInSql(api) {
  const dentist = await api.signUp();
  const [row] = await api.truth(
    `WITH patient AS (
       INSERT INTO public.patients (user_id, name) VALUES ($1, 'Maria Segredo') RETURNING id
     ), evaluation AS (
       INSERT INTO public.evaluations (user_id, patient_id, patient_name, patient_age, tooth, region, cavity_class,
              restoration_size, substrate, aesthetic_level, tooth_color, longevity_expectation, budget)
       SELECT $1, id, 'Maria Segredo', 30, '11', 'r', 'c', 's', 's', 'a', 'A2', 'l', 'b' FROM patient
       RETURNING id, session_id
     )
     INSERT INTO public.shared_links (user_id, session_id) SELECT $1, session_id FROM evaluation
     RETURNING token, session_id, (SELECT id FROM patient) AS patient_id, (SELECT id FROM evaluation) AS evaluation_id`,
    [dentist.id],
  );
  await api.truth(
    "INSERT INTO public.subscriptions (user_id, plan_id, status) VALUES ($1, 'price_pro_monthly_v2', 'active')",
    [dentist.id],
  );
  return { dentist, ...row };
}
