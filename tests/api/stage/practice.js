// Dentists and their practices.
import { randomUUID } from 'node:crypto';
import { answer } from './assertions.js';

/** The columns of an evaluation that have to be given. */
export function findings(dentist, more = {}) {
  return {
    user_id: dentist.id,
    patient_age: 34,
    tooth: '11',
    region: 'anterior-superior',
    cavity_class: 'Classe IV',
    restoration_size: 'Média',
    substrate: 'Esmalte e Dentina',
    aesthetic_level: 'alto',
    tooth_color: 'A2',
    longevity_expectation: 'longo',
    budget: 'premium',
    ...more,
  };
}

/** The columns of a patient that a client reads to send the whole row back: columns that a clinic added may be generated ones. */
export const WHOLE_PATIENT = [
  'id, user_id, name, phone, email, birth_date, notes, created_at, updated_at',
  'name_encrypted, phone_encrypted, email_encrypted, birth_date_encrypted, notes_encrypted',
].join(', ');

export async function newPatient(dentist, name, more = {}) {
  const response = await dentist.db.from('patients').insert({ user_id: dentist.id, name, ...more }).select().single();
  return answer(response, 201);
}

export async function newEvaluation(dentist, more = {}) {
  const response = await dentist.db.from('evaluations').insert(findings(dentist, more)).select().single();
  return answer(response, 201);
}

/** A dentist with a patient, an evaluated case and a link to it. */
export async function practiceOf(api, patientName = 'Maria Aparecida Segredo') {
  const dentist = await api.signUp({ full_name: 'Dra. Helena Prado' });
  const patient = await newPatient(dentist, patientName, { phone: '+55 11 95555-0101', notes: 'alergia a látex' });
  const evaluation = await newEvaluation(dentist, {
    patient_id: patient.id,
    patient_name: patient.name,
    dsd_analysis: { proporcao: 0.78 },
    dsd_simulation_url: 'dsd/1.png',
    session_id: randomUUID(),
  });
  const link = answer(
    await dentist.db
      .from('shared_links')
      .insert({ user_id: dentist.id, session_id: evaluation.session_id })
      .select()
      .single(),
    201,
  );
  return { dentist, patient, evaluation, link };
}

/** A subscription as Stripe's webhook writes it. */
export async function subscribe(api, dentist, plan = 'price_pro_monthly_v2', more = {}) {
  const response = await api
    .service()
    .from('subscriptions')
    .upsert(
      {
        user_id: dentist.id,
        stripe_customer_id: `cus_${dentist.id}`,
        stripe_subscription_id: `sub_${dentist.id}`,
        plan_id: plan,
        status: 'active',
        ...more,
      },
      { onConflict: 'user_id' },
    )
    .select()
    .single();
  return answer(response, 201);
}
