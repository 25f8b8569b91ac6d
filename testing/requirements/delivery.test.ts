/** Modes of delivery of Ultra Ethernet, as a program chooses them. */
import { findTransport, isVerbsError, type QueuePairOptions } from '@verbena/core';
import { Bed, type SentPacket, unreliablePair } from '@verbena/core/testing';
import { PdsType } from '@verbena/core/wire';
import { describe, expect, it } from 'vitest';

const uet = findTransport('uet')!;

describe('delivery over uet', () => {
  it.each([
    [false, 'rud'],
    [true, 'rod'],
  ])('ordered %s is carried by contexts of mode %s only (R182)', (ordered, mode) => {
    const bed = new Bed({ transport: uet, seed: 12, ordered });
    const { a, b } = bed;
    const [source, target] = [a.buffer(9000, { salt: 4 }), b.buffer(9000)];
    a.qp.post({ opcode: 'write', to: a.to(b), ...source.part(), remote: target.remote });
    bed.completed(a, 1, 0);
    target.expectPattern(4);
    const contexts = [a, b].flatMap(({ node }) => node.kernel.protocolRows().filter(({ kind }) => kind === 'pdc'));
    expect(contexts.length).toBeGreaterThan(1);
    expect(new Set(contexts.map((row) => row['mode']))).toEqual(new Set([mode]));
    bed.close();
  });

  it.each([
    ['idempotent writes go by RUDI', PdsType.RUDI_REQ],
    ['datagrams go by UUD', PdsType.UUD_REQ],
  ] as const)('%s, and make no context (R182)', (_what, type) => {
    const types = new Set<number>();
    const inspect = ({ bytes }: SentPacket) => {
      types.add(bytes[0]! >> 3);
      return undefined;
    };
    const bed = new Bed({ transport: uet, seed: 13, inspect, idempotentMemory: true });
    const { a, b } = bed;
    if (type === PdsType.RUDI_REQ) {
      const qp = a.queuePair({ idempotent: true });
      qp.post({ opcode: 'write', to: a.to(b), ...a.buffer(100).part(), remote: b.buffer(100).remote });
    } else {
      const { near, to } = unreliablePair(bed, 'UD');
      near.post({ opcode: 'send', ...to, ...a.buffer(100).part() });
    }
    bed.completed(a, 1, 0);
    expect(a.sent[0]!.status).toBe('SUCCESS');
    expect(types).toContain(type);
    expect([...types].every((one) => one === type || one === PdsType.RUDI_RESP)).toBe(true);
    bed.close();
  });

  it('a kind that is missing answers EOPNOTSUPP, which says what there is (R182)', () => {
    const bed = new Bed({ transport: uet, seed: 13 });
    const { pd, sendCq, recvCq } = bed.a;
    for (const type of ['UC', 'RC'] as const) {
      const options: QueuePairOptions = { type, sendCq, recvCq };
      try {
        pd.createQueuePair(options);
        expect.unreachable();
      } catch (thrown) {
        if (!isVerbsError(thrown)) throw thrown;
        expect(thrown.code).toBe('EOPNOTSUPP');
        expect(thrown.explain()).toContain('RU');
      }
    }
    bed.close();
  });
});
