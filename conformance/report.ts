/** Results as text, JSON and JUnit. */
import type { Result } from './suite.ts';

export type Format = 'text' | 'json' | 'junit';

export function report(
  results: readonly Result[],
  format: Format,
  about: { readonly target: string; readonly seed: number },
): string {
  if (format === 'json') return asJson(results, about);
  return format === 'junit' ? asJunit(results, about.target) : asText(results, about);
}

/** A line of a result. */
export function resultLine({ rule, outcome, reason, expected, seen, ms, isSecondTry = false }: Result): string {
  const head = `${outcome.padEnd(4)}  ${rule.id.padEnd(34)} ${rule.section.padEnd(15)} ${rule.level.padEnd(6)} ${String(ms).padStart(5)} ms${isSecondTry ? ', second try' : ''}`;
  if (outcome === 'pass') return head;
  if (outcome === 'skip') return `${head}\n      ${reason}`;
  return `${head}\n      rule      ${rule.text}\n      expected  ${expected}\n      seen      ${seen}`;
}

export function counts(results: readonly Result[]): string {
  const of = (outcome: string) => results.filter((one) => one.outcome === outcome).length;
  return `${results.length} rules: ${of('pass')} pass, ${of('fail')} fail, ${of('skip')} skip`;
}

function asText(
  results: readonly Result[],
  { target, seed }: { readonly target: string; readonly seed: number },
): string {
  return `${results.map(resultLine).join('\n')}\n\n${target}: ${counts(results)} (seed ${seed})\n`;
}

function asJson(results: readonly Result[], about: object): string {
  const rows = results.map(({ rule: { run: _, ...rule }, ...rest }) => ({ ...rule, ...rest }));
  return `${JSON.stringify({ ...about, results: rows.map(({ rule: _, ...row }: Record<string, unknown>) => row) }, undefined, 2)}\n`;
}

function asJunit(results: readonly Result[], target: string): string {
  const cases = results.map(({ rule, outcome, reason, expected, seen, ms }) => {
    const [suite, name] = rule.id.split('/') as [string, string];
    const head = `  <testcase classname="${escaped(`${target}.${suite}`)}" name="${escaped(name)}" time="${(ms / 1000).toFixed(3)}"`;
    if (outcome === 'pass') return `${head}/>`;
    const inner =
      outcome === 'skip'
        ? `<skipped message="${escaped(reason)}"/>`
        : `<failure message="${escaped(`${rule.section} ${rule.text}`)}">${escaped(`expected ${expected}\nseen ${seen}`)}</failure>`;
    return `${head}>${inner}</testcase>`;
  });
  const of = (outcome: string) => results.filter((one) => one.outcome === outcome).length;
  const head = `<testsuite name="${escaped(target)}" tests="${results.length}" failures="${of('fail')}" skipped="${of('skip')}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${head}\n${cases.join('\n')}\n</testsuite>\n`;
}

const escaped = (text: string): string =>
  text
    .replaceAll(/[^\x20-\x7e\n]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
