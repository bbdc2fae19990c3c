// Checks of answers. A 404 without a body is a success to the client: status and data are always both named.
import assert from 'node:assert/strict';

/** The answer has this status and this data. */
export function answered(response, status, data) {
  assert.deepEqual(
    { status: response.status, data: response.data, error: response.error },
    { status, data, error: null },
  );
}

/** The answer has this status; returns its data for a closer look. */
export function answer(response, status) {
  assert.equal(response.error, null, JSON.stringify(response.error));
  assert.equal(response.status, status);
  return response.data;
}

/** PostgREST refused with this status and SQLSTATE, and said nothing it should not. */
export function refused(response, status, code) {
  assert.deepEqual(
    { status: response.status, code: response.error?.code, data: response.data },
    { status, code, data: null },
    response.error?.message,
  );
  return response.error;
}

/** Row-level security or a missing grant: 403 for somebody signed in, 401 for a visitor. */
export const forbidden = (response) => refused(response, 403, '42501');
export const forbiddenToVisitors = (response) => refused(response, 401, '42501');

/** Each of these values is found nowhere in what came back. */
export function tellsNothingOf(response, ...secrets) {
  const text = JSON.stringify(response);
  for (const secret of secrets) assert.ok(!text.includes(secret), `the answer reveals ${secret}: ${text.slice(0, 500)}`);
}
