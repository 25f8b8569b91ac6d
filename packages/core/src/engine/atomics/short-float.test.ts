import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../base/random.ts';
import { BFLOAT16_FRACTION, decodeShort, encodeShort, FLOAT16_FRACTION } from './short-float.ts';

const FORMATS = { FLOAT16: FLOAT16_FRACTION, BFLOAT16: BFLOAT16_FRACTION };

for (const [name, fraction] of Object.entries(FORMATS)) {
  /** All numbers from 0 up, by their bits: they are in order of size. */
  const infinity = ((1 << (15 - fraction)) - 1) << fraction;
  const numbers = Array.from({ length: infinity }, (_, bits) => decodeShort(bits, fraction));

  describe(`${name} (uet:ses/2.10)`, () => {
    it('has all its numbers, in order of their bits, and each encodes to itself', () => {
      for (let bits = 0; bits < infinity; bits++) {
        if (bits > 0 && !(numbers[bits]! > numbers[bits - 1]!)) throw new Error(`not in order at ${bits}`);
        if (encodeShort(numbers[bits]!, fraction) !== bits) throw new Error(`${bits} becomes another number`);
        if (encodeShort(-numbers[bits]!, fraction) !== (bits | 0x8000)) throw new Error(`-${bits} does`);
      }
      expect(numbers[1]).toBe(fraction === 10 ? 2 ** -24 : 2 ** -133); // the least denormal
      expect(numbers.at(-1)).toBe(fraction === 10 ? 65_504 : (2 - 2 ** -7) * 2 ** 127);
      expect(decodeShort(infinity, fraction)).toBe(Number.POSITIVE_INFINITY);
      expect(decodeShort(infinity | 0x8000, fraction)).toBe(Number.NEGATIVE_INFINITY);
      expect(decodeShort(infinity + 1, fraction)).toBeNaN();
      expect(decodeShort(encodeShort(Number.NaN, fraction), fraction)).toBeNaN();
    });

    it('rounds to nearest even, half way and just beside it, denormals and the largest number included', () => {
      for (let bits = 0; bits + 1 < infinity; bits++) {
        const [low, high] = [numbers[bits]!, numbers[bits + 1]!];
        const middle = low + (high - low) / 2; // exact: a double has room
        const even = bits % 2 === 0 ? bits : bits + 1;
        if (encodeShort(middle, fraction) !== even) throw new Error(`half way above ${bits}`);
        const near = middle * 2 ** -40;
        if (encodeShort(middle - near, fraction) !== bits) throw new Error(`below half way above ${bits}`);
        if (encodeShort(middle + near, fraction) !== bits + 1) throw new Error(`beyond half way above ${bits}`);
      }
      const [last, before] = [numbers.at(-1)!, numbers.at(-2)!];
      const limit = last + (last - before) / 2;
      expect(encodeShort(limit, fraction)).toBe(infinity);
      expect(encodeShort(limit * (1 - 2 ** -40), fraction)).toBe(infinity - 1);
      expect(encodeShort(-1e308, fraction)).toBe(infinity | 0x8000);
      expect(encodeShort(2 ** -1074, fraction)).toBe(0);
      expect(encodeShort(-(2 ** -1074), fraction)).toBe(0x8000);
    });

    it('finds the nearest of random doubles (seed 3)', () => {
      const random = new SeededRandom(3);
      for (let n = 0; n < 5_000; n++) {
        const value = random.next() * 2 ** (random.below(55) - 40);
        const bits = encodeShort(value, fraction);
        const distance = Math.abs(decodeShort(bits, fraction) - value);
        for (const other of [bits - 1, bits + 1]) {
          if (other < 0 || other >= infinity) continue;
          expect(Math.abs(numbers[other]! - value)).toBeGreaterThanOrEqual(distance);
        }
      }
    });
  });
}
