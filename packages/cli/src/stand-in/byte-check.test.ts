import { describe, expect, it } from 'vitest';
import { checkSame, ownPattern, PAGE_BYTES, toolPattern } from './byte-check.ts';
import { rpingText } from './rping.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

describe('the bytes of the tools', () => {
  it('rping: the text of a round as rping -v prints it verbs/8.4', () => {
    expect(text(rpingText(0, 66))).toBe(
      `${'rdma-ping-0: ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrst'.slice(0, 65)}\0`,
    );
    expect(text(rpingText(1, 20))).toBe('rdma-ping-1: BCDEFG\0');
    expect(text(rpingText(12, 90)).slice(0, 20)).toBe('rdma-ping-12: MNOPQR');
    // From z it goes on with A, and after round 57 it begins there again.
    expect(text(rpingText(57, 17))).toBe('rdma-ping-57: zA\0');
    expect(text(rpingText(58, 17))).toBe('rdma-ping-58: AB\0');
    expect(text(rpingText(0, 5))).toBe('rdma\0');
  });

  it('ibv_*_pingpong -c looks for zeros at the start of pages, and finds them', () => {
    for (const pattern of [ownPattern(10_000, 3), toolPattern(10_000, 0x7b, true)]) {
      expect([pattern[0], pattern[PAGE_BYTES], pattern[2 * PAGE_BYTES]]).toEqual([0, 0, 0]);
    }
    expect(toolPattern(3, 0x7b, false)).toEqual(Uint8Array.of(0x7b, 0x7b, 0x7b));
    expect(ownPattern(1000, 3)).not.toEqual(ownPattern(1000, 4));
  });

  it('the first wrong byte is named', () => {
    const wanted = ownPattern(100, 1);
    const found = wanted.slice();
    found[60]! ^= 1;
    expect(() => checkSame(found, wanted, 'message 7')).toThrow(/byte 60 of message 7/);
    expect(() => checkSame(wanted.subarray(0, 99), wanted, 'it')).toThrow(/byte 99 of it is nothing/);
    checkSame(wanted.slice(), wanted, 'it');
  });
});
