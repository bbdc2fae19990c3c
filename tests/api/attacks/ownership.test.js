// Rows that change hands, and references to what belongs to somebody else.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { answer, answered, forbidden, forbiddenToVisitors, refused } from '../stage/assertions.js';
import { attack } from '../stage/attack.js';
import { WHOLE_PATIENT, findings, newEvaluation, newPatient, practiceOf } from '../stage/practice.js';

/** A row of each table that has an owner, as its owner makes it. */
async function belongings(api, dentist) {
  const [shade] = answer(await dentist.db.from('resin_catalog').select('id').limit(1), 200);
  const evaluation = await newEvaluation(dentist);
  return {
    evaluations: findings(dentist),
    patients: { user_id: dentist.id, name: `Paciente ${randomUUID()}` },
    evaluation_drafts: { user_id: dentist.id, draft_data: {} },
    user_inventory: { user_id: dentist.id, resin_id: shade.id },
    session_detected_teeth: { user_id: dentist.id, session_id: randomUUID(), tooth: '11' },
    shared_links: { user_id: dentist.id, session_id: evaluation.session_id },
  };
}

const OWNED = ['evaluations', 'patients', 'evaluation_drafts', 'user_inventory', 'session_detected_teeth', 'shared_links'];

// A row that is no longer shown to its writer is refused as well, so the second layer has to be opened with the first.
const canBeGivenAway = (table) =>
  `DROP POLICY ${table}_update_own ON public.${table};
   CREATE POLICY hole_update ON public.${table} FOR UPDATE TO authenticated
      USING (user_id = (SELECT auth.uid())) WITH CHECK (true);
   CREATE POLICY hole_select ON public.${table} FOR SELECT TO authenticated USING (true)`;

for (const table of OWNED) {
  attack(
    `a row of ${table} cannot be given away, planted on somebody else or taken`,
    canBeGivenAway(table),
    async (api) => {
      const [owner, other] = [await api.signUp(), await api.signUp()];
      const row = (await belongings(api, owner))[table];
      const { id } = answer(await owner.db.from(table).insert(row).select('id').single(), 201);

      // Given away, by update and by upsert.
      forbidden(await owner.db.from(table).update({ user_id: other.id }).eq('id', id));
      forbidden(await owner.db.from(table).upsert({ ...row, id, user_id: other.id }, { onConflict: 'id' }));
      // Planted on somebody else.
      forbidden(await other.db.from(table).insert(row));
      // Taken, overwritten, deleted.
      answered(await other.db.from(table).update({ user_id: other.id }).eq('id', id).select('id'), 200, []);
      forbidden(await other.db.from(table).upsert({ ...row, id, user_id: other.id }, { onConflict: 'id' }));
      answered(await other.db.from(table).delete().eq('id', id).select('id'), 200, []);
      forbiddenToVisitors(await api.anon().from(table).insert(row));

      answered(await owner.db.from(table).select('user_id').eq('id', id), 200, [{ user_id: owner.id }]);
    },
  );
}

attack(
  'a profile cannot be given away, deleted or made for somebody else',
  canBeGivenAway('profiles'),
  async (api) => {
    const [owner, other] = [await api.signUp({ full_name: 'Dra. Lia' }), await api.signUp()];
    await api.truth('DELETE FROM public.profiles WHERE user_id = $1', [other.id]);
    forbidden(await owner.db.from('profiles').insert({ user_id: other.id, full_name: 'impostor' }));
    forbidden(await owner.db.from('profiles').update({ user_id: other.id }).eq('user_id', owner.id));
    forbidden(await owner.db.from('profiles').delete().eq('user_id', owner.id));
    answered(await owner.db.from('profiles').select('full_name, user_id'), 200, [{ full_name: 'Dra. Lia', user_id: owner.id }]);
  },
);

attack(
  "an evaluation cannot point at somebody else's patient, and existing or not makes no difference",
  `DROP POLICY evaluations_insert_own ON public.evaluations;
   CREATE POLICY hole ON public.evaluations FOR INSERT TO authenticated WITH CHECK (user_id = (SELECT auth.uid()))`,
  async (api) => {
    const { patient } = await practiceOf(api);
    const thief = await api.signUp();
    const own = await newPatient(thief, 'Paciente Próprio');
    const evaluation = await newEvaluation(thief, { patient_id: own.id });
    const refusals = [];
    for (const patient_id of [patient.id, randomUUID()]) {
      refusals.push(forbidden(await thief.db.from('evaluations').insert(findings(thief, { patient_id }))));
      refusals.push(forbidden(await thief.db.from('evaluations').update({ patient_id }).eq('id', evaluation.id)));
    }
    for (const refusal of refusals) assert.deepEqual(refusal, refusals[0]);
    const seen = await thief.db.from('evaluations').select('patients(name)').eq('id', evaluation.id).single();
    answered(seen, 200, { patients: { name: 'Paciente Próprio' } });
  },
);

attack(
  "a link cannot be made to somebody else's session, nor moved there later",
  `DROP POLICY shared_links_insert_own ON public.shared_links;
   CREATE POLICY hole ON public.shared_links FOR INSERT TO authenticated WITH CHECK (user_id = (SELECT auth.uid()))`,
  async (api) => {
    const { evaluation } = await practiceOf(api);
    const { dentist: thief, link } = await practiceOf(api, 'Outro Paciente');
    for (const session_id of [evaluation.session_id, randomUUID()]) {
      forbidden(await thief.db.from('shared_links').insert({ user_id: thief.id, session_id }));
      forbidden(await thief.db.from('shared_links').update({ session_id }).eq('id', link.id));
    }
    answered(await thief.db.from('shared_links').select('id'), 200, [{ id: link.id }]);
  },
);

attack(
  "a case planted in somebody else's session opens only itself to the planter's link",
  `DROP POLICY evaluations_select_by_share_token ON public.evaluations;
   CREATE POLICY hole ON public.evaluations FOR SELECT TO anon USING (session_id = (
      SELECT session_id FROM public.shared_links
       WHERE token = current_setting('request.headers', true)::json ->> 'x-share-token'))`,
  async (api) => {
    const { evaluation } = await practiceOf(api);
    const thief = await api.signUp();
    const planted = await newEvaluation(thief, { session_id: evaluation.session_id, tooth: '48' });
    const link = answer(
      await thief.db.from('shared_links').insert({ user_id: thief.id, session_id: evaluation.session_id }).select().single(),
      201,
    );
    const visitor = api.visitorWith(link.token);
    answered(await visitor.from('evaluations').select('id'), 200, [{ id: planted.id }]);
    const shared = answer(await visitor.rpc('get_shared_evaluation', { p_token: link.token }), 200);
    assert.deepEqual(shared.map(({ tooth }) => tooth), ['48']);
    answered(await visitor.rpc('get_shared_dsd', { p_token: link.token }), 200, []);
  },
);

attack(
  'the encrypted form of a name cannot be forged beside a name',
  'ALTER TABLE public.patients DISABLE TRIGGER encrypt_patients_phi_trigger',
  async (api) => {
    const dentist = await api.signUp();
    refused(
      await dentist.db.from('patients').insert({
        user_id: dentist.id, name: 'Nome Verdadeiro', name_encrypted: '\\xdeadbeef',
      }),
      403, '42501',
    );
    const patient = await newPatient(dentist, 'Nome Verdadeiro');
    refused(
      await dentist.db.from('patients').update({ name_encrypted: '\\xdeadbeef' }).eq('id', patient.id),
      403, '42501',
    );
    // A client that sends back the whole row it read, with another name.
    const [row] = answer(await dentist.db.from('patients').select(WHOLE_PATIENT).eq('id', patient.id), 200);
    for (const name of ['Outro Nome', 'Nome Verdadeiro']) {
      const { data, error } = await dentist.db.from('patients').upsert({ ...row, name }).select().single();
      assert.equal(error, null, JSON.stringify(error));
      answered(await api.service().rpc('phi_decrypt', { ciphertext: data.name_encrypted }), 200, name);
    }
  },
);
