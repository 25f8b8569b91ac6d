import { describe, expect, it } from 'vitest';
import { Counters } from './counters.ts';

describe('counters', () => {
  it('counts by position and reads by name', () => {
    const counters = new Counters(['sent', 'received']);
    counters.add(1);
    counters.add(1, 41);
    expect(counters.get('received')).toBe(42);
    expect(counters.get('sent')).toBe(0);
    expect(counters.get('lost')).toBeUndefined();
    expect(counters.toJSON()).toEqual({ sent: 0, received: 42 });
  });

  it('counts beyond 2^32', () => {
    const counters = new Counters(['bytes']);
    counters.add(0, 2 ** 40);
    counters.add(0, 1);
    expect(counters.get('bytes')).toBe(2 ** 40 + 1);
  });

  it('refuses two counters of one name', () => {
    expect(() => new Counters(['a', 'b', 'a'])).toThrow('two counters share a name');
  });
});
