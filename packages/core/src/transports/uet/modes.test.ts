/** Hostile schedules for every delivery mode and for the settings that change what packets say. */
import { describe, expect, it } from 'vitest';
import type { SentPacket } from '../../testing/pump.ts';
import { runSchedules } from '../../testing/schedules.ts';
import { PdsType } from '../../wire/uet/pds.ts';
import { uet } from './index.ts';

const MODES: readonly (readonly [what: string, settings: Readonly<Record<string, number>>])[] = [
  ['RUDI for writes and reads (uet:pds/6.1)', { idempotentRequests: 1 }],
  ['RUDI with a table that is always full', { idempotentRequests: 1, rudiPackets: 16 }],
  ['CC requests and measured state in each ACK (uet:pds/2.6, uet:pds/2.8)', { ccRequests: 1, ccState: 1 }],
  ['credit in each ACK', { ccRequests: 1, ccState: 2 }],
  ['every start told where to begin (NEW_START_PSN, uet:pds/3.6)', { maxUnproven: 0 }],
  ['starts told where to begin, numbers that run out soon', { maxUnproven: 0, newPdcTime: 1_000_000 }],
  ['Negotiation before everything (uet:pds/2.13)', { negotiate: 1 }],
  ['destinations that infer losses (uet:pds/5.3)', { inferLossPackets: 4 }],
  ['one message in arrival for each peer', { maxInboundPerPeer: 16, windowPackets: 16, defaultMpr: 1 }],
];

describe('exactly once, or a status, whatever the links do (R190, R191)', () => {
  for (const [what, settings] of MODES) {
    it(`${what}: 40 schedules from seed 1`, () => {
      const isRudi = settings['idempotentRequests'] === 1;
      let idempotent = 0;
      const inspector = () => (packet: SentPacket) => {
        if (packet.bytes[0]! >>> 3 === PdsType.RUDI_REQ) idempotent++;
        return undefined;
      };
      const options = { from: 1, count: 40, settings, idempotentMemory: isRudi, inspector };
      const { failures } = runSchedules(uet, options);
      expect(failures.slice(0, 2).map(({ text }) => text)).toEqual([]);
      expect(idempotent > 100, `${idempotent} RUDI requests`).toBe(isRudi);
    });
  }
});
