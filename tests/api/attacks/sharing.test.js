// Visitors who have no token, an old one, or something that is not quite one.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { answer, answered, forbiddenToVisitors, tellsNothingOf } from '../stage/assertions.js';
import { attack } from '../stage/attack.js';
import { practiceOf } from '../stage/practice.js';

const READS_EVERYTHING = (table) => `CREATE POLICY hole ON public.${table} FOR SELECT TO anon USING (true)`;

/** Nothing is seen by any of the ways a token may be presented. */
async function opensNothing(api, token) {
  const anon = api.anon();
  answered(await anon.rpc('check_shared_link_status', { p_token: token }), 200, 'not_found');
  answered(await anon.rpc('get_shared_evaluation', { p_token: token }), 200, []);
  answered(await anon.rpc('get_shared_dsd', { p_token: token }), 200, []);
}

async function headerOpensNothing(api, token) {
  const visitor = api.visitorWith(token);
  answered(await visitor.from('shared_links').select('token'), 200, []);
  answered(await visitor.from('evaluations').select('id, tooth'), 200, []);
}

async function opensTheCase(api, { link, evaluation }) {
  answered(await api.visitorWith(link.token).from('evaluations').select('id'), 200, [{ id: evaluation.id }]);
}

attack('a visitor without a token lists no links', READS_EVERYTHING('shared_links'), async (api) => {
  const practice = await practiceOf(api);
  const listed = await api.anon().from('shared_links').select('*', { count: 'exact' });
  answered(listed, 200, []);
  assert.equal(listed.count, 0);
  answered(await api.anon().from('shared_links').select('token').eq('user_id', practice.dentist.id), 200, []);
  answered(await api.anon().from('shared_links').select('token').like('token', `${practice.link.token.slice(0, 60)}%`), 200, []);
  await opensTheCase(api, practice);
});

attack(
  'a visitor without the token sees no evaluation, however active its link is',
  READS_EVERYTHING('evaluations'),
  async (api) => {
    const practice = await practiceOf(api);
    answered(await api.anon().from('evaluations').select('id, tooth'), 200, []);
    answered(await api.anon().from('evaluations').select('id').eq('session_id', practice.evaluation.session_id), 200, []);
    answered(await api.anon().from('evaluations').select('id').eq('id', practice.evaluation.id), 200, []);
    await opensTheCase(api, practice);
  },
);

attack(
  "a visitor with a token sees that link and that session, nobody else's",
  READS_EVERYTHING('evaluations'),
  async (api) => {
    const [practice, other] = [await practiceOf(api), await practiceOf(api)];
    const visitor = api.visitorWith(practice.link.token);
    answered(await visitor.from('shared_links').select('token'), 200, [{ token: practice.link.token }]);
    answered(await visitor.from('evaluations').select('id').eq('id', other.evaluation.id), 200, []);
    await opensTheCase(api, practice);
  },
);

attack(
  'a token reveals neither the patient nor the budget, be it by column, filter or order',
  'GRANT SELECT (patient_name, budget) ON public.evaluations TO anon',
  async (api) => {
    const practice = await practiceOf(api);
    const visitor = api.visitorWith(practice.link.token);
    for (const column of ['patient_name', 'patient_name_encrypted', 'patient_id', 'user_id', 'budget', '*']) {
      forbiddenToVisitors(await visitor.from('evaluations').select(column));
    }
    forbiddenToVisitors(await visitor.from('evaluations').select('id').like('patient_name', 'M%'));
    forbiddenToVisitors(await visitor.from('evaluations').select('id').eq('budget', 'premium'));
    forbiddenToVisitors(await visitor.from('evaluations').select('id').order('patient_name'));
    forbiddenToVisitors(await visitor.from('evaluations').select('id, patients(name)'));
    forbiddenToVisitors(await visitor.from('patients').select('name'));
    const p_token = practice.link.token;
    tellsNothingOf(answer(await visitor.rpc('get_shared_evaluation', { p_token }), 200), practice.patient.name, practice.patient.id);
    tellsNothingOf(answer(await visitor.rpc('get_shared_dsd', { p_token }), 200), practice.patient.name, practice.dentist.id);
    await opensTheCase(api, practice);
  },
);

attack(
  'a token writes nothing',
  `GRANT UPDATE (tooth) ON public.evaluations TO anon;
   CREATE POLICY hole ON public.evaluations FOR UPDATE TO anon USING (true)`,
  async (api) => {
    const practice = await practiceOf(api);
    const visitor = api.visitorWith(practice.link.token);
    forbiddenToVisitors(await visitor.from('evaluations').update({ tooth: '99' }).eq('id', practice.evaluation.id));
    forbiddenToVisitors(await visitor.from('evaluations').delete().eq('id', practice.evaluation.id));
    forbiddenToVisitors(await visitor.from('shared_links').update({ expires_at: '2999-01-01' }).eq('id', practice.link.id));
    forbiddenToVisitors(await visitor.from('shared_links').delete().eq('id', practice.link.id));
    await opensTheCase(api, practice);
  },
);

attack(
  'an expired token opens nothing',
  `DROP POLICY shared_links_select_by_share_token ON public.shared_links;
   CREATE POLICY hole ON public.shared_links FOR SELECT TO anon
     USING (token = current_setting('request.headers', true)::json ->> 'x-share-token')`,
  async (api) => {
    const practice = await practiceOf(api);
    await opensTheCase(api, practice);
    await api.truth(`UPDATE public.shared_links SET expires_at = now() - interval '1 second' WHERE id = $1`, [practice.link.id]);
    await headerOpensNothing(api, practice.link.token);
    const anon = api.anon();
    answered(await anon.rpc('get_shared_evaluation', { p_token: practice.link.token }), 200, []);
    answered(await anon.rpc('get_shared_dsd', { p_token: practice.link.token }), 200, []);
    answered(await anon.rpc('check_shared_link_status', { p_token: practice.link.token }), 200, 'expired');
  },
);

attack(
  'a revoked token opens nothing',
  // The link stays, as if the dentist had not revoked it.
  `CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
   CREATE TRIGGER hole BEFORE DELETE ON public.shared_links FOR EACH ROW EXECUTE FUNCTION public.keep()`,
  async (api) => {
    const practice = await practiceOf(api);
    await opensTheCase(api, practice);
    answered(await practice.dentist.db.from('shared_links').delete().eq('id', practice.link.id), 204, null);
    await headerOpensNothing(api, practice.link.token);
    await opensNothing(api, practice.link.token);
  },
);

attack(
  'only the token itself opens a link: no other letter case, spaces, part, pattern or SQL does',
  `DROP POLICY evaluations_select_by_share_token ON public.evaluations;
   CREATE POLICY hole ON public.evaluations FOR SELECT TO anon USING (session_id IN (
      SELECT session_id FROM public.shared_links WHERE token ILIKE
         trim(current_setting('request.headers', true)::json ->> 'x-share-token')));
   DROP POLICY shared_links_select_by_share_token ON public.shared_links;
   CREATE POLICY hole ON public.shared_links FOR SELECT TO anon USING (true)`,
  async (api) => {
    const practice = await practiceOf(api);
    const { token } = practice.link;
    const near = [
      token.toUpperCase(),
      ` ${token}`,
      `${token} `,
      `${token.slice(0, 32)} ${token.slice(32)}`,
      `\t${token}\n`,
      token.slice(0, 63),
      `${token}0`,
      token.replace(/./, (first) => (first === '0' ? '1' : '0')),
      '',
      ' ',
      '%',
      `${token.slice(0, 8)}%`,
      '_'.repeat(64),
      `' OR '1'='1`,
      `${token}' OR 'a'='a`,
      `'; DROP TABLE public.shared_links; --`,
      `$1`,
      'null',
      '0'.repeat(64),
      randomBytes(32).toString('hex'),
      `\\x${token}`,
      `${token},${token}`,
      `{"x-share-token":"${token}"}`,
      'ä'.repeat(64),
      '𝟎'.repeat(64),
    ];
    for (const wrong of near) {
      await opensNothing(api, wrong);
      // A header holds Latin letters without line breaks, and loses the spaces around it on its way: that is HTTP's.
      if (/^[\x20-\x7e]*$/.test(wrong) && wrong.trim() === wrong) await headerOpensNothing(api, wrong);
    }
    await opensTheCase(api, practice);
  },
);

attack(
  'a token that is no text is refused and reveals nothing',
  `CREATE OR REPLACE FUNCTION public.get_shared_evaluation(p_token text)
   RETURNS TABLE (tooth text, treatment_type text, cavity_class text, status text,
                  ai_treatment_indication text, created_at timestamptz, clinic_name text,
                  patient_document jsonb)
   LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp
   AS 'SELECT e.tooth, e.treatment_type, e.cavity_class, e.status, e.ai_treatment_indication, e.created_at, NULL,
                e.patient_document
         FROM public.evaluations e'`,
  async (api) => {
    const practice = await practiceOf(api);
    for (const p_token of [null, 0, true, [practice.link.token], { token: practice.link.token }, [], {}]) {
      answered(await api.anon().rpc('get_shared_evaluation', { p_token }), 200, []);
      answered(await api.anon().rpc('check_shared_link_status', { p_token }), 200, 'not_found');
    }
    // PostgreSQL's text holds no such character; whether the rest of the token is right makes no difference.
    const codes = [];
    for (const head of [practice.link.token, '0'.repeat(64)]) {
      const response = await api.anon().rpc('check_shared_link_status', { p_token: `${head}\u0000` });
      assert.equal(response.status, 400);
      tellsNothingOf(response, practice.link.token);
      codes.push(response.error.code);
    }
    assert.equal(codes[0], codes[1]);
    await opensTheCase(api, practice);
  },
);

attack(
  'a token of ten megabytes is not found, like any other',
  `CREATE OR REPLACE FUNCTION public.check_shared_link_status(p_token text) RETURNS text
   LANGUAGE sql STABLE SECURITY DEFINER SET search_path TO pg_catalog, pg_temp
   AS $$ SELECT CASE WHEN length(p_token) > 64 THEN 'too long' ELSE 'not_found' END $$`,
  async (api) => {
    const practice = await practiceOf(api);
    await opensNothing(api, practice.link.token + 'a'.repeat(10_000_000));
    const inHeader = await api
      .request('/evaluations?select=id', { headers: { 'x-share-token': 'a'.repeat(200_000) } })
      .then((response) => response.status, () => 'connection closed');
    assert.ok([400, 413, 431, 'connection closed'].includes(inHeader), `${inHeader}`);
    await opensTheCase(api, practice);
  },
);

attack(
  'headers that claim to be something else open nothing',
  `DROP POLICY evaluations_select_by_share_token ON public.evaluations;
   CREATE POLICY hole ON public.evaluations FOR SELECT TO anon USING (session_id IN (
      SELECT session_id FROM public.shared_links WHERE current_setting('request.headers', true) LIKE '%' || token || '%'))
   ; GRANT SELECT (token, session_id) ON public.shared_links TO anon;
   CREATE POLICY hole ON public.shared_links FOR SELECT TO anon USING (true)`,
  async (api) => {
    const practice = await practiceOf(api);
    const { token } = practice.link;
    const headers = [
      { 'x-share-tokens': token },
      { 'share-token': token },
      { cookie: `x-share-token=${token}` },
      { 'x-note': `","x-share-token":"${token}` },
      { 'x-share-token': `${token}","role":"service_role` },
      { 'x-share-token': '\\u0000' },
      { 'request.headers': `{"x-share-token":"${token}"}` },
      { 'request.jwt.claims': '{"role":"service_role"}', 'x-share-token': '' },
    ];
    for (const header of headers) {
      const response = await api.request('/evaluations?select=id', { headers: header });
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), []);
    }
    await opensTheCase(api, practice);
  },
);

attack(
  'the tokens of a thousand links are all different and look random',
  `ALTER TABLE public.shared_links ALTER COLUMN token SET DEFAULT md5(clock_timestamp()::text) || md5('x')`,
  async (api) => {
    const { dentist, evaluation } = await practiceOf(api);
    const links = Array.from({ length: 1000 }, () => ({ user_id: dentist.id, session_id: evaluation.session_id }));
    const made = answer(await dentist.db.from('shared_links').insert(links).select('token'), 201).map(({ token }) => token);
    assert.equal(new Set(made).size, 1000);
    // Each of the 64 places takes each of 16 values; a constant or counting place would not.
    for (let place = 0; place < 64; place++) {
      const values = new Set(made.map((token) => token[place]));
      assert.equal(values.size, 16, `place ${place} takes ${values.size} values in a thousand tokens`);
    }
  },
);
