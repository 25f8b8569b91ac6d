/** What endpoints ask of queue pairs: the lowering of ordering and of completion levels. */
import { describe, expect, it } from 'vitest';
import { TRANSPORTS } from '../catalog.ts';
import { FabricBed } from '../testing/fabric-bed.ts';
import type { Capabilities, MessageOrder } from './info.ts';

const uet = TRANSPORTS.find(({ name }) => name === 'uet')!;

function queuePairs(caps: Partial<Capabilities>, messageOrder: readonly MessageOrder[] = []) {
  const bed = new FabricBed({ transport: uet, hints: { caps, endpoint: { type: 'rdm' }, transmit: { messageOrder } } });
  const rows = bed.a.node.device.resources().filter((row) => row['kind'] === 'qp');
  bed.close();
  return rows.map(({ type, ordered }) => ({ type, ordered }));
}

describe('what an endpoint is made of (R122, uet:ses/6.2)', () => {
  it('any order makes it ordered (ROD), none leaves it unordered (RUD)', () => {
    expect(queuePairs({ msg: true })).toEqual([{ type: 'RU', ordered: false }]);
    expect(queuePairs({ msg: true }, ['SAS'])).toEqual([{ type: 'RU', ordered: true }]);
    expect(queuePairs({ msg: true }, ['WAW'])).toEqual([{ type: 'RU', ordered: true }]);
  });

  it('accesses that may be repeated have a queue pair of their own (RUDI)', () => {
    expect(queuePairs({ msg: true, rma: true, idempotent: true })).toHaveLength(2);
    expect(() => queuePairs({ rma: true, idempotent: true }, ['SAS'])).toThrow(/ENODATA/);
  });

  it('a fence is not offered unasked, nor where accesses go two ways', () => {
    expect(queuePairs({ msg: true, fence: true })).toHaveLength(1);
    const twoWays = { msg: true, rma: true, fence: true, idempotent: true };
    for (const caps of [{ msg: true }, twoWays]) refusesFence(caps);
  });

  function refusesFence(caps: Partial<Capabilities>): void {
    const bed = new FabricBed({ transport: uet, hints: { caps } });
    const { a, b } = bed;
    expect(() => a.endpoint.messages.sendMessage({ to: a.to(b), fence: true })).toThrow(/cannot wait/);
    bed.close();
  }

  it('messages to a peer that takes one packet are refused beyond that (uet:ses/1.5)', () => {
    const bed = new FabricBed({
      transport: uet,
      hints: { caps: { msg: true, rma: true } },
      endpoint: { singlePacket: true },
    });
    const { a, b } = bed;
    const region = a.memory(3000);
    const { mtu } = a.info.endpoint;
    expect(() => a.endpoint.messages.send(region, 0, mtu + 1, a.to(b))).toThrow(/one packet/);
    const far = b.memory(3000);
    a.endpoint.rma.write(region, 0, 3000, a.to(b), 0, far.key);
    bed.completed(a, 1, 0);
    expect(a.sent[0]!.ok).toBe(true);
    bed.close();
  });
});
