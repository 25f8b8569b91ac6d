/**
 * The conformance suite of drivers, as a library: what every device owes to programs and to the core, whatever it has
 * of queues and memory. A driver's test calls it with the test framework in use and says, with reasons, what does not
 * apply:
 *
 *   driverSuite(efaLike, { describe, it, skip: [{ reason: 'no protection domains', cases: ['isolation/*'] }] });
 *
 * After each case the devices are taken away, and nothing may be left.
 */
import { DriverBench, type DriverUnderTest } from './driver-bench.ts';
import type { DriverCase } from './driver-cases/driver-case.ts';
import { LIFE_CASES } from './driver-cases/life.ts';
import { OBJECT_CASES } from './driver-cases/objects.ts';
import { REMOVAL_CASES } from './driver-cases/removal.ts';
import { WORK_CASES } from './driver-cases/work.ts';
import type { SuiteOptions } from './transport-suite.ts';

/** All cases, for those who run them without a test framework. */
export const DRIVER_CASES: readonly DriverCase[] = [...LIFE_CASES, ...OBJECT_CASES, ...REMOVAL_CASES, ...WORK_CASES];

export function driverSuite(driver: DriverUnderTest, options: Omit<SuiteOptions, 'settings'>): void {
  const { describe, it, skip = [] } = options;
  const patterns = skip.flatMap(({ reason, cases }) => cases.map((glob) => ({ reason, glob, pattern: regexOf(glob) })));
  const skippedBy = (name: string) => patterns.find(({ pattern }) => pattern.test(name));
  describe(`driver suite: ${driver.name}`, () => {
    for (const one of DRIVER_CASES) {
      const skipped = skippedBy(one.name);
      const title = `${one.name} (${one.proves})`;
      if (skipped !== undefined) it.skip(`${title}: ${skipped.reason}`, () => {});
      else it(title, () => runDriverCase(driver, one));
    }
    const count = DRIVER_CASES.filter(({ name }) => skippedBy(name) !== undefined).length;
    it(`ran ${DRIVER_CASES.length - count} cases, skipped ${count}, each with a reason (R227)`, () => {
      const idle = patterns.filter(({ pattern }) => !DRIVER_CASES.some(({ name }) => pattern.test(name)));
      if (idle.length > 0) throw new Error(`these match no case: ${idle.map(({ glob }) => glob).join(', ')}`);
    });
  });
}

/** Runs one case, then checks that nothing is left. @throws Error what is wrong */
export function runDriverCase(driver: DriverUnderTest, { run }: DriverCase): void {
  const bench = new DriverBench(driver);
  run(bench);
  bench.end();
}

const regexOf = (glob: string): RegExp =>
  new RegExp(`^${glob.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`);
