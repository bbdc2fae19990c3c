// The throw-away PostgreSQL with the extension in it: the one of the Rust tests.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const PROGRAM = ['run', '--locked', '--quiet', '--package', 'auria_tests', '--bin', 'throw_away_server'];

/** Starts the server; it ends with this process. */
export async function startServer() {
  const child = spawn('cargo', PROGRAM, { cwd: REPOSITORY, stdio: ['pipe', 'pipe', 'inherit'] });
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

/** Runs statements in the maintenance database, as the superuser. */
async function administer(server, statement) {
  const client = new pg.Client(connection(server, 'postgres'));
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

export async function dropDatabase(server, name) {
  await administer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}
