// The real PostgREST, from its npm packages, in the two versions the tests pin.
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { SECRET, anonToken } from './tokens.js';

export const VERSIONS = [
  {
    number: '12.0.2',
    package: 'postgrest-12',
    sha256: '0af68afe747ce09964f29e7c872e77b038aec483a8f3923c20850e850447add5',
  },
  {
    number: '11.2.2',
    package: 'postgrest-11',
    sha256: '9e09890c0089c150f8d9575811d9a754872fbad2922ee2f8819ebe02e774d2d3',
  },
];

export function versionOf(number) {
  const version = VERSIONS.find((known) => known.number === number);
  if (!version) throw new Error(`no PostgREST ${number} among those pinned`);
  return version;
}

const binaryOf = (version) => fileURLToPath(new URL(`../node_modules/${version.package}/postgrest`, import.meta.url));

/** Fails when the binary is missing or is another one than the one that was pinned. */
export async function verify(version) {
  const binary = binaryOf(version);
  const found = createHash('sha256').update(await readFile(binary)).digest('hex');
  if (found !== version.sha256) {
    throw new Error(`${binary} has sha256 ${found}, not ${version.sha256}: it is not PostgREST ${version.number}`);
  }
}

// PostgREST must not outlive the process that started it, however that ends: its keeper reads from a pipe that
// closes with it.
const KEEPER = 'trap "" INT HUP; "$@" </dev/null 2>&1 & cat >/dev/null; kill $! 2>/dev/null; wait $!';

/** Starts PostgREST on a free port in api of a database, and waits until it answers. */
export async function startPostgrest(version, server, database, settings = {}) {
  await verify(version);
  const port = await freePort();
  const place = new URLSearchParams({ host: server.host, port: server.port });
  const child = spawn('sh', ['-c', KEEPER, 'keeper', binaryOf(version)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      PGRST_DB_URI: `postgresql://authenticator@/${database}?${place}`,
      PGRST_DB_SCHEMAS: 'public',
      PGRST_DB_ANON_ROLE: 'anon',
      PGRST_DB_POOL: '4',
      PGRST_JWT_SECRET: SECRET,
      PGRST_SERVER_HOST: '127.0.0.1',
      PGRST_SERVER_PORT: String(port),
      ...settings,
    },
  });
  let log = '';
  child.stdout.on('data', (line) => (log += line));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const stop = () => {
    child.stdin.end();
    return ended;
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await answers(url, () => log);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}

async function answers(url, log) {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    const response = await fetch(`${url}/credit_packs?limit=0`).catch(() => null);
    if (response?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`PostgREST does not answer at ${url}:\n${log()}`);
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
