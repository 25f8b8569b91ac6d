/** The long run: `npm run hostile -w testing -- --seconds 120 --seed 1 [--only WORD]`. */
import { parseArgs } from 'node:util';
import { HOSTILE_CASES } from './cases/index.ts';
import { type CaseReport, HostileSuite } from './suite.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    effort: { type: 'string' },
  },
});
const LONG = 20;
const seconds = Number(values.seconds);
const cases = HOSTILE_CASES.filter(({ name }) => name.includes(values.only));
const suite = await HostileSuite.start(2000);
const { quiet } = suite;
console.log(
  `victim alone: ${quiet.exchanges} exchanges, p50 ${ms(quiet.p50Ms)}, p99 ${ms(quiet.p99Ms)}, most ${ms(quiet.maxMs)}`,
);
const start = performance.now();
let failed = 0;
let seed = Number(values.seed);
try {
  // twenty times the short run first: 100,000 calls at least; then rounds of the short one until the time is over
  const long = Number(values.effort ?? LONG);
  for (let round = 0; round === 0 || (performance.now() - start) / 1000 < seconds; round++) {
    for (const one of cases) {
      if (round > 0 && (performance.now() - start) / 1000 >= seconds) break;
      const effort = round === 0 ? Math.min(long, one.longest ?? long) : 1;
      const report = await suite.run(one, seed, effort);
      print(report);
      if (report.problems.length > 0) failed++;
    }
    seed++;
  }
} finally {
  const left = await suite.close();
  for (const problem of left) console.log(`! ${problem}`);
  failed += left.length;
}
console.log(failed === 0 ? 'nothing went wrong' : `${failed} cases went wrong`);
process.exit(failed === 0 ? 0 : 1);

function print({ name, seed: used, seconds: took, problems, facts, victim, counted, residentBytes }: CaseReport): void {
  const list = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ');
  const mib = residentBytes.map((one) => Math.round(one / 2 ** 20)).join(' -> ');
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name} (seed ${used}, ${took.toFixed(1)} s)`);
  console.log(`     attack: ${list(facts)}`);
  console.log(`     daemon: ${list(counted)}; ${mib} MiB`);
  const { exchanges, p50Ms, p99Ms, maxMs } = victim;
  console.log(`     victim: ${exchanges} exchanges, p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, most ${ms(maxMs)}`);
  for (const problem of problems) console.log(`   ! ${problem}`);
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
