import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadlineHeap } from './deadline-heap.ts';

const NEVER = Number.POSITIVE_INFINITY;

describe('deadline heap', () => {
  it('agrees with a plain map', () => {
    const set = fc.tuple(fc.nat({ max: 15 }), fc.oneof(fc.nat({ max: 30 }), fc.constant(NEVER)));
    fc.assert(
      fc.property(fc.array(set, { maxLength: 200 }), (sets) => {
        const heap = new DeadlineHeap(16);
        const model = new Map<number, number>();
        for (const [id, due] of sets) {
          heap.set(id, due);
          if (due === NEVER) model.delete(id);
          else model.set(id, due);
          const earliest = Math.min(...model.values(), NEVER);
          expect(heap.earliest()).toBe(earliest);
          expect(heap.size).toBe(model.size);
          expect(heap.due(id)).toBe(due);
          if (model.size === 0) expect(heap.first()).toBe(-1);
          else expect(model.get(heap.first())).toBe(earliest);
        }
        const order: number[] = [];
        while (heap.size > 0) {
          order.push(heap.earliest());
          heap.set(heap.first(), NEVER);
        }
        expect(order).toEqual([...model.values()].sort((a, b) => a - b));
      }),
      { seed: 5, numRuns: 200 },
    );
  });
});
