// Runs test files in a process of their own and counts what passed and failed.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('..', import.meta.url));

async function filesOf(directories) {
  const listed = await Promise.all(
    directories.map(async (directory) =>
      (await readdir(join(HERE, directory))).filter((name) => name.endsWith('.test.js')).map((name) => join(directory, name)),
    ),
  );
  const files = listed.flat().sort();
  if (files.length === 0) throw new Error(`no tests in ${directories}`);
  return files;
}

/** The verdict on every test of these directories, with the output for whoever has to look closer. */
export async function trial(directories, underTest, { holes = false } = {}) {
  const scratch = await mkdtemp(join(tmpdir(), 'auria-api-'));
  try {
    const tally = join(scratch, 'tally');
    const child = spawn(
      process.execPath,
      [
        '--test',
        // Tests wait for servers more than they compute.
        '--test-concurrency=3',
        '--test-reporter=spec',
        '--test-reporter-destination=stdout',
        '--test-reporter=./stage/tally.js',
        `--test-reporter-destination=${tally}`,
        ...(process.env.API_ONLY ? [`--test-name-pattern=${process.env.API_ONLY}`] : []),
        ...(await filesOf(directories)),
      ],
      {
        cwd: HERE,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, API_UNDER_TEST: JSON.stringify(underTest), API_HOLES: holes ? '1' : '0' },
      },
    );
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    const status = await new Promise((resolve) => child.once('close', resolve));
    const verdicts = (await readFile(tally, 'utf8')).split('\n').filter(Boolean).map(JSON.parse);
    const named = (kind) => verdicts.filter(({ verdict }) => verdict === kind).map(({ name }) => name);
    // A test is from where it was registered, which is the same place for all attacks.
    const attacks = verdicts.filter(({ file }) => file === join('stage', 'attack.js')).map(({ name }) => name);
    return { status, output, attacks, passed: named('pass'), failed: named('fail'), skipped: named('skipped') };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
