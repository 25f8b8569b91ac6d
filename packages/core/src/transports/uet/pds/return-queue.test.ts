import { describe, expect, it } from 'vitest';
import { ReturnQueue } from './return-queue.ts';

describe('return queue (uet:pds/4.9)', () => {
  it('is first in, first out, and keeps what a PSN carries beside it', () => {
    const queue = new ReturnQueue(20, 16);
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 20; n++) {
        expect(queue.full).toBe(false);
        const i = queue.add();
        queue.fields.length[i] = n + 1;
        queue.fields.offset[i] = 2 ** 40 + n;
        queue.fields.messageOffset[i] = 0xffff_0000 + n;
        queue.fields.psn[i] = 0xffff_fff0 + n;
      }
      expect(queue.full).toBe(true);
      for (let n = 0; n < 20; n++) {
        expect(queue.peekLength()).toBe(n + 1);
        const psn = (0xffff_fff8 + round * 20 + n) >>> 0;
        const slot = queue.take(psn);
        expect(slot).toBe(psn & 15);
        expect(queue.slots.offset[slot]).toBe(2 ** 40 + n);
        expect(queue.slots.messageOffset[slot]).toBe(0xffff_0000 + n);
        expect(queue.slots.psn[slot]).toBe((0xffff_fff0 + n) >>> 0);
      }
      expect(queue.count).toBe(0);
    }
  });

  it('is empty after a clear', () => {
    const queue = new ReturnQueue(4, 16);
    queue.add();
    queue.clear();
    expect(queue.count).toBe(0);
  });
});
