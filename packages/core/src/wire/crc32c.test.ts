import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CRC32C_START, crc32c, crc32cEnd, crc32cUpdate } from './crc32c.ts';

describe('crc32c', () => {
  it.each([
    ['123456789', [...'123456789'].map((c) => c.charCodeAt(0)), 0xe3069283],
    ['nothing', [], 0],
    ['32 zeros', new Array<number>(32).fill(0), 0x8a9136aa],
    ['32 ones', new Array<number>(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ])('of %s (RFC 3720 §B.4)', (_what, bytes, expected) => {
    expect(crc32c(Uint8Array.from(bytes))).toBe(expected);
  });

  it('is the same in one piece and in many, and as bit by bit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), fc.nat(100), (bytes, a, b) => {
        const [first, second] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)];
        let state = crc32cUpdate(CRC32C_START, bytes, 0, first);
        state = crc32cUpdate(state, bytes, first, second);
        state = crc32cUpdate(state, bytes, second, bytes.length);
        expect(crc32cEnd(state)).toBe(crc32c(bytes));
        expect(crc32c(bytes)).toBe(bitByBit(bytes));
      }),
    );
  });

  it('refuses a range outside of the buffer', () => {
    expect(() => crc32c(new Uint8Array(4), 0, 5)).toThrow(RangeError);
  });
});

function bitByBit(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ ((crc & 1) * 0x82f63b78);
  }
  return ~crc >>> 0;
}
