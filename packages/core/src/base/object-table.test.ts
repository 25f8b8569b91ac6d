import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ObjectTable } from './object-table.ts';

describe('ObjectTable', () => {
  it('finds live objects and nothing else, and never gives a handle twice in a short time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40), { maxLength: 300 }), (steps) => {
        const table = new ObjectTable<{ handle: number }>(5, 16);
        const live: number[] = [];
        const dead = new Set<number>();
        for (const step of steps) {
          if (step < 25) {
            const made = table.add((handle) => ({ handle }));
            expect(made === undefined).toBe(live.length === 16);
            if (made === undefined) continue;
            expect(dead.has(made.handle) || live.includes(made.handle)).toBe(false);
            expect(made.handle).toBeGreaterThan(0);
            live.push(made.handle);
          } else if (live.length > 0) {
            const [gone] = live.splice(step % live.length, 1) as [number];
            table.remove(gone);
            table.remove(gone); // harmless
            dead.add(gone);
          }
          expect(table.size).toBe(live.length);
        }
        for (const handle of live) expect(table.get(handle)?.handle).toBe(handle);
        for (const handle of dead) expect(table.get(handle)).toBeUndefined();
        expect([...table.values()].map(({ handle }) => handle).sort()).toEqual([...live].sort());
      }),
    );
  });

  it('knows its own kind only, and no handle made of noise', () => {
    const [a, b] = [new ObjectTable<{ handle: number }>(1, 4), new ObjectTable<{ handle: number }>(2, 4)];
    const made = a.add((handle) => ({ handle }))!;
    b.add((handle) => ({ handle }));
    expect(b.get(made.handle)).toBeUndefined();
    for (const noise of [0, -1, 1.5, Number.NaN, 2 ** 40, made.handle + 2 ** 32, made.handle | -0x8000_0000]) {
      expect(a.get(noise)).toBeUndefined();
    }
  });
});
