/** Floating-point numbers of 16 bits: FLOAT16 (IEEE 754 binary16) and BFLOAT16 (the upper half of binary32). */

/** Fraction bits; the rest but the sign is exponent. */
export const FLOAT16_FRACTION = 10;
export const BFLOAT16_FRACTION = 7;

/** The value of 16 bits; exact. */
export function decodeShort(bits: number, fractionBits: number): number {
  const top = topExponent(fractionBits);
  const sign = (bits & SIGN) === 0 ? 1 : -1;
  const exponent = (bits >>> fractionBits) & top;
  const fraction = bits & ((1 << fractionBits) - 1);
  if (exponent === top) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  const bias = top >> 1;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits);
  return sign * (fraction + 2 ** fractionBits) * 2 ** (exponent - bias - fractionBits);
}

/** The 16 bits nearest to a value, of two equally near ones the even one; infinity beyond the largest. */
export function encodeShort(value: number, fractionBits: number): number {
  const top = topExponent(fractionBits);
  if (Number.isNaN(value)) return (top << fractionBits) | (1 << (fractionBits - 1));
  const sign = value < 0 || Object.is(value, -0) ? SIGN : 0;
  const infinity = top << fractionBits;
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return sign | infinity;
  const bias = top >> 1;
  SCRATCH.setFloat64(0, size);
  const exponent = Math.max((SCRATCH.getUint16(0) >>> 4) - 1023, 1 - bias);
  // whole units of the last place; adding 2^52 rounds to the nearest even one
  const units = size / 2 ** (exponent - fractionBits) + ROUNDER - ROUNDER;
  // a unit too many carries into the exponent, as it should
  return sign | Math.min(infinity, ((exponent + bias - 1) << fractionBits) + units);
}

const topExponent = (fractionBits: number): number => (1 << (15 - fractionBits)) - 1;
const SIGN = 0x8000;
const ROUNDER = 2 ** 52;
const SCRATCH = new DataView(new ArrayBuffer(8));
