import { describe, expect, it } from 'vitest';
import { SeededRandom } from './random.ts';

const first = (seed: number, count = 1000) => {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => random.uint32());
};

describe('seeded random numbers', () => {
  it('gives the same sequence for the same seed and another for another', () => {
    expect(first(7)).toEqual(first(7));
    expect(first(7)).not.toEqual(first(8));
  });

  it('never gets stuck, whatever the seed', () => {
    for (const seed of [0, 1, -1, 0x7fff_ffff, -0x8000_0000, 0x61c8_8647]) {
      expect(new Set(first(seed)).size).toBeGreaterThan(990);
    }
  });

  it('is uniform enough', () => {
    const random = new SeededRandom(42);
    const buckets = new Array<number>(16).fill(0);
    for (let n = 0; n < 16_000; n++) buckets[random.below(16)]!++;
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
    for (let n = 0; n < 1000; n++) {
      const one = random.next();
      expect(one >= 0 && one < 1).toBe(true);
    }
  });

  it('draws chances at their rate, and none at 0', () => {
    const random = new SeededRandom(1);
    let hits = 0;
    for (let n = 0; n < 10_000; n++) if (random.chance(0.25)) hits++;
    expect(Math.abs(hits - 2500)).toBeLessThan(200);
    expect(Array.from({ length: 100 }, () => random.chance(0))).not.toContain(true);
    expect(Array.from({ length: 100 }, () => random.chance(1))).not.toContain(false);
  });

  it('uses no random word up for a chance of 0', () => {
    const [a, b] = [new SeededRandom(9), new SeededRandom(9)];
    a.chance(0);
    expect(a.uint32()).toBe(b.uint32());
  });
});
