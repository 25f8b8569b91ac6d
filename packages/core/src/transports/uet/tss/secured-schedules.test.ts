import { describe, expect, it } from 'vitest';
import { runSchedule } from '../../../testing/schedules.ts';
import type { DomainOptions } from './domain-options.ts';
import { SecuredNetwork } from './secured-rig.testdata.ts';

const RUNS = 25;

const MODES: Readonly<Record<string, (n: number) => Omit<DomainOptions, 'sdi'>>> = {
  direct: () => ({ mode: 'direct' }),
  'direct with source identifiers': (n) => ({ mode: 'direct', ssi: n + 1 }),
  cluster: () => ({ mode: 'cluster', rekeyMask: 0xff00, rekeyShift: 8 }),
  // clients do not talk to each other: what they try fails, as with a peer that is not there
  'server and client': (n) => ({ mode: n === 0 ? 'server' : 'client' }),
  // neither has the server heard of its clients when it begins
  'server and client with source identifiers': (n) =>
    n === 0 ? { mode: 'server', ssi: true } : { mode: 'client', ssi: n + 1 },
  'cluster with source identifiers': (n) => ({ mode: 'cluster', ssi: n + 1, rekeyMask: 0xff0, rekeyShift: 4 }),
};

describe('protected traffic over hostile links, with keys that are rotated on the way', () => {
  for (const [name, domain] of Object.entries(MODES)) {
    it(`is delivered exactly once in ${name} mode, no nonce comes twice, seeds 1..${RUNS} (R191, uet:tss/10, uet:tss/13)`, () => {
      let [rotations, opened] = [0, 0];
      for (let seed = 1; seed <= RUNS; seed++) {
        const network = new SecuredNetwork(domain);
        let packets = 0;
        try {
          // of packets in flight some are under the key before; those under the one before that are lost
          const inspect = () => {
            if (++packets % 37 === 0) network.rotate();
            return undefined;
          };
          runSchedule(network.transport, seed, { inspector: () => inspect, settings: { secureStart: seed % 2 } });
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
        rotations += network.rotations;
        for (const { table } of network.nodes) for (const one of table.all()) opened += one.opened;
      }
      expect(rotations).toBeGreaterThan(RUNS);
      expect(opened).toBeGreaterThan(10 * RUNS);
    }, 60_000);
  }
});
