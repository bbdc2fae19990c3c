// docs/database.types.ts, made from a running database by the generator behind `supabase gen types`.
// `node types.js` writes it; the runner compares it.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { generateTypescript, sortGeneratorMetadata } from '@supabase/postgrest-typegen/generation';
import { introspect } from '@supabase/postgrest-typegen/introspection';
import pg from 'pg';
import { connection, createDatabase, dropDatabase, startServer } from './stage/server.js';

const FILE = fileURLToPath(new URL('../../docs/database.types.ts', import.meta.url));

async function typesOf(server) {
  const database = await createDatabase(server, 'api_types');
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

export async function checkTypes(server) {
  const committed = await readFile(FILE, 'utf8');
  if (committed !== (await typesOf(server))) throw new Error('docs/database.types.ts is stale: run make types');
  return 'unchanged';
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
