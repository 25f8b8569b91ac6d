import { parseAddress } from '@verbena/core';
import { Bed, JOB } from '@verbena/core/testing';
import { describe, expect, it } from 'vitest';
import { RELIABLE_KINDS } from '../reliable-kinds.ts';
import { RdmEndpoint } from './rdm-endpoint.ts';

/** A program of the verbs library on every node, and one of the other library on two of them. */
describe('a second library over the same user API (R122 R168 R221)', () => {
  // its endpoints reach everybody: there is nothing for a library of this manner in connected queue pairs
  for (const { transport } of RELIABLE_KINDS.filter(({ kind }) => kind === 'RU')) {
    it(`exchanges messages over ${transport.name}, while verbs programs do on the same devices`, () => {
      const bed = new Bed({ transport, seed: 20_261_124 });
      const [left, right] = [bed.a.node, bed.b.node];
      const near = new RdmEndpoint(left.port, left.registered.name, JOB + 1);
      const far = new RdmEndpoint(right.port, right.registered.name, JOB + 1);
      near.insert(3, parseAddress(right.address)!, far.qpn);
      far.insert(0, parseAddress(left.address)!, near.qpn);

      const target = bed.b.buffer(256);
      const source = bed.a.buffer(256, { salt: 9 });
      bed.b.qp.postReceive({ ...target.part() });
      bed.a.qp.post({ opcode: 'send', to: bed.a.to(bed.b), ...source.part() });
      for (let i = 0; i < 8; i++) near.send(3, Uint8Array.of(i, 1, 2, 3));
      far.send(0, Uint8Array.of(99));
      bed.until('all messages to arrive', () => {
        near.progress();
        far.progress();
        return far.received.length === 8 && near.received.length === 1 && bed.b.received.length === 1;
      });
      expect(far.received.map(([first]) => first).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(near.received[0]).toEqual(Uint8Array.of(99));
      expect(near.counter.errors + far.counter.errors).toBe(0);
      target.expectPattern(9);
      near.close();
      far.close();
      bed.close();
    });
  }
});
