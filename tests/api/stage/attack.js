// An attack that must come to nothing, and the hole through which it would succeed.
//
// Run normally, the attack is tried on the API under test. Run with API_HOLES, the hole is opened first, in a
// database of its own, and the test passes only if the check of the attack then fails: a check that cannot fail
// holds nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { Api } from './api.js';
import { server, sharedApi, version } from './flow.js';
import { startPostgrest, versionOf } from './postgrest.js';
import { createDatabase, dropDatabase } from './server.js';

const openHoles = process.env.API_HOLES === '1';
let opened = 0;

/**
 * An attack through the API. `hole` is what would let it succeed: SQL for the superuser; `{ sql, undo }` where that
 * reaches beyond the database; or `{ settings }` for PostgREST. It is null where PostgreSQL itself is the guard and
 * cannot be switched off.
 */
export function attack(name, hole, body) {
  register(name, hole, body, (database) => startPostgrest(versionOf(version), server, database, hole.settings));
}

/** An attack by somebody who has SQL of his own, or a look at the catalogue: no PostgREST is needed for it. */
export function attackWithSql(name, hole, body) {
  register(name, hole, body, async () => ({ url: null, stop: async () => {} }));
}

function register(name, hole, body, openApi) {
  if (!openHoles) {
    test(name, { timeout: 30_000 }, () => body(sharedApi()));
  } else if (hole !== null) {
    test(`${name}: noticed when the hole is open`, { timeout: 60_000 }, () => withHole(hole, body, openApi));
  }
}

async function withHole(hole, body, openApi) {
  const database = await createDatabase(server, `hole_${process.pid}_${opened++}`);
  const api = new Api({ server, database, version, url: null });
  let opening;
  try {
    const sql = typeof hole === 'string' ? hole : hole.sql;
    if (sql) await api.truth(sql);
    opening = await openApi(database);
    api.url = opening.url;
    const failure = await body(api).then(
      () => assert.fail('the attack is not noticed'),
      (error) => error,
    );
    // A statement that must succeed and does not is a failed check, too.
    const noticed = failure instanceof assert.AssertionError || failure instanceof pg.DatabaseError;
    assert.ok(noticed, failure);
    if (process.env.API_VERBOSE) console.log(`noticed by: ${failure.stack}`);
  } finally {
    if (hole.undo) await api.truth(hole.undo);
    await opening?.stop();
    await api.close();
    await dropDatabase(server, database);
  }
}
