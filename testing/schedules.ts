/**
 * Runs random schedules from the command line:
 *
 *   npm run schedules -w testing -- --count 10000 [--from 1] [--transport uet] [--mode rod] [--security clear]
 *
 * Runs every mode and every protection unless told. Prints a line for each, and the seeds that failed; exit status 1 when
 * there are any.
 */
import { setImmediate } from 'node:timers';
import { parseArgs } from 'node:util';
import { runSchedules, type ScheduleFailure } from '@verbena/core/testing';
import { SCHEDULE_PLANS } from './schedule-plans.ts';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    from: { type: 'string', default: process.env.SEED ?? '1' },
    transport: { type: 'string' },
    mode: { type: 'string' },
    security: { type: 'string' },
  },
});
/** Schedules that are run without a pause. */
const CHUNK = 100;
/** Failures that are printed in full. */
const MAX_DETAILS = 5;
const [count, from] = [Number(values.count), Number(values.from)];
if (!(Number.isInteger(count) && count > 0 && Number.isInteger(from))) {
  console.error('--count and --from are whole numbers');
  process.exit(2);
}
const isWanted = (wanted: string | undefined, name: string) => (wanted ?? name) === name;
const plans = SCHEDULE_PLANS.filter(
  ({ transport, mode, security }) =>
    isWanted(values.transport, transport.name) && isWanted(values.mode, mode) && isWanted(values.security, security),
);
if (plans.length === 0) {
  const names = SCHEDULE_PLANS.map(({ transport, mode, security }) => `${transport.name} ${mode} ${security}`);
  console.error(`there is no such plan; these there are:\n${names.join('\n')}`);
  process.exit(2);
}
let failed = 0;
for (const { transport, mode, security, options } of plans) {
  const start = performance.now();
  const name = `${transport.name} ${mode} ${security}`;
  const report = { runs: 0, operations: 0, packets: 0, failedRequests: 0, failures: [] as ScheduleFailure[] };
  while (report.runs < count) {
    const some = runSchedules(transport, {
      ...{ ...options, from: from + report.runs, count: Math.min(CHUNK, count - report.runs) },
    });
    for (const what of ['runs', 'operations', 'packets', 'failedRequests'] as const) report[what] += some[what];
    report.failures.push(...some.failures);
    if (process.stderr.isTTY) process.stderr.write(`\r${name}: ${report.runs} of ${count}`);
    // runs leave promises behind, and what these hold is free only when they have settled
    await new Promise((resume) => setImmediate(resume));
  }
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `${name}: ${report.runs} schedules from seed ${from}, ${report.operations} requests ` +
      `(${report.failedRequests} ended with an error status, as they may), ${report.packets} packets, ` +
      `${seconds.toFixed(1)} s, ${Math.round(report.runs / seconds)} schedules/s, ${report.failures.length} failures`,
  );
  for (const { text } of report.failures.slice(0, MAX_DETAILS)) console.log(`\n${text}`);
  if (report.failures.length > 0) {
    console.log(`\n${name}: failing seeds: ${report.failures.map(({ seed }) => seed).join(' ')}`);
    failed += report.failures.length;
  }
}
if (failed > 0) process.exitCode = 1;
