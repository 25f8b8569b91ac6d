import { describe, expect, it } from 'vitest';
import { isNamed, nameOf, names } from './names.ts';

describe('names', () => {
  const Fruit = names({ APPLE: 0, PEAR: 0x1e });

  it('gives constants and their names', () => {
    expect(Fruit.PEAR).toBe(30);
    expect(nameOf(Fruit, Fruit.PEAR)).toBe('PEAR');
    expect(isNamed(Fruit, 0)).toBe(true);
  });

  it('keeps the number of an unknown value', () => {
    expect(nameOf(Fruit, 0x1f)).toBe('0x1f (unknown)');
    expect(isNamed(Fruit, 0x1f)).toBe(false);
  });

  it('refuses two names for one value', () => {
    expect(() => names({ A: 1, B: 1 })).toThrow('code point 1 has two names: A and B');
  });

  it('is not fooled by names that objects have by themselves', () => {
    expect(nameOf(names({ constructor: 3 }), 3)).toBe('constructor');
    expect(nameOf({ A: 1 }, 1)).toBe('0x1 (unknown)');
  });
});
