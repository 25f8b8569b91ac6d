/** The command: what it was asked for, and what it does about it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { onOwn } from './own-suite.ts';
import { RULES_PAGE, rulesPage } from './page.ts';
import { counts, type Format, report, resultLine } from './report.ts';
import type { Rule } from './rule.ts';
import { RULES } from './rules/index.ts';
import { type Addresses, loopbackAddresses, oneAddress, type Result, runSuite } from './suite.ts';
import { readTarget, type Target } from './target.ts';
import { UpperTester } from './tester/upper-tester.ts';

/** @returns exit code: 0 all rules that ran are kept, 1 some are not, 2 it could not run */
export async function run(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const format = (values.format ?? 'text') as Format;
  if (!['text', 'json', 'junit'].includes(format)) throw new Error(`--format ${format}: text, json or junit`);
  const seed = Number(values.seed ?? 1);
  if (!Number.isInteger(seed)) throw new Error(`--seed ${values.seed}: a whole number`);
  const rules = chosen(values.only);
  if (values.list === true) {
    for (const { id, section, level, role, text } of rules) {
      process.stdout.write(`${id.padEnd(36)} ${section.padEnd(15)} ${level.padEnd(6)} ${role.padEnd(9)} ${text}\n`);
    }
    return 0;
  }
  if (values.mutations === true) return await mutate(rules, seed);
  if (values.page === true) return await page(seed);
  const isQuiet = format !== 'text' || values.out !== undefined;
  const onResult = (result: Result) => {
    if (!isQuiet) process.stdout.write(`${resultLine(result)}\n`);
  };
  const { results, name } =
    values.target === undefined
      ? await onOwn(rules, seed, onResult)
      : await onTarget(rules, seed, values.target, values.address, values.local, onResult);
  const text = report(results, format, { target: name, seed });
  if (values.out !== undefined) writeFileSync(values.out, text);
  else if (isQuiet) process.stdout.write(text);
  if (format === 'text') process.stdout.write(`\n${name}: ${counts(results)} (seed ${seed})\n`);
  return results.some(({ outcome }) => outcome === 'fail') ? 1 : 0;
}

/** Whether the rules find faults. @returns 0 when they find all */
async function mutate(rules: readonly Rule[], seed: number): Promise<number> {
  const { runMutations } = await import('./mutations/run-mutations.ts');
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const { cleanFailures, verdicts } = await runMutations(rules, seed, undefined, say);
  const missed = verdicts.filter(({ foundBy }) => foundBy.length === 0);
  say(`\n${verdicts.length} faults: ${verdicts.length - missed.length} found, ${missed.length} missed`);
  return cleanFailures.length === 0 && missed.length === 0 ? 0 : 1;
}

/** Writes docs/conformance-rules.md. */
async function page(seed: number): Promise<number> {
  const { results } = await onOwn(RULES, seed);
  writeFileSync(RULES_PAGE, rulesPage(results));
  process.stdout.write(`${RULES_PAGE}: ${counts(results)}\n`);
  return results.some(({ outcome }) => outcome === 'fail') ? 1 : 0;
}

async function onTarget(
  rules: readonly Rule[],
  seed: number,
  file: string,
  address: string | undefined,
  local: string | undefined,
  onResult: (result: Result) => void,
): Promise<{ results: Result[]; name: string }> {
  const target = withAddress(readTarget(readFileSync(file, 'utf8')), address);
  const upper = target.upperTester === undefined ? undefined : await UpperTester.connect(target.upperTester);
  try {
    return {
      results: await runSuite(rules, { target, upper, seed, addresses: localAddresses(target, local), onResult }),
      name: target.name,
    };
  } finally {
    upper?.close();
  }
}

/** The address of the command line goes before that of the file, for the endpoint `main`. */
function withAddress(target: Target, text: string | undefined): Target {
  if (text === undefined) return target;
  const [, address, port] = /^\[?([^\]]+?)\]?(?::(\d+))?$/.exec(text) ?? [];
  if (address === undefined) throw new Error(`--address ${text}: ADDRESS or ADDRESS:PORT`);
  const main = { ...target.endpoints['main']!, address, ...(port === undefined ? {} : { port: Number(port) }) };
  return { ...target, endpoints: { ...target.endpoints, main } };
}

/** On this machine each case has an address of its own; elsewhere the tester has one. */
function localAddresses(target: Target, local: string | undefined): Addresses {
  if (local !== undefined) return oneAddress(local);
  const isNear = Object.values(target.endpoints).every(
    ({ address }) => address.startsWith('127.') || address === '::1',
  );
  return isNear ? loopbackAddresses(`127.${100 + (process.pid % 100)}`) : oneAddress('0.0.0.0');
}

function chosen(only: string | undefined): readonly Rule[] {
  if (only === undefined) return RULES;
  const rules = RULES.filter(
    ({ id, section }) => id.includes(only) || section.startsWith(only) || section.startsWith(`uet:${only}`),
  );
  if (rules.length === 0) throw new Error(`--only ${only}: no rule is called so; --list shows all`);
  return rules;
}

const OPTIONS = {
  address: { type: 'string' },
  target: { type: 'string' },
  local: { type: 'string' },
  only: { type: 'string' },
  list: { type: 'boolean' },
  format: { type: 'string' },
  out: { type: 'string' },
  seed: { type: 'string' },
  mutations: { type: 'boolean' },
  page: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

const HELP = `npm run conformance -- [options]

  Runs one case for each rule of Ultra Ethernet against an endpoint: ours, in a process of its own, or another one.

  --target FILE       describes another endpoint, see docs/conformance.md
  --address A[:PORT]  where its endpoint \`main\` is, instead of what the file says
  --local ADDRESS     where the tester is, when that is not loopback; cases then run one after the other
  --only TEXT         rules whose name has TEXT in it, or whose section begins so
  --list              what rules there are
  --format text|json|junit   --out FILE   --seed N
  --mutations         builds faults into copies of our engine, one at a time, and says which rules find them
  --page              runs all on ours and writes docs/conformance-rules.md
`;
