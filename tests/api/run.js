// The tests of the API: every flow and attack on each pinned PostgREST, the same on servers that are no API, every
// attack with its hole open, what needs SQL rather than the API, and the generated types.
//
// --short leaves out the older PostgREST, the database that was taken over, and what tests the tests: servers that are no
// API, and open holes. AURIA_PLATFORM=supabase runs all of it on a self-hosted Supabase.
//
// API_ONLY=pattern runs the tests whose names match (the steps that count all tests then fail); API_VERBOSE=1 prints
// what each test said, and how each attack was noticed with its hole open.
import { checkSecurityPage } from './security_page.js';
import { CONTROLS } from './stage/controls.js';
import { VERSIONS, startPostgrest, verify } from './stage/postgrest.js';
import { auditDatabase, createDatabase, startServer } from './stage/server.js';
import { SECRET } from './stage/tokens.js';
import { trial } from './stage/trial.js';
import { checkSealedTypes, checkTypes } from './types.js';

// The processes that run the tests sign tokens for the PostgREST that this one starts.
process.env.API_JWT_SECRET = SECRET;

const THROUGH_THE_API = ['flows', 'attacks'];
const isShort = process.argv.includes('--short');
const versions = isShort ? VERSIONS.slice(0, 1) : VERSIONS;
const failures = [];
const attacks = new Set();

async function step(what, work) {
  const started = performance.now();
  const outcome = await work().catch((error) => {
    failures.push(what);
    return `FAILED: ${error.message}`;
  });
  console.log(`${what}: ${outcome} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
}

/** All of these must pass, and there must be some; a skipped test is a failed one. */
function mustPass({ status, output, passed, failed, skipped, attacks: tried }) {
  for (const name of tried) attacks.add(name);
  if (process.env.API_VERBOSE) console.log(output);
  if (status !== 0 || failed.length > 0 || skipped.length > 0 || passed.length === 0) {
    throw new Error(`${failed.length} failed, ${skipped.length} skipped\n${output}`);
  }
  return `${passed.length} passed`;
}

/** Tests that an adopted database answers otherwise, because the clinic's and the platform's own objects stay. */
const OTHERWISE = [
  // Plans with prices and credits of the clinic's own.
  'the price page shows plans, packs and costs to a visitor',
  'a dentist sees the own subscription with the plan embedded',
  'the monthly job settles a month that is over and carries credits into the next',
];

/**
 * Tests that the sealed layout answers otherwise: PostgreSQL refuses an upsert on a view (42P10). The tests in sealed/ show
 * what clients do instead, and try the rest of each of these.
 */
const SEALED = [
  'a patient entered twice under the same name stays one patient',
  'a client reads a patient, changes it and sends the whole row back, encrypted columns included',
  'a draft is saved over the last one and gone when it is discarded',
  'a draft that is saved twice is one draft, and the last one',
  ...['evaluations', 'patients', 'evaluation_drafts'].map(
    (table) => `a row of ${table} cannot be given away, planted on somebody else or taken`,
  ),
  'the encrypted form of a name cannot be forged beside a name',
];

/** Attacks with SQL that speak of tables, where the sealed layout has views: each is tried on those in sealed_sql/. */
const SEALED_SQL = [
  // COPY FROM is refused for a table with row-level security; through a view every row is an INSERT.
  'COPY shows own rows only, loads nothing past the policies and reaches no file or program',
  // DROP TABLE of a view is 42809, ahead of the question who may.
  'nothing of the extension is altered, dropped or replaced by an API role',
  // It prepares the table with ALTER TABLE … DISABLE TRIGGER.
  "the backend's functions spring no trap in the search path",
];

/** Attacks with SQL that Supabase answers otherwise. */
const SUPABASE_SQL = [
  // Its auth.uid(), which policies ask, has no search_path of its own: an attacker's statement fails in it, with his rights.
  'triggers, defaults and policies spring no trap in the search path',
];

/** These must fail, and no other. */
function mustPassBut(otherwise, { output, passed, failed, skipped }) {
  const [found, expectedNames] = [failed, otherwise].map((names) => [...names].sort().join('\n'));
  if (found !== expectedNames || skipped.length > 0) throw new Error(`other than expected:\n${found}\n${output}`);
  return `${passed.length} passed, ${failed.length} answered otherwise, as named`;
}

const { server, stop } = await startServer();
const onSupabase = server.isSupabase ? SUPABASE_SQL : [];
try {
  const expected = new Set();
  const apis = [
    ...versions.map((version) => ({ version, template: server.template, of: '' })),
    ...versions.slice(0, isShort ? 0 : 1).map((version) => ({
      version,
      template: server.adopted,
      of: ' on a database that was taken over',
      otherwise: OTHERWISE,
    })),
    ...versions.map((version) => ({
      version,
      template: server.sealed,
      of: ' on a sealed database',
      otherwise: SEALED,
      more: ['sealed'],
    })),
  ];
  for (const [number, { version, template, of, otherwise, more = [] }] of apis.entries()) {
    await step(`flows and attacks through PostgREST ${version.number}${of}`, async () => {
      await verify(version);
      const database = await createDatabase(server, `api_${number}`, template);
      const postgrest = await startPostgrest(version, server, database);
      try {
        const outcome = await trial([...THROUGH_THE_API, ...more], { server, database, url: postgrest.url, version: version.number });
        for (const name of [...outcome.passed, ...outcome.failed]) expected.add(name);
        return otherwise ? mustPassBut(otherwise, outcome) : mustPass(outcome);
      } finally {
        await postgrest.stop();
      }
    });
  }

  for (const { what, start } of isShort ? [] : CONTROLS) {
    await step(`the same against ${what}`, async () => {
      const database = await createDatabase(server, `control_${CONTROLS.findIndex((control) => control.what === what)}`);
      const control = await start();
      try {
        const { passed, failed } = await trial([...THROUGH_THE_API, 'sealed'], { server, database, url: control.url, version: VERSIONS[0].number });
        if (passed.length > 0) throw new Error(`these pass without an API:\n  ${passed.join('\n  ')}`);
        if (failed.length !== expected.size) throw new Error(`${failed.length} failed of ${expected.size}`);
        return `all ${failed.length} fail, as they must`;
      } finally {
        await control.stop();
      }
    });
  }

  await step('attacks with SQL and lint of the catalogue', async () => {
    const database = await createDatabase(server, 'api_sql');
    const outcome = await trial(['sql', 'lint'], { server, database, url: null, version: VERSIONS[0].number });
    return onSupabase.length > 0 ? mustPassBut(onSupabase, outcome) : mustPass(outcome);
  });

  await step('attacks with SQL and lint of the catalogue on a sealed database', async () => {
    const database = await createDatabase(server, 'sealed_sql', server.sealed);
    return mustPassBut([...SEALED_SQL, ...onSupabase], await trial(['sql', 'lint', 'sealed_sql'], { server, database, url: null, version: VERSIONS[0].number }));
  });

  // A PostgreSQL that nobody packages has no pgAudit.
  if (!isShort && !server.isSupabase && !process.env.AURIA_WITHOUT_PG_CRON) {
    const audited = await startServer('audited');
    try {
      for (const isSealed of [false, true]) {
        await step(`who read which patient, in the log of the ${isSealed ? 'sealed' : 'open'} layout`, async () => {
          const { server } = audited;
          const template = isSealed ? server.sealed : server.template;
          const database = await createDatabase(server, `audited_${isSealed}`, template);
          await auditDatabase(server, database, { isSealed, hasRole: isSealed });
          const postgrest = await startPostgrest(VERSIONS[0], server, database, {
            PGRST_DB_SCHEMAS: 'public, auria',
            PGRST_DB_PRE_REQUEST: 'audit.name_the_user',
          });
          try {
            return mustPass(await trial(['audit'], { server, database, url: postgrest.url, version: VERSIONS[0].number }));
          } finally {
            await postgrest.stop();
          }
        });
      }
    } finally {
      await audited.stop();
    }
  }

  if (!isShort && !server.isSupabase) {
    await step('docs/security.md names every attack and no other', () => checkSecurityPage(attacks));
  }

  if (!isShort) {
    await step('every attack with its hole open', async () =>
      mustPass(await trial(['attacks', 'sql', 'lint'], { server, version: VERSIONS[0].number }, { holes: true })).replace(
        'passed',
        'noticed',
      ),
    );
  }

  await step('docs/database.types.ts is what the database says', () => checkTypes(server));

  await step('the types of a sealed database have the same columns and functions', () => checkSealedTypes(server));
} finally {
  await stop();
}

if (failures.length > 0) {
  console.error(`failed: ${failures.join('; ')}`);
  process.exit(1);
}
