import { describe, expect, it } from 'vitest';
import { byteCount, oneOf, probability, seconds, wholeNumber } from './option-values.ts';

describe('option values', () => {
  it.each([
    ['64K', 65_536],
    ['1MiB', 1_048_576],
    ['2g', 2 ** 31],
    ['17', 17],
    ['17b', 17],
  ])('bytes %s', (text, expected) => {
    expect(byteCount(1, 2 ** 40)(text)).toBe(expected);
  });

  it.each(['', '-1', '1.5', '1T', 'x', '1e3', ' 1'])('bytes %j are refused', (text) => {
    expect(() => byteCount(0, 2 ** 40)(text)).toThrow(/bytes/);
  });

  it('probabilities, also in per cent', () => {
    expect(probability('1%')).toBe(0.01);
    expect(probability('.5')).toBe(0.5);
    for (const text of ['2', '-0.1', '101%', 'x', '']) expect(() => probability(text)).toThrow(/probability/);
  });

  it('numbers, seconds and words within bounds', () => {
    expect(wholeNumber(1, 5)('5')).toBe(5);
    expect(() => wholeNumber(1, 5)('6')).toThrow();
    expect(seconds(0.1, 5)('2.5')).toBe(2.5);
    expect(() => seconds(0.1, 5)('9')).toThrow();
    expect(oneOf(['a', 'b'])('b')).toBe('b');
    expect(() => oneOf(['a', 'b'])('c')).toThrow(/a, b/);
  });
});
