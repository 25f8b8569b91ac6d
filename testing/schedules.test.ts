import { TRANSPORTS } from '@verbena/core';
import { runSchedules } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';

describe.each([...TRANSPORTS])('random schedules of $name', (transport) => {
  it('come out right, seed after seed', () => {
    const t = performance.now();
    const report = runSchedules(transport, { count: 200 });
    console.log(
      report.runs,
      report.operations,
      report.packets,
      report.failedRequests,
      report.failures.length,
      performance.now() - t,
    );
    expect(report.failures.map(({ text }) => text)).toEqual([]);
  });
});
