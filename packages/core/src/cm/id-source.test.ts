import { expect, it } from 'vitest';
import { IdSource } from './id-source.ts';

it('is the key stream of ChaCha20: block 0 of the key of zeros (RFC 8439 §A.1, test vector 1)', () => {
  const ids = new IdSource(new Uint32Array(8));
  const words = Array.from({ length: 16 }, () => ids.uint32().toString(16).padStart(8, '0'));
  expect(words.slice(0, 4)).toEqual(['ade0b876', '903df1a0', 'e56a5d40', '28bd8653']);
  expect(words[15]).toBe('8665eeb2');
});

it('goes on with block 1 (RFC 8439 §A.1, test vector 2)', () => {
  const ids = new IdSource(new Uint32Array(8));
  for (let i = 0; i < 16; i++) ids.uint32();
  expect(ids.uint32().toString(16)).toBe('bee7079f');
});
