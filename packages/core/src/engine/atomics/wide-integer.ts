/** Integers of 64 and 128 bits as little-endian words: sums, differences, products and order, without bigint. */

/** a = a + b, modulo 2^(8 · bytes). */
export function addWide(a: DataView, at: number, b: DataView, from: number, bytes: number): void {
  let carry = 0;
  for (let i = 0; i < bytes; i += 4) {
    const sum = a.getUint32(at + i, true) + b.getUint32(from + i, true) + carry;
    a.setUint32(at + i, sum, true);
    carry = sum >= WORD ? 1 : 0;
  }
}

/** a = a - b, modulo 2^(8 · bytes). */
export function subtractWide(a: DataView, at: number, b: DataView, from: number, bytes: number): void {
  let borrow = 0;
  for (let i = 0; i < bytes; i += 4) {
    const difference = a.getUint32(at + i, true) - b.getUint32(from + i, true) - borrow;
    a.setUint32(at + i, difference, true);
    borrow = difference < 0 ? 1 : 0;
  }
}

/** a = a · b, modulo 2^(8 · bytes); the same for signed and unsigned ones. */
export function multiplyWide(a: DataView, at: number, b: DataView, from: number, bytes: number): void {
  // in halves of words, whose products fit a number with room for carries
  const halves = bytes >> 1;
  PRODUCT.fill(0, 0, halves);
  for (let i = 0; i < halves; i++) {
    const factor = a.getUint16(at + 2 * i, true);
    let carry = 0;
    for (let k = 0; i + k < halves; k++) {
      const sum = PRODUCT[i + k]! + factor * b.getUint16(from + 2 * k, true) + carry;
      PRODUCT[i + k] = sum & HALF_MASK;
      carry = Math.floor(sum / HALF);
    }
  }
  for (let i = 0; i < halves; i++) a.setUint16(at + 2 * i, PRODUCT[i]!, true);
}

/** @returns -1, 0 or 1: a is less, equal, greater */
export function compareWide(
  a: DataView,
  at: number,
  b: DataView,
  from: number,
  bytes: number,
  isSigned: boolean,
): number {
  let i = bytes - 4;
  if (isSigned) {
    const x = a.getInt32(at + i, true);
    const y = b.getInt32(from + i, true);
    if (x !== y) return x < y ? -1 : 1;
    i -= 4;
  }
  for (; i >= 0; i -= 4) {
    const x = a.getUint32(at + i, true);
    const y = b.getUint32(from + i, true);
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

const WORD = 2 ** 32;
const HALF = 2 ** 16;
const HALF_MASK = 0xffff;
const PRODUCT = new Float64Array(8);
