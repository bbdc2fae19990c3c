// Where the tests of one file find the API under test.
import { after, test } from 'node:test';
import { Api } from './api.js';

const underTest = JSON.parse(process.env.API_UNDER_TEST ?? 'null');
if (!underTest) throw new Error('run the tests of the API with `node run.js`: they need a server and a PostgREST');

export const { server, version } = underTest;

/** The schemas whose objects the extension makes: on Supabase, auth and storage are its services'. */
export const MANAGED = server.isSupabase ? "'public', 'auria'" : "'public', 'auria', 'auth', 'storage'";

let shared;
/** The API that all tests share; each makes dentists of its own. */
export function sharedApi() {
  shared ??= new Api(underTest);
  return shared;
}
after(() => shared?.close());

/** Something that the application does. */
export function flow(name, body) {
  test(name, { timeout: 30_000 }, () => body(sharedApi()));
}
