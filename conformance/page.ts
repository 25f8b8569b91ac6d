/** The page of all rules: what each demands, where it stands, and what came out on our endpoint. */
import { fileURLToPath } from 'node:url';
import type { Rule } from './rule.ts';
import type { Outcome, Result } from './suite.ts';

/** Where the page is, seen from the source and from what was built of it. */
export const RULES_PAGE = fileURLToPath(
  new URL(
    import.meta.url.includes('/dist/') ? '../../docs/conformance-rules.md' : '../docs/conformance-rules.md',
    import.meta.url,
  ),
);

export function rulesPage(results: readonly Pick<Result, 'rule' | 'outcome'>[]): string {
  const topics = new Map<string, (typeof results)[number][]>();
  for (const result of results) {
    const name = result.rule.id.split('/')[0]!;
    topics.set(name, [...(topics.get(name) ?? []), result]);
  }
  const lines = [
    '# Rules of Ultra Ethernet, and whether the endpoint here keeps them',
    '',
    'Written by `npm run conformance -- --page`; do not edit. How the suite works: [conformance.md](conformance.md).',
    '',
    `${results.length} rules: ${countOf(results, 'pass')} kept, ${countOf(results, 'fail')} broken, ${countOf(results, 'skip')} not run.`,
    '',
    '| topic | rules | kept | broken | not run |',
    '| --- | --- | --- | --- | --- |',
    ...[...topics].map(
      ([name, rows]) =>
        `| [${name}](#${name}) | ${rows.length} | ${countOf(rows, 'pass')} | ${countOf(rows, 'fail')} | ${countOf(rows, 'skip')} |`,
    ),
  ];
  for (const [name, rows] of topics) {
    lines.push(
      '',
      `## ${name}`,
      '',
      '| rule | section | level | role | the endpoint | here |',
      '| --- | --- | --- | --- | --- | --- |',
    );
    for (const { rule, outcome } of rows) lines.push(rowOf(rule, outcome));
  }
  return `${lines.join('\n')}\n`;
}

function rowOf({ id, section, level, role, text, on }: Rule, outcome: Outcome): string {
  const name = id.slice(id.indexOf('/') + 1);
  const where = on === 'main' ? '' : ` (\`${on}\`)`;
  const words = { pass: 'kept', fail: 'broken', skip: 'not run' } as const;
  return `| ${name}${where} | ${section} | ${level} | ${role} | ${text.replaceAll('|', '\\|')} | ${words[outcome]} |`;
}

const countOf = (results: readonly Pick<Result, 'outcome'>[], outcome: Outcome): number =>
  results.filter((one) => one.outcome === outcome).length;
