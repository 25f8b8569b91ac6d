/** A 64-bit value as two words, without bigint for numbers that fit into a double. */
export class WordPair {
  lo = 0;
  hi = 0;

  /** @returns false when the value is no whole number of 64 bits (or, as a number, above 2^53) */
  set(value: number | bigint): boolean {
    if (typeof value === 'number') {
      if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER) || value !== Math.floor(value)) return false;
      this.lo = value >>> 0;
      this.hi = (value - this.lo) / 0x1_0000_0000;
      return true;
    }
    if (value < 0n || value >> 64n !== 0n) return false;
    this.lo = Number(value & 0xffff_ffffn);
    this.hi = Number(value >> 32n);
    return true;
  }
}

/** The 64-bit value of two words. */
export const joinWords = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
