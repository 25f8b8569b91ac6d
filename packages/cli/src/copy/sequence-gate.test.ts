import { describe, expect, it } from 'vitest';
import { SequenceGate } from './sequence-gate.ts';

describe('sequence gate', () => {
  const gateOf = (limit: number) => {
    const gate: SequenceGate = new SequenceGate(limit, (error) => gate.fail(error));
    return gate;
  };

  it('lets chunks through in the order of waiting, whatever order they come in', async () => {
    const gate = gateOf(4);
    gate.arrive(1);
    gate.arrive(0);
    await gate.wait(0);
    await gate.wait(1);
    const third = gate.wait(2);
    gate.arrive(2);
    await third;
  });

  it('fails what waits now and later, with the first error', async () => {
    const gate = gateOf(4);
    const waiting = gate.wait(0);
    gate.fail(new Error('first'));
    gate.fail(new Error('second'));
    await expect(waiting).rejects.toThrow('first');
    await expect(gate.wait(1)).rejects.toThrow('first');
  });

  it('takes a chunk that comes twice, or more than fit, for an error of the peer', async () => {
    const twice = gateOf(4);
    twice.arrive(3);
    twice.arrive(3);
    await expect(twice.wait(0)).rejects.toThrow('out of turn');
    const many = gateOf(2);
    for (const sequence of [1, 2, 3]) many.arrive(sequence);
    await expect(many.wait(0)).rejects.toThrow('out of turn');
  });
});
