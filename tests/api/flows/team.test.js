// Errors that a team's own triggers raise below the functions and tables of the extension.
import assert from 'node:assert/strict';
import { refused } from '../stage/assertions.js';
import { flow } from '../stage/flow.js';
import { newPatient, subscribe } from '../stage/practice.js';

/** Has a trigger object to rows of this dentist alone: other tests write to the table at the same time. */
async function objecting(api, dentist, { code, table, event }, body) {
  const name = `team_${dentist.id.replaceAll('-', '')}`;
  const row = event === 'DELETE' ? 'old' : 'new';
  await api.truth(`
    CREATE FUNCTION public.${name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'A clínica não pagou' USING ERRCODE = '${code}', DETAIL = 'Duas faturas.', HINT = 'Pague.';
    END $$;
    CREATE TRIGGER ${name} BEFORE ${event} ON ${table}
        FOR EACH ROW WHEN (${row}.user_id = '${dentist.id}') EXECUTE FUNCTION public.${name}()`);
  try {
    return await body();
  } finally {
    await api.truth(`DROP TRIGGER ${name} ON ${table}; DROP FUNCTION public.${name}()`);
  }
}

const BODY = { message: 'A clínica não pagou', details: 'Duas faturas.', hint: 'Pague.' };

/** PostgREST answered with this status, and with the texts of the team. */
function objected(response, status, code) {
  const { message, details, hint } = refused(response, status, code);
  assert.deepEqual({ message, details, hint }, BODY);
}

flow("what a team's trigger raises below a charge reaches the client with its status and texts", async (api) => {
  const dentist = await api.signUp();
  const charge = () => api.service().rpc('use_credits', { p_user_id: dentist.id, p_operation: 'case_analysis' });
  for (const subscribed of [false, true]) {
    if (subscribed) await subscribe(api, dentist);
    // PostgREST reads the status from PT402; P0042 is no code of PostgreSQL's.
    for (const [code, status] of [['PT402', 402], ['P0042', 500], ['23503', 409]]) {
      const team = { code, table: 'public.credit_usage', event: 'INSERT' };
      objected(await objecting(api, dentist, team, charge), status, code);
    }
  }
});

flow("what a team's trigger raises below a patient reaches the client with its status and texts", async (api) => {
  const dentist = await api.signUp();
  const { id } = await newPatient(dentist, 'Rita Moreira');
  const [{ table }] = await api.truth(
    `SELECT coalesce(to_regclass('auria_raw.patients_raw'), to_regclass('public.patients'))::text AS table`,
  );
  const writes = {
    INSERT: () => dentist.db.from('patients').insert({ user_id: dentist.id, name: 'Paulo Nunes' }).select(),
    UPDATE: () => dentist.db.from('patients').update({ notes: 'gestante' }).eq('id', id).select(),
    DELETE: () => dentist.db.from('patients').delete().eq('id', id).select(),
  };
  for (const [event, write] of Object.entries(writes)) {
    for (const [code, status] of [['PT402', 402], ['P0042', 500]]) {
      objected(await objecting(api, dentist, { code, table, event }, write), status, code);
    }
  }
});
