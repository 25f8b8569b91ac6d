import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../base/random.ts';
import { DmaSpace } from './dma.ts';
import { copyIn, copyOut } from './segment-copy.ts';
import { Segments } from './work.ts';

describe('bytes between segments and an engine', () => {
  it('any stretch of any segments, there and back (seed 5)', () => {
    const random = new SeededRandom(5);
    for (let n = 0; n < 300; n++) {
      const dma = new DmaSpace();
      const segments = new Segments();
      const parts: Uint8Array[] = [];
      for (let i = random.below(4) + 1; i > 0; i--) {
        const bytes = Uint8Array.from({ length: 40 }, () => random.below(256));
        const length = random.below(30);
        const offset = random.below(40 - length);
        segments.add(dma.attach({ bytes, address: 0 }), offset, length);
        parts.push(bytes.subarray(offset, offset + length));
      }
      const all = parts.flatMap((part) => [...part]);
      const skip = random.below(all.length + 1);
      const length = random.below(all.length - skip + 1);
      const into = new Uint8Array(130);
      expect(copyOut(dma, segments, skip, into, 3, length)).toBe(true);
      expect([...into.subarray(3, 3 + length)]).toEqual(all.slice(skip, skip + length));
      const fresh = Uint8Array.from({ length }, () => random.below(256));
      expect(copyIn(dma, segments, skip, fresh, 0, length)).toBe(true);
      all.splice(skip, length, ...fresh);
      expect(parts.flatMap((part) => [...part])).toEqual(all);
      expect(copyOut(dma, segments, skip, into, 0, all.length - skip + 1)).toBe(false);
    }
  });

  it('says when a region is gone', () => {
    const dma = new DmaSpace();
    const segments = new Segments();
    segments.add(0x7fff, 0, 8);
    expect(copyOut(dma, segments, 0, new Uint8Array(8), 0, 8)).toBe(false);
    expect(copyIn(dma, segments, 0, new Uint8Array(8), 0, 8)).toBe(false);
  });
});
