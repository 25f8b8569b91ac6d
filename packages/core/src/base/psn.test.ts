import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { psnAdd, psnAfter, psnBefore, psnDelta } from './psn.ts';

const psn = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const near = fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 });

describe('serial numbers modulo 2^32 (uet:pds/0, R187)', () => {
  it('adds with a wrap', () => {
    expect(psnAdd(0xffff_fff3, 0x10)).toBe(3); // uet:pds/2.17
    expect(psnAdd(0x6223_1120, -0x24)).toBe(0x6223_10fc);
    expect(psnAdd(0, -1)).toBe(0xffff_ffff);
  });

  it('measures distances and orders by them', () => {
    fc.assert(
      fc.property(psn, near, (a, n) => {
        const b = psnAdd(a, n);
        expect(b).toBeGreaterThanOrEqual(0);
        expect(psnDelta(a, b)).toBe(n);
        expect(psnBefore(a, b)).toBe(n > 0);
        expect(psnAfter(a, b)).toBe(n < 0);
        expect(psnAdd(b, -n)).toBe(a);
      }),
      { seed: 3 },
    );
  });

  it('is neither before nor after itself', () => {
    fc.assert(
      fc.property(psn, (a) => {
        expect([psnBefore(a, a), psnAfter(a, a), psnDelta(a, a)]).toEqual([false, false, 0]);
      }),
      { seed: 4 },
    );
  });
});
