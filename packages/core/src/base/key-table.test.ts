import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyTable } from './key-table.ts';

describe('KeyTable', () => {
  const word = fc.oneof(fc.constantFrom(0, 1, -1, 0x8000_0000, 0xffff_ffff), fc.integer({ min: 0, max: 30 }));
  const step = fc.record({
    kind: fc.constantFrom('set', 'set', 'delete', 'get'),
    key: fc.tuple(word, word, word),
    value: fc.integer({ min: 1, max: 0x7fff_ffff }),
  });

  it('does what a Map does', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(step, { maxLength: 400 }), (seed, steps) => {
        const table = new KeyTable(seed);
        const model = new Map<string, number>();
        for (const { kind, key, value } of steps) {
          const name = key.map((one) => one | 0).join();
          if (kind === 'set') {
            table.set(...key, value);
            model.set(name, value);
          } else if (kind === 'delete') expect(table.delete(...key)).toBe(model.delete(name));
          expect(table.get(...key)).toBe(model.get(name) ?? 0);
          expect(table.size).toBe(model.size);
        }
        for (const [name, value] of model) {
          const [a, b, c] = name.split(',').map(Number) as [number, number, number];
          expect(table.get(a, b, c)).toBe(value);
        }
      }),
    );
  });

  it('grows, and finds everything after half of it is gone', () => {
    const table = new KeyTable(3);
    for (let i = 0; i < 5000; i++) table.set(7, i * 65_536, i >>> 3, i + 1);
    for (let i = 0; i < 5000; i += 2) expect(table.delete(7, i * 65_536, i >>> 3)).toBe(true);
    for (let i = 0; i < 5000; i++) expect(table.get(7, i * 65_536, i >>> 3)).toBe(i % 2 === 0 ? 0 : i + 1);
  });
});
