/** What can go wrong with a floating-point operation, as bits; and whether it went wrong. */

export const FloatSignal = { NAN: 1, UNDERFLOW: 2, OVERFLOW: 4, INEXACT: 8 } as const;

/**
 * Signals of storing `exact` (a double, itself correct to its last bit) in a narrower type.
 *
 * @param stored - what it became
 * @param least - smallest normal number of the type
 * @param isInexact - `exact` was rounded already
 */
export function signalsOf(exact: number, stored: number, least: number, isInexact: boolean): number {
  if (Number.isNaN(stored)) return FloatSignal.NAN;
  if (!Number.isFinite(stored)) return Number.isFinite(exact) || isInexact ? OVERFLOWED : 0;
  if (stored === exact && !isInexact) return 0;
  return Math.abs(stored) < least ? UNDERFLOWED : FloatSignal.INEXACT;
}

/** Whether a + b lost something when it was rounded to a double. */
export function isSumInexact(a: number, b: number): boolean {
  const sum = a + b;
  if (!Number.isFinite(sum)) return Number.isFinite(a) && Number.isFinite(b);
  const other = sum - a;
  return a - (sum - other) !== 0 || b - other !== 0;
}

/** Whether a · b did. */
export function isProductInexact(a: number, b: number): boolean {
  const product = a * b;
  if (!Number.isFinite(product)) return Number.isFinite(a) && Number.isFinite(b);
  if (a === 0 || b === 0) return false;
  if (product === 0) return true;
  // of numbers between 1 and 2 nothing can overflow or vanish
  const x = fractionOf(a);
  const y = fractionOf(b);
  const whole = x * y;
  const xHigh = upperHalf(x);
  const yHigh = upperHalf(y);
  const xLow = x - xHigh;
  const yLow = y - yHigh;
  if (xLow * yLow - (whole - xHigh * yHigh - xLow * yHigh - xHigh * yLow) !== 0) return true;
  // what is exact there may be too small to be so here
  return Math.abs(fractionOf(product)) !== Math.abs(fractionOf(whole));
}

/** The number times a power of two: between 1 and 2. */
function fractionOf(value: number): number {
  const normal = Math.abs(value) < SMALLEST_NORMAL ? value * 2 ** 60 : value;
  SCRATCH.setFloat64(0, normal);
  SCRATCH.setUint16(0, (SCRATCH.getUint16(0) & 0x800f) | 0x3ff0);
  return SCRATCH.getFloat64(0);
}

/** The upper 26 bits of a fraction. */
function upperHalf(value: number): number {
  const scaled = value * SPLITTER;
  return scaled - (scaled - value);
}

const OVERFLOWED = FloatSignal.OVERFLOW | FloatSignal.INEXACT;
const UNDERFLOWED = FloatSignal.UNDERFLOW | FloatSignal.INEXACT;
const SPLITTER = 2 ** 27 + 1;
const SMALLEST_NORMAL = 2 ** -1022;
const SCRATCH = new DataView(new ArrayBuffer(8));
