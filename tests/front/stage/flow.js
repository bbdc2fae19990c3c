// Where the tests of one file find the front that is under test.
import { after, test } from 'node:test';
import { Front } from './front.js';

const underTest = JSON.parse(process.env.FRONT_UNDER_TEST ?? 'null');
if (!underTest) throw new Error('run the tests of the front with `node run.js`: they need a server and a PostgREST');

export const { server, version } = underTest;

let shared;
/** The front that all tests share; each makes dentists of its own. */
export function sharedFront() {
  shared ??= new Front(underTest);
  return shared;
}
after(() => shared?.close());

/** Something that the application does. */
export function flow(name, body) {
  test(name, { timeout: 30_000 }, () => body(sharedFront()));
}
