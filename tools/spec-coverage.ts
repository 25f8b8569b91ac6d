/**
 * Which sections and requirements are cited where: by source that implements them, and by tests that prove them.
 *
 *   npm run spec-coverage            sections that source cites and no test does; exit status 0
 *   npm run spec-coverage -- --all   everything, as a table
 *   npm run spec-coverage -- --json
 *
 * A citation is `uet:pds/3.4`, `uet:ses/1.4`, `verbs/5.8` or a requirement id such as `R026`, in a comment or in the
 * name of a test.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sourceFiles } from './citations/source-files.ts';

interface Row {
  readonly source: Set<string>;
  readonly tests: Set<string>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['packages', 'testing', 'fuzz'];
const CITATION = /\b(?:uet:(?:pds|ses|tss|cms)|verbs)\/\d+(?:\.\d+)*|\bR\d{3}\b/g;

function collect(): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const { path, text, isTest } of sourceFiles(ROOT, FOLDERS)) {
    for (const [citation] of text.matchAll(CITATION)) {
      const row = rows.get(citation) ?? { source: new Set(), tests: new Set() };
      rows.set(citation, row);
      (isTest ? row.tests : row.source).add(path);
    }
  }
  return rows;
}

/** A section is proven by its own tests or by those of its parts. */
function tested(rows: Map<string, Row>, citation: string): boolean {
  for (const [other, { tests }] of rows) {
    if (tests.size > 0 && (other === citation || other.startsWith(`${citation}.`))) return true;
  }
  return false;
}

const { values } = parseArgs({ options: { all: { type: 'boolean' }, json: { type: 'boolean' } } });
const rows = collect();
const order = new Intl.Collator('en', { numeric: true });
const citations = [...rows.keys()].sort(order.compare);
const untested = citations.filter((citation) => !tested(rows, citation));
if (values.json) {
  const table = citations.map((citation) => ({
    citation,
    source: [...rows.get(citation)!.source].sort(),
    tests: [...rows.get(citation)!.tests].sort(),
  }));
  console.log(JSON.stringify({ citations: table, untested }));
} else {
  if (values.all) {
    for (const citation of citations) {
      const { source, tests } = rows.get(citation)!;
      console.log(
        `${citation.padEnd(16)} ${String(source.size).padStart(3)} source  ${String(tests.size).padStart(3)} tests`,
      );
    }
    console.log();
  }
  console.log(
    `${citations.length} sections and requirements are cited, ${citations.length - untested.length} of them by tests`,
  );
  for (const citation of untested)
    console.log(`  no test cites ${citation}: ${[...rows.get(citation)!.source].sort().join(', ')}`);
}
