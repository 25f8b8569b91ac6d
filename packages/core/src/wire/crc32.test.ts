import { crc32 as zlib } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from './crc32.ts';

describe('CRC-32 (RFC 1952, ITU-T V.42)', () => {
  it('of the check string', () => {
    expect(crc32(0, new TextEncoder().encode('123456789'))).toBe(0xcbf4_3926 | 0);
    expect(crc32(0, new Uint8Array(0))).toBe(0);
    expect(crc32(0, new Uint8Array(8).fill(0xff))).toBe(0x2144_df1c);
  });

  it('is that of zlib on any window, however it is cut, and takes its state', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(20),
        fc.nat(300),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        (bytes, offset, cut, state) => {
          const window = new Uint8Array(offset + bytes.length).subarray(offset);
          window.set(bytes);
          const middle = Math.min(cut, bytes.length);
          const whole = crc32(state, window);
          expect(whole >>> 0).toBe(zlib(bytes, state));
          expect(crc32(crc32(state, window, 0, middle), window, middle)).toBe(whole);
        },
      ),
      { seed: 32 },
    );
  });

  it('does not read outside of the buffer', () => {
    expect(() => crc32(0, new Uint8Array(4), 0, 5)).toThrowError(RangeError);
    expect(() => crc32(0, new Uint8Array(4), -1, 4)).toThrowError(RangeError);
  });
});
