import { describe, expect, it } from 'vitest';
import { PATHS } from './paths.ts';
import { isSpent, SecureStart, SecureStarts } from './secure-starts.ts';

const PATH = PATHS + 1;

describe('starts of protected contexts', () => {
  it('0-RTT: takes what is behind everything that the peer has used, and asks whom it does not know (uet:tss/14.3)', () => {
    const starts = new SecureStarts(SecureStart.EXPECTED);
    expect(starts.accepts(PATH, 5)).toBe(false);
    expect(starts.expected(PATH)).toBe(-1);
    starts.ended(PATH, 0x1_ffff);
    // the trace of the notes: too low, then as told
    expect(starts.accepts(PATH, 0x1_0000)).toBe(false);
    expect(starts.expected(PATH)).toBe(0x2_0000);
    expect(starts.accepts(PATH, 0x2_0000)).toBe(true);
    expect(starts.accepts(PATH, 0x3_0000)).toBe(true);
    expect(starts.accepts(PATH + 1, 0x3_0000)).toBe(false); // of another peer nothing is known
    starts.ended(PATH, 0x1_0005); // contexts that end in another order: it only grows
    expect(starts.expected(PATH)).toBe(0x2_0000);
  });

  it('0-RTT: serial numbers wrap, and after 2^30 of them it asks again (uet:tss/14.2)', () => {
    const starts = new SecureStarts(SecureStart.EXPECTED);
    starts.ended(PATH, 0xffff_fff0);
    starts.ended(PATH, 0x10);
    expect(starts.accepts(PATH, 0x11)).toBe(true);
    expect(starts.accepts(PATH, 0xffff_fff5)).toBe(false);
    starts.ended(PATH, 0x2000_0000);
    expect(starts.expected(PATH)).toBe(0x2000_0001);
    starts.ended(PATH, 0x4000_0100);
    expect(starts.accepts(PATH, 0x5000_0000)).toBe(false);
    expect(starts.expected(PATH)).toBe(-1);
  });

  it('1-RTT: takes none that was not told; clear paths are no concern of it (uet:tss/14.3)', () => {
    const starts = new SecureStarts(SecureStart.RANDOM);
    starts.ended(PATH, 7);
    expect(starts.accepts(PATH, 8)).toBe(false);
    expect(starts.expected(PATH)).toBe(-1);
    expect(starts.accepts(1, 8)).toBe(true);
  });

  it('our own begin behind what was used, per peer and within bounds (uet:tss/14.2)', () => {
    const starts = new SecureStarts(SecureStart.EXPECTED);
    expect(starts.start(PATH)).toBe(-1);
    starts.used(PATH, 100);
    starts.used(PATH, 90);
    expect(starts.start(PATH)).toBe(100);
    starts.used(1, 100);
    expect(starts.start(1)).toBe(-1);
    for (let n = 0; n < 10_000; n++) {
      starts.used(PATH + n, n);
      starts.ended(PATH + n, n);
    }
    expect(starts.start(PATH)).toBe(-1); // forgotten: costs a round trip
    expect(starts.start(PATH + 9_999)).toBe(9_999);
  });

  it('a context is used up long before its PSNs come again (uet:tss/14.2)', () => {
    expect(isSpent(PATH, 0xffff_0000, 0x3fff_0000)).toBe(false);
    expect(isSpent(PATH, 0xffff_0000, 0x3fff_0001)).toBe(true);
    expect(isSpent(1, 0, 0x7fff_ffff)).toBe(false);
  });
});
