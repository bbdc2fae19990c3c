// JSON web tokens as Supabase's sign-in makes them: HS256, one secret.
import { createHmac, randomBytes } from 'node:crypto';

export const SECRET = process.env.API_JWT_SECRET ?? randomBytes(32).toString('hex');

const encode = (part) => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

export function sign(claims, { secret = SECRET, header = { alg: 'HS256', typ: 'JWT' } } = {}) {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

export function unsigned(claims) {
  return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`;
}

const anHourFromNow = () => Math.floor(Date.now() / 1000) + 3600;

export const anonToken = () => sign({ role: 'anon', exp: anHourFromNow() });
export const serviceToken = () => sign({ role: 'service_role', exp: anHourFromNow() });
export const userToken = (id) =>
  sign({ role: 'authenticated', sub: id, aud: 'authenticated', exp: anHourFromNow() });
