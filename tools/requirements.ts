/**
 * The requirements of the project with the tests that prove them.
 *
 *   npm run requirements             writes docs/requirements.md
 *   npm run requirements -- --check  exit status 1 when that page is not up to date, when a MUST row is open, or when a
 *                                    test cites an id that does not exist
 *   npm run requirements -- --open   lists what has neither a test nor a reason
 *   npm run requirements -- --json   everything, as data; with --open, the open ones
 *
 * A test cites by its name: `it('answers EIO after removal (R027)', …)`. The table is tools/requirements/.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sourceFiles } from './citations/source-files.ts';
import { requirementsPage } from './requirements/page.ts';
import { type JudgedRequirement, judge, REQUIREMENT_STATUSES } from './requirements/proofs.ts';
import { REQUIREMENT_KINDS } from './requirements/requirement.ts';
import { REQUIREMENTS } from './requirements/requirements.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['packages', 'testing', 'fuzz', 'tools'];
const PAGE = 'docs/requirements.md';

const line = ({ id, kind, section, statement, mentions }: JudgedRequirement): string =>
  `  ${id} ${kind.padEnd(6)} ${section}  ${statement}${mentions.length === 0 ? '' : ` (named outside of test names: ${mentions.join(', ')})`}`;

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, open: { type: 'boolean' }, json: { type: 'boolean' } },
});
const { requirements, unknown } = judge(REQUIREMENTS, sourceFiles(ROOT, FOLDERS));
const open = requirements.filter(({ status }) => status === 'open');
const page = requirementsPage(REQUIREMENTS, requirements);
const path = join(ROOT, PAGE);

if (values.check) {
  const problems: string[] = [];
  if (!existsSync(path) || readFileSync(path, 'utf8') !== page) {
    problems.push(`${PAGE} is not what the tests say now: npm run requirements`);
  }
  const openMusts = open.filter(({ kind }) => kind === 'MUST');
  if (openMusts.length > 0) problems.push(`${openMusts.length} MUST rows have no test and no reason:`);
  problems.push(...openMusts.map(line));
  problems.push(...unknown.map(({ file, name }) => `no such requirement: ${file}: ${name}`));
  if (values.json) console.log(JSON.stringify({ problems }));
  else if (problems.length > 0) console.log(problems.join('\n'));
  if (problems.length > 0) process.exitCode = 1;
} else if (values.json) {
  console.log(JSON.stringify({ requirements: values.open ? open : requirements, unknown }));
} else if (values.open) {
  console.log(`${open.length} of ${requirements.length} requirements have no test and no reason`);
  for (const requirement of open) console.log(line(requirement));
} else {
  writeFileSync(path, page);
  for (const kind of REQUIREMENT_KINDS) {
    const rows = requirements.filter((row) => row.kind === kind);
    const counts = REQUIREMENT_STATUSES.map(
      (status) => `${rows.filter((row) => row.status === status).length} ${status}`,
    );
    console.log(`${kind.padEnd(6)} ${counts.join(', ')}`);
  }
}
