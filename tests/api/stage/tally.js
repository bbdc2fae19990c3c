import { relative } from 'node:path';

// A reporter for the runner: one line of JSON for each test that passed or failed, suites and files left out.
export default async function* tally(events) {
  for await (const { type, data } of events) {
    if ((type === 'test:pass' || type === 'test:fail') && data.details?.type !== 'suite' && data.nesting === 0 && data.line !== 1) {
      const verdict = data.skip || data.todo ? 'skipped' : type.slice('test:'.length);
      yield `${JSON.stringify({ verdict, name: data.name, file: relative(process.cwd(), data.file) })}\n`;
    }
  }
}
