/** What elements of atomic operations are made of, and which operation makes sense for which of them. */
import { ATOMIC_TYPE_BYTES, AtomicOp, AtomicType } from '../atomics.ts';

/** Kind of an element type. NONE: not offered, because it looks different on every host. */
export const ElementKind = { NONE: 0, SIGNED: 1, UNSIGNED: 2, REAL: 3, COMPLEX: 4 } as const;

/** @param type - one of `AtomicType`, or anything */
export const kindOf = (type: number): number => KINDS[type] ?? ElementKind.NONE;

/** Bytes of what has a byte order of its own and is aligned: a part of a complex number, otherwise the element. */
export const partBytes = (type: number): number => {
  const bytes = ATOMIC_TYPE_BYTES[type] ?? 0;
  return KINDS[type] === ElementKind.COMPLEX ? bytes / 2 : bytes;
};

/**
 * Whether an operation is defined for a type: bits are those of integers, and complex numbers have no order.
 *
 * @param op - one of `AtomicOp`, or anything
 */
export function isAtomicDefined(op: number, type: number): boolean {
  const kind = kindOf(type);
  if (kind === ElementKind.NONE) return false;
  const bit = op >= 0 && op < 32 ? 1 << op : 0;
  if ((bit & FOR_ALL) !== 0) return true;
  if ((bit & FOR_ORDERED) !== 0) return kind !== ElementKind.COMPLEX;
  return (bit & FOR_INTEGERS) !== 0 && kind <= ElementKind.UNSIGNED;
}

const bits = (...ops: readonly (keyof typeof AtomicOp)[]): number =>
  ops.reduce((mask, op) => mask | (1 << AtomicOp[op]), 0);

const FOR_ALL = bits('SUM', 'DIFF', 'PROD', 'LOR', 'LAND', 'LXOR', 'READ', 'WRITE', 'CSWAP', 'CSWAP_NE');
const FOR_ORDERED = bits('MIN', 'MAX', 'CSWAP_LE', 'CSWAP_LT', 'CSWAP_GE', 'CSWAP_GT');
const FOR_INTEGERS = bits('BOR', 'BAND', 'BXOR', 'MSWAP');

/** By `AtomicType`. */
const KINDS: readonly number[] = Object.entries(AtomicType)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => {
    if (name.startsWith('LONG')) return ElementKind.NONE;
    if (name.endsWith('COMPLEX')) return ElementKind.COMPLEX;
    if (name.startsWith('INT')) return ElementKind.SIGNED;
    return name.startsWith('UINT') ? ElementKind.UNSIGNED : ElementKind.REAL;
  });
