// docs/database.types.ts, made from a running database by the generator behind `supabase gen types`.
// `node types.js` writes it; the runner compares it.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { generateTypescript, sortGeneratorMetadata } from '@supabase/postgrest-typegen/generation';
import { introspect } from '@supabase/postgrest-typegen/introspection';
import pg from 'pg';
import { connection, createDatabase, dropDatabase, startServer } from './stage/server.js';

const FILE = fileURLToPath(new URL('../../docs/database.types.ts', import.meta.url));

async function typesOf(server, template) {
  const database = await createDatabase(server, 'api_types', template);
  const pool = new pg.Pool({ ...connection(server, database), max: 4 });
  // The database is dropped at once; that a connection ends with it is no error.
  pool.on('error', () => {});
  try {
    const metadata = await introspect(pool, { includedSchemas: ['public'] });
    const types = await generateTypescript(sortGeneratorMetadata(metadata), {
      detectOneToOneRelationships: true,
      postgrestVersion: '12',
    });
    return `// Generated from a database with the extension by \`make types\`; never edited by hand.\n${types}`;
  } finally {
    await pool.end();
    await dropDatabase(server, database);
  }
}

/** The columns that can be read of each table and view: `name: type` in each line. */
function rowsOf(types) {
  const blocks = types.matchAll(/^ {6}(\w+): \{\n {8}Row: \{\n([\s\S]*?)\n {8}\}/gm);
  return new Map([...blocks].map(([, name, columns]) => [name, columns.split('\n').map((line) => line.trim())]));
}

const functionsOf = (types) => types.match(/^ {4}Functions: \{\n[\s\S]*?^ {4}\}/m)?.[0];

export async function checkTypes(server) {
  const open = await typesOf(server);
  const written = await readFile(FILE, 'utf8');
  // Supabase has pg_trgm in another schema than public.
  const expected = server.isSupabase ? written.replace(/^ {6}show_(limit|trgm): .*\n/gm, '') : written;
  if (expected !== open) throw new Error('docs/database.types.ts is stale: run make types');
  return 'unchanged';
}

/** A client that was compiled with the open layout's types finds the same columns, of which a view says that they may be NULL. */
export async function checkSealedTypes(server) {
  const [open, sealed] = [await typesOf(server), await typesOf(server, server.sealed)];
  const orNull = (column) => `${column.replace(/ \| null$/, '').replace('NonNullable<Json>', 'Json')} | null`;
  const [tables, found] = [rowsOf(open), rowsOf(sealed)];
  const views = [];
  assert.deepEqual([...found.keys()].sort(), [...tables.keys()].sort());
  for (const [name, columns] of tables) {
    const isView = JSON.stringify(found.get(name)) !== JSON.stringify(columns);
    if (isView) views.push(name);
    assert.deepEqual(found.get(name), isView ? columns.map(orNull) : columns, name);
  }
  assert.deepEqual(views.sort(), ['evaluation_drafts', 'evaluations', 'patients']);
  assert.ok(functionsOf(open));
  assert.equal(functionsOf(sealed), functionsOf(open));
  return `${tables.size} tables and views, ${views.length} of them with columns that may be NULL`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { server, stop } = await startServer();
  try {
    await writeFile(FILE, await typesOf(server));
    console.log('wrote docs/database.types.ts');
  } finally {
    await stop();
  }
}
