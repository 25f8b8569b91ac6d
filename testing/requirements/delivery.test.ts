/** Modes of delivery of Ultra Ethernet, as a program chooses them. */
import { findTransport, isVerbsError, type QueuePairOptions } from '@verbena/core';
import { Bed } from '@verbena/core/testing';
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

  it('without reliability (UUD) there is none yet: EOPNOTSUPP, which says what there is (R182)', () => {
    const bed = new Bed({ transport: uet, seed: 13 });
    const { pd, sendCq, recvCq } = bed.a;
    for (const type of ['UD', 'UC'] as const) {
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
