import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { psnAdd, psnDelta } from '../../../base/psn.ts';
import { MAX_STORED, Place, ReceiveWindow } from './receive-window.ts';

const RANGE = 128;
const STARTS = [0, 1000, 0xffff_ffc0, 0x7fff_ffc0];

describe('receive window (uet:pds/4.1, R187)', () => {
  it('agrees with plain sets, also across 2^32', () => {
    const step = fc.record({
      what: fc.nat({ max: 9 }),
      n: fc.integer({ min: -RANGE - 3, max: RANGE + 3 }),
      held: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.constantFrom(...STARTS), fc.array(step, { maxLength: 150 }), (start, steps) => {
        const window = new ReceiveWindow(RANGE);
        window.reset(start);
        let cack = psnAdd(start, -1);
        let highest = cack;
        const arrived = new Set<number>();
        const held = new Set<number>();
        for (const { what, n, held: hold } of steps) {
          const near = what < 7 ? Math.trunc(n / 8) : n;
          const psn = psnAdd(cack, near);
          const delta = near;
          const place =
            delta > RANGE || delta <= -RANGE
              ? Place.OUTSIDE
              : delta <= 0 || arrived.has(psn)
                ? Place.DUPLICATE
                : Place.NEW;
          expect(window.place(psn)).toBe(place);
          if (what === 9) {
            window.cleared(psn);
            if (psnDelta(psn, highest) >= 0) for (const one of held) if (psnDelta(one, psn) >= 0) held.delete(one);
          } else if (place === Place.NEW) {
            const keep = hold && !window.storeFull;
            window.accept(psn, keep);
            if (keep) window.store(psn);
            arrived.add(psn);
            if (keep) held.add(psn);
            if (psnDelta(highest, psn) > 0) highest = psn;
          }
          while (arrived.has(psnAdd(cack, 1)) && !held.has(psnAdd(cack, 1))) {
            cack = psnAdd(cack, 1);
            arrived.delete(cack);
          }
          expect([window.cack, window.highest, window.ahead, window.storedCount]).toEqual([
            cack,
            highest,
            arrived.size,
            held.size,
          ]);
          const bits = window.arrivals(psnAdd(cack, 1));
          for (let bit = 0; bit < 32; bit++) {
            expect(((bits >>> bit) & 1) === 1).toBe(arrived.has(psnAdd(cack, 1 + bit)));
          }
          for (const one of held) expect(window.response(one)?.psn).toBe(one);
        }
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('does not let a clear beyond what arrived move CACK (N15)', () => {
    const window = new ReceiveWindow(RANGE);
    window.reset(10);
    window.accept(10, true);
    window.store(10);
    window.accept(12, false);
    window.cleared(13);
    expect(window.cack).toBe(9);
    expect(window.storedCount).toBe(1);
    window.cleared(12); // covers the missing 11 as well: only what arrived moves
    expect(window.cack).toBe(10);
    expect(window.storedCount).toBe(0);
  });

  it('keeps at most so many responses', () => {
    const window = new ReceiveWindow(RANGE);
    window.reset(0);
    for (let psn = 0; psn < MAX_STORED; psn++) {
      expect(window.storeFull).toBe(false);
      window.accept(psn, true);
      window.store(psn);
    }
    expect(window.storeFull).toBe(true);
    window.cleared(0);
    expect(window.storeFull).toBe(false);
    expect(window.stored).toHaveLength(MAX_STORED);
  });

  it('counts PSNs at or below CACK as arrived in a bitmap', () => {
    const window = new ReceiveWindow(RANGE);
    window.reset(0);
    window.accept(0, false);
    window.accept(1, false);
    window.accept(3, false);
    expect(window.arrivals(0)).toBe(0b1011);
    expect(window.arrivals(0xffff_fffe)).toBe(0b101111);
  });

  it('forgets everything at a reset', () => {
    const window = new ReceiveWindow(RANGE);
    window.reset(0);
    window.accept(5, true);
    window.store(5);
    window.reset(3);
    expect([window.cack, window.highest, window.ahead, window.storedCount]).toEqual([2, 2, 0, 0]);
    expect(window.place(5)).toBe(Place.NEW);
    expect(window.response(5)).toBeUndefined();
  });
});
