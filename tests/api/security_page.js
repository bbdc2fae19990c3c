// docs/security.md against the tests: its tables name each attack by the name of the test that holds it.
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PAGE = new URL('../../docs/security.md', import.meta.url);
const RUST_TESTS = fileURLToPath(new URL('..', import.meta.url));
const IN_RUST = /^[a-z0-9]+(_[a-z0-9]+)+$/;

/** Tests that are made for one table after the other stand in the page once. */
const forAnyTable = (name) =>
  name.replace(/^(a row of|nobody reads or counts the rows of others in) [a-z_]+/, '$1 TABLE');

/** The names of the tests that cargo runs. */
async function rustTests() {
  const directories = (await readdir(RUST_TESTS, { withFileTypes: true })).filter(
    (entry) => entry.isDirectory() && entry.name !== 'api',
  );
  const names = new Set();
  for (const { name: directory } of directories) {
    for (const file of await readdir(join(RUST_TESTS, directory))) {
      if (!file.endsWith('.rs')) continue;
      const source = await readFile(join(RUST_TESTS, directory, file), 'utf8');
      for (const [, name] of source.matchAll(/^#\[test\]\nfn (\w+)\(/gm)) names.add(name);
    }
  }
  return names;
}

export async function checkSecurityPage(attacks) {
  const page = await readFile(PAGE, 'utf8');
  const listed = [...page.matchAll(/^\|.*\| `([^`]+)` \|$/gm)].map(([, name]) => name);
  const tried = new Set([...attacks].map(forAnyTable));
  const inRust = await rustTests();
  const missing = [...tried].filter((name) => !listed.includes(name));
  const unknown = listed.filter((name) => !(IN_RUST.test(name) ? inRust : tried).has(name));
  if (missing.length > 0 || unknown.length > 0) {
    throw new Error(`missing there: ${missing.join('; ') || 'none'}. Without a test: ${unknown.join('; ') || 'none'}.`);
  }
  return `${listed.length} named`;
}
