// The catalogue of a database with the extension, looked at as Supabase's linter does.
import assert from 'node:assert/strict';
import { attackWithSql } from '../stage/attack.js';
import { RULES } from './rules.js';

for (const { name, query, hole } of RULES) {
  attackWithSql(name, hole, async (api) => {
    assert.deepEqual(await api.truth(query), []);
  });
}
