import { readFileSync } from 'node:fs';
import { runSchedule, runSchedules } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { type Regression, SCHEDULE_PLANS } from './schedule-plans.ts';

const REGRESSIONS: readonly Regression[] = JSON.parse(
  readFileSync(new URL('./regressions/schedules.json', import.meta.url), 'utf8'),
);
const FROM = Number(process.env.SEED ?? 1);

describe.each([...SCHEDULE_PLANS])('random schedules of $transport.name $options.kind', ({ transport, options }) => {
  for (const { seed, what } of REGRESSIONS.filter(
    (one) => one.transport === transport.name && (one.kind ?? 'RU') === options.kind,
  )) {
    it(`seed ${seed}, which once failed: ${what}`, () => {
      runSchedule(transport, seed, options);
    });
  }

  it(`come out right from seed ${FROM} on`, () => {
    const report = runSchedules(transport, { ...options, from: FROM, count: 300 });
    expect(report.failures.map(({ text }) => text)).toEqual([]);
    expect(report.operations).toBeGreaterThan(2000);
    expect(report.failedRequests).toBeLessThan(report.operations / 4);
  });

  it('are the same, packet for packet, when run again', () => {
    for (let seed = FROM; seed < FROM + 20; seed++) {
      expect(runSchedule(transport, seed, options)).toEqual(runSchedule(transport, seed, options));
    }
  });
});
