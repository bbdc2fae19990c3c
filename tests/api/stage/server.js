// The throw-away PostgreSQL with the extension in it: the one of the Rust tests.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const PROGRAM = ['run', '--locked', '--quiet', '--package', 'auria_tests', '--bin', 'throw_away_server'];

/** Starts the server; it ends with this process. */
export async function startServer(...kinds) {
  const child = spawn('cargo', [...PROGRAM, '--', ...kinds], { cwd: REPOSITORY, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([
    new Promise((resolve) => lines.once('line', resolve)),
    ended.then((status) => Promise.reject(new Error(`the throw-away server ended with status ${status}`))),
  ]);
  return {
    server: JSON.parse(line),
    stop: () => {
      child.stdin.end();
      return ended;
    },
  };
}

/** How pg reaches a database of the server. */
export function connection(server, database, user = server.superuser) {
  return { host: server.host, port: server.port, user, database };
}

/** Runs statements as the superuser. */
async function administer(server, statement, database = 'postgres') {
  const client = new pg.Client(connection(server, database));
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A new database with the extension created in it; or, made from `server.adopted`, one that the extension took over. */
export async function createDatabase(server, name, template = server.template) {
  await administer(server, `CREATE DATABASE ${name} OWNER postgres TEMPLATE ${template}`);
  return name;
}

const OPEN = 'public.patients, public.evaluations, public.evaluation_drafts';
const SEALED = 'auria_raw.patients_raw, auria_raw.evaluations_raw, auria_raw.evaluation_drafts_raw';
const ROLE = 'CREATE ROLE auditor NOLOGIN;';

/** Has it recorded who reads which patient, by the statements of docs/phi.md. The audit role is the server's: another database has made it already. */
export async function auditDatabase(server, database, { isSealed, hasRole }) {
  if (![SEALED, ROLE].every((part) => server.audit.includes(part))) throw new Error(`docs/phi.md has changed:\n${server.audit}`);
  const statements = isSealed ? server.audit : server.audit.replace(SEALED, OPEN);
  await administer(server, hasRole ? statements.replace(ROLE, '') : statements, database);
}

export async function dropDatabase(server, name) {
  await administer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}
