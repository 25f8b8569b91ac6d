import { describe, expect, it } from 'vitest';
import { MapTable } from './map-table.ts';

function table() {
  const [maps, freed] = [new MapTable(), [] as string[]];
  const insert = (name: string, length = 4096) => maps.insert(length, name, () => freed.push(name));
  return { maps, freed, insert };
}

describe('what a device offers to be mapped', () => {
  it('is mapped by exactly the offset and length that were given (R141 R143)', () => {
    const { maps, insert } = table();
    const [a, b] = [insert('a'), insert('b', 8192)];
    expect([maps.map(a, 4096), maps.map(b, 8192)]).toEqual(['a', 'b']);
    for (const [offset, length] of [
      [a, 4095],
      [a, 8192],
      [a + 1, 4096],
      [b, 4096],
      [b + 4096, 4096],
      [0, 4096],
    ] as const) {
      expect(() => maps.map(offset, length)).toThrowError(/EINVAL/);
    }
  });

  it('entries never overlap, whatever their length', () => {
    const { maps, insert } = table();
    const made = [1, 4096, 4097, 10_000, 3].map((length) => ({ offset: insert(`${length}`, length), length }));
    for (const one of made) {
      for (const other of made) {
        if (one !== other)
          expect(one.offset + one.length <= other.offset || other.offset + other.length <= one.offset).toBe(true);
      }
    }
    expect([...maps.values()]).toHaveLength(5);
  });

  it('once removed it cannot be mapped; who has mapped it keeps it, and the offset is not given out again (R143)', () => {
    const { maps, freed, insert } = table();
    const a = insert('a');
    maps.map(a, 4096);
    maps.map(a, 4096);
    maps.remove(a);
    expect(() => maps.map(a, 4096)).toThrowError(/EINVAL/);
    expect([...maps.values()]).toEqual([]);
    expect(insert('b')).not.toBe(a);
    maps.unmap(a);
    expect(freed).toEqual([]);
    maps.unmap(a);
    expect(freed).toEqual(['a']);
    expect(() => maps.unmap(a)).toThrowError(/EINVAL/);
    maps.remove(a);
    expect(freed).toEqual(['a']);
  });

  it('a mapping is given back once only (R143)', () => {
    const { maps, freed, insert } = table();
    const a = insert('a');
    expect(() => maps.unmap(a)).toThrowError(/EINVAL/);
    maps.map(a, 4096);
    maps.unmap(a);
    expect(() => maps.unmap(a)).toThrowError(/EINVAL/);
    maps.remove(a);
    expect(freed).toEqual(['a']);
  });

  it('ends with its context or device, mapped or not, each entry freed once (R142)', () => {
    const { maps, freed, insert } = table();
    const [a, b] = [insert('a'), insert('b')];
    insert('c');
    maps.map(a, 4096);
    maps.map(b, 4096);
    maps.remove(b);
    maps.clear();
    expect(freed.sort()).toEqual(['a', 'b', 'c']);
    expect(maps.size).toBe(0);
    maps.clear();
    expect(freed).toHaveLength(3);
  });
});
