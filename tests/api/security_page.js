// docs/security.md against the tests: its tables name each attack by the name of the test that holds it.
import { readFile } from 'node:fs/promises';

const PAGE = new URL('../../docs/security.md', import.meta.url);

/** Tests that are made for one table after the other stand in the page once. */
const forAnyTable = (name) =>
  name.replace(/^(a row of|nobody reads or counts the rows of others in) [a-z_]+/, '$1 TABLE');

export async function checkSecurityPage(attacks) {
  const page = await readFile(PAGE, 'utf8');
  const listed = [...page.matchAll(/^\|.*\| `([^`]+)` \|$/gm)].map(([, name]) => name);
  const tried = new Set([...attacks].map(forAnyTable));
  const missing = [...tried].filter((name) => !listed.includes(name));
  const unknown = listed.filter((name) => !tried.has(name));
  if (missing.length > 0 || unknown.length > 0) {
    throw new Error(`missing there: ${missing.join('; ') || 'none'}. Without a test: ${unknown.join('; ') || 'none'}.`);
  }
  return `${listed.length} named`;
}
