import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

it('text comes back, all lengths of sequences included', () => {
  expect([...encodeUtf8('aé€😀')]).toEqual([0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80]);
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => decodeUtf8(encodeUtf8(text)) === text));
});

it('ill-formed bytes become replacement characters', () => {
  for (const bad of [[0x80], [0xc0], [0xff], [0xe2], [0xed], [0xf5]])
    expect(decodeUtf8(Uint8Array.from(bad))).toBe('�');
  expect(decodeUtf8(Uint8Array.of(0xed, 0xa0, 0x80))).toBe('���');
  expect(decodeUtf8(Uint8Array.of(0xe2, 0x41))).toBe('�A');
  expect(decodeUtf8(encodeUtf8('\ud800'))).toBe('�');
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeUtf8(bytes)));
});
