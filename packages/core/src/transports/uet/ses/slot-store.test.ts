import { describe, expect, it } from 'vitest';
import { DmaSpace } from '../../../engine/dma.ts';
import { SlotStore } from './slot-store.ts';

describe('places for payload that is in no memory of a program', () => {
  it('are made when needed, up to a limit, apart from each other, and used again', () => {
    const dma = new DmaSpace();
    const store = new SlotStore(dma, 100, 37);
    expect([store.used, dma.regions]).toEqual([0, 0]);
    const slots = Array.from({ length: 37 }, () => store.take());
    expect([store.take(), store.used, dma.regions]).toEqual([-1, 37, 3]);
    slots.forEach((slot, i) => {
      store.bytes(slot).fill(i + 1, store.offset(slot), store.offset(slot) + 100);
      expect(store.find(store.region(slot), store.offset(slot))).toBe(slot);
    });
    const into = new Uint8Array(100);
    slots.forEach((slot, i) => {
      expect(dma.fetch(store.region(slot), store.offset(slot), into, 0, 100)).toBe(true);
      expect(into).toEqual(new Uint8Array(100).fill(i + 1));
    });
    store.release(slots[20]!);
    expect([store.used, store.take(), store.take()]).toEqual([36, slots[20], -1]);
    expect(store.find(0x1234, 0)).toBe(-1);
    store.end();
    expect([store.used, dma.regions]).toEqual([0, 0]);
  });
});
