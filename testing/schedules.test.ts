import { readFileSync } from 'node:fs';
import { runSchedule, runSchedules, type SentPacket } from '@verbena/core/testing';
import { PdsType } from '@verbena/core/wire';
import { describe, expect, it } from 'vitest';
import { type Regression, SCHEDULE_PLANS } from './schedule-plans.ts';

const REGRESSIONS: readonly Regression[] = JSON.parse(
  readFileSync(new URL('./regressions/schedules.json', import.meta.url), 'utf8'),
);
const FROM = Number(process.env.SEED ?? 1);

describe.each([...SCHEDULE_PLANS])(
  'random schedules of $transport.name $mode $security',
  ({ transport, mode, security, options }) => {
    const isClear = security === 'clear';
    for (const one of REGRESSIONS) {
      if (one.transport !== transport.name || (one.security ?? 'clear') !== security) continue;
      if (one.mode !== undefined && one.mode !== mode) continue;
      it(`seed ${one.seed}, which once failed: ${one.what}`, () => {
        runSchedule(transport, one.seed, options);
      });
    }

    it(`come out right from seed ${FROM} on (R191)`, () => {
      const report = runSchedules(transport, { ...options, from: FROM, count: isClear ? 150 : 10 });
      expect(report.failures.map(({ text }) => text)).toEqual([]);
      expect(report.operations).toBeGreaterThan(isClear ? 1000 : 50);
      // a server that does not know a client yet cannot write first, and clients do not reach each other
      if (!security.startsWith('server')) expect(report.failedRequests).toBeLessThan(report.operations / 4);
    });

    it.runIf(isClear && mode === 'rudi')('write and read by idempotent requests (uet:ses/5.4)', () => {
      let requests = 0;
      const inspector = () => (packet: SentPacket) => {
        if (packet.bytes[0]! >>> 3 === PdsType.RUDI_REQ) requests++;
        return undefined;
      };
      const report = runSchedules(transport, { ...options, inspector, from: FROM, count: 20 });
      expect(report.failures.map(({ text }) => text)).toEqual([]);
      expect(requests).toBeGreaterThan(100);
    });

    it.runIf(isClear || mode === 'rod')('are the same, packet for packet, when run again', () => {
      for (let seed = FROM; seed < FROM + (isClear ? 10 : 2); seed++) {
        expect(runSchedule(transport, seed, options)).toEqual(runSchedule(transport, seed, options));
      }
    });
  },
);
