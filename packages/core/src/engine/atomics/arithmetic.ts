/**
 * Atomic operations on elements of memory: pure functions on bytes, in place, little-endian as programs see them.
 *
 * They mean what the C expressions of libfabric mean. Integers wrap. Floating-point sums and products are rounded to
 * nearest even, become infinite beyond the largest number, and may be denormal; types below DOUBLE are worked on as doubles
 * and rounded at the end. A comparison with NaN is false: MIN and MAX then leave what was there, CSWAP does not swap, CSWAP_NE
 * does. What is copied keeps every bit, that of NaN too.
 *
 * @spec uet:ses/2.10 uet:ses/3.9
 */
import { ATOMIC_TYPE_BYTES, AtomicOp, AtomicType } from '../atomics.ts';
import { ElementKind, kindOf, partBytes } from './element-kinds.ts';
import { isProductInexact, isSumInexact, signalsOf } from './float-signals.ts';
import { BFLOAT16_FRACTION, decodeShort, encodeShort, FLOAT16_FRACTION } from './short-float.ts';
import { addWide, compareWide, multiplyWide, subtractWide } from './wide-integer.ts';

/**
 * Changes `count` elements of `target`. The operation must be defined for the type.
 *
 * @param operand - as many elements, unless the operation is READ
 * @param comparand - as many elements, where the operation compares
 * @param watched - bits of `FloatSignal`
 * @returns those of them that occurred; elements were changed all the same
 */
export function applyAtomic(
  op: number,
  type: number,
  count: number,
  target: DataView,
  operand: DataView,
  comparand: DataView,
  watched = 0,
): number {
  const size = ATOMIC_TYPE_BYTES[type]!;
  let signals = 0;
  for (let at = 0; at < count * size; at += size) {
    switch (op) {
      case AtomicOp.READ:
        break;
      case AtomicOp.WRITE:
        copy(target, operand, at, size);
        break;
      case AtomicOp.SUM:
      case AtomicOp.DIFF:
      case AtomicOp.PROD:
        signals |= calculate(op, type, target, operand, at, watched);
        break;
      case AtomicOp.MIN:
      case AtomicOp.MAX: {
        const order = compare(type, operand, target, at);
        if (order === (op === AtomicOp.MIN ? -1 : 1)) copy(target, operand, at, size);
        else if (order === UNORDERED) signals |= NAN;
        break;
      }
      case AtomicOp.LOR:
        setTruth(type, target, at, isTrue(type, target, at) || isTrue(type, operand, at));
        break;
      case AtomicOp.LAND:
        setTruth(type, target, at, isTrue(type, target, at) && isTrue(type, operand, at));
        break;
      case AtomicOp.LXOR:
        setTruth(type, target, at, isTrue(type, target, at) !== isTrue(type, operand, at));
        break;
      case AtomicOp.BOR:
        for (let i = at; i < at + size; i++) target.setUint8(i, target.getUint8(i) | operand.getUint8(i));
        break;
      case AtomicOp.BAND:
        for (let i = at; i < at + size; i++) target.setUint8(i, target.getUint8(i) & operand.getUint8(i));
        break;
      case AtomicOp.BXOR:
        for (let i = at; i < at + size; i++) target.setUint8(i, target.getUint8(i) ^ operand.getUint8(i));
        break;
      case AtomicOp.MSWAP:
        for (let i = at; i < at + size; i++) {
          const mask = comparand.getUint8(i);
          target.setUint8(i, (operand.getUint8(i) & mask) | (target.getUint8(i) & ~mask));
        }
        break;
      default: {
        const order = compare(type, comparand, target, at);
        if (swaps(op, order)) copy(target, operand, at, size);
        if (order === UNORDERED) signals |= NAN;
      }
    }
  }
  return signals & watched;
}

/** Whether a compare-and-swap swaps. @param order - of the comparand to what is there */
function swaps(op: number, order: number): boolean {
  switch (op) {
    case AtomicOp.CSWAP:
      return order === 0;
    case AtomicOp.CSWAP_NE:
      return order !== 0;
    case AtomicOp.CSWAP_LE:
      return order <= 0;
    case AtomicOp.CSWAP_LT:
      return order === -1;
    case AtomicOp.CSWAP_GE:
      return order === 0 || order === 1;
    default:
      return order === 1;
  }
}

/** @returns -1, 0, 1, or UNORDERED: one of them is NaN, or they are different complex numbers */
function compare(type: number, a: DataView, b: DataView, at: number): number {
  const kind = kindOf(type);
  if (kind === ElementKind.COMPLEX) {
    const half = partBytes(type);
    const real = order(loadReal(type, a, at), loadReal(type, b, at));
    const imaginary = order(loadReal(type, a, at + half), loadReal(type, b, at + half));
    return real === 0 && imaginary === 0 ? 0 : real === UNORDERED || imaginary === UNORDERED ? UNORDERED : DIFFERENT;
  }
  if (kind === ElementKind.REAL) return order(loadReal(type, a, at), loadReal(type, b, at));
  const size = ATOMIC_TYPE_BYTES[type]!;
  if (size > 4) return compareWide(a, at, b, at, size, kind === ElementKind.SIGNED);
  return order(loadInteger(type, a, at), loadInteger(type, b, at));
}

const order = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : a === b ? 0 : UNORDERED);

/** SUM, DIFF or PROD of one element. @returns signals, as far as they are watched */
function calculate(op: number, type: number, target: DataView, operand: DataView, at: number, watched: number): number {
  const kind = kindOf(type);
  if (kind === ElementKind.REAL) {
    const a = loadReal(type, target, at);
    const b = loadReal(type, operand, at);
    const result = op === AtomicOp.PROD ? a * b : op === AtomicOp.SUM ? a + b : a - b;
    storeReal(type, target, at, result);
    if (watched === 0) return 0;
    const isInexact = op === AtomicOp.PROD ? isProductInexact(a, b) : isSumInexact(a, op === AtomicOp.SUM ? b : -b);
    return signalsOf(result, loadReal(type, target, at), leastNormal(type), isInexact);
  }
  if (kind === ElementKind.COMPLEX) return calculateComplex(op, type, target, operand, at, watched);
  const size = ATOMIC_TYPE_BYTES[type]!;
  if (size > 4) {
    if (op === AtomicOp.SUM) addWide(target, at, operand, at, size);
    else if (op === AtomicOp.DIFF) subtractWide(target, at, operand, at, size);
    else multiplyWide(target, at, operand, at, size);
    return 0;
  }
  const a = loadInteger(type, target, at);
  const b = loadInteger(type, operand, at);
  storeInteger(size, target, at, op === AtomicOp.PROD ? Math.imul(a, b) : op === AtomicOp.SUM ? a + b : a - b);
  return 0;
}

function calculateComplex(
  op: number,
  type: number,
  target: DataView,
  operand: DataView,
  at: number,
  watched: number,
): number {
  const half = partBytes(type);
  const a = loadReal(type, target, at);
  const b = loadReal(type, target, at + half);
  const c = loadReal(type, operand, at);
  const d = loadReal(type, operand, at + half);
  const isProduct = op === AtomicOp.PROD;
  const isSum = op === AtomicOp.SUM;
  // each part is the sum of two numbers
  const p = isProduct ? a * c : a;
  const q = isProduct ? -(b * d) : isSum ? c : -c;
  const r = isProduct ? a * d : b;
  const s = isProduct ? b * c : isSum ? d : -d;
  storeReal(type, target, at, p + q);
  storeReal(type, target, at + half, r + s);
  if (watched === 0) return 0;
  const isRealInexact = isSumInexact(p, q) || (isProduct && (isProductInexact(a, c) || isProductInexact(b, d)));
  const isOtherInexact = isSumInexact(r, s) || (isProduct && (isProductInexact(a, d) || isProductInexact(b, c)));
  const least = leastNormal(type);
  return (
    signalsOf(p + q, loadReal(type, target, at), least, isRealInexact) |
    signalsOf(r + s, loadReal(type, target, at + half), least, isOtherInexact)
  );
}

/** As in C: everything but zero is true, NaN too. */
function isTrue(type: number, view: DataView, at: number): boolean {
  const kind = kindOf(type);
  if (kind === ElementKind.COMPLEX)
    return loadReal(type, view, at) !== 0 || loadReal(type, view, at + partBytes(type)) !== 0;
  if (kind === ElementKind.REAL) return loadReal(type, view, at) !== 0;
  const end = at + ATOMIC_TYPE_BYTES[type]!;
  for (let i = at; i < end; i++) if (view.getUint8(i) !== 0) return true;
  return false;
}

/** One or zero, as a number of the type. */
function setTruth(type: number, view: DataView, at: number, value: boolean): void {
  const size = ATOMIC_TYPE_BYTES[type]!;
  for (let i = at; i < at + size; i++) view.setUint8(i, 0);
  if (!value) return;
  if (kindOf(type) >= ElementKind.REAL) storeReal(type, view, at, 1);
  else view.setUint8(at, 1);
}

function copy(to: DataView, from: DataView, at: number, size: number): void {
  for (let i = at; i < at + size; i++) to.setUint8(i, from.getUint8(i));
}

/** A real number, or a part of a complex one. */
function loadReal(type: number, view: DataView, at: number): number {
  switch (type) {
    case AtomicType.FLOAT16:
      return decodeShort(view.getUint16(at, true), FLOAT16_FRACTION);
    case AtomicType.BFLOAT16:
      return decodeShort(view.getUint16(at, true), BFLOAT16_FRACTION);
    case AtomicType.FLOAT:
    case AtomicType.FLOAT_COMPLEX:
      return view.getFloat32(at, true);
    default:
      return view.getFloat64(at, true);
  }
}

function storeReal(type: number, view: DataView, at: number, value: number): void {
  switch (type) {
    case AtomicType.FLOAT16:
      return view.setUint16(at, encodeShort(value, FLOAT16_FRACTION), true);
    case AtomicType.BFLOAT16:
      return view.setUint16(at, encodeShort(value, BFLOAT16_FRACTION), true);
    case AtomicType.FLOAT:
    case AtomicType.FLOAT_COMPLEX:
      return view.setFloat32(at, value, true);
    default:
      return view.setFloat64(at, value, true);
  }
}

/** Integers up to 32 bits. */
function loadInteger(type: number, view: DataView, at: number): number {
  switch (type) {
    case AtomicType.INT8:
      return view.getInt8(at);
    case AtomicType.UINT8:
      return view.getUint8(at);
    case AtomicType.INT16:
      return view.getInt16(at, true);
    case AtomicType.UINT16:
      return view.getUint16(at, true);
    case AtomicType.INT32:
      return view.getInt32(at, true);
    default:
      return view.getUint32(at, true);
  }
}

/** Keeps the low bits: integers wrap. */
function storeInteger(size: number, view: DataView, at: number, value: number): void {
  if (size === 1) view.setUint8(at, value);
  else if (size === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
}

function leastNormal(type: number): number {
  if (type === AtomicType.FLOAT16) return 2 ** -14;
  return type === AtomicType.DOUBLE || type === AtomicType.DOUBLE_COMPLEX ? 2 ** -1022 : 2 ** -126;
}

const NAN = 1;
const UNORDERED = 2;
const DIFFERENT = 3;
