/**
 * Atomic operations and the types of what they change, numbered as in libfabric (`enum fi_op`, `enum fi_datatype`), so
 * that programs and shims agree. A transport has codes of its own for them.
 *
 * @spec uet:ses/2.10
 */
export const AtomicOp = {
  MIN: 0,
  MAX: 1,
  SUM: 2,
  PROD: 3,
  LOR: 4,
  LAND: 5,
  BOR: 6,
  BAND: 7,
  LXOR: 8,
  BXOR: 9,
  READ: 10,
  WRITE: 11,
  CSWAP: 12,
  CSWAP_NE: 13,
  CSWAP_LE: 14,
  CSWAP_LT: 15,
  CSWAP_GE: 16,
  CSWAP_GT: 17,
  MSWAP: 18,
  DIFF: 19,
} as const;
export type AtomicOpName = keyof typeof AtomicOp;

export const AtomicType = {
  INT8: 0,
  UINT8: 1,
  INT16: 2,
  UINT16: 3,
  INT32: 4,
  UINT32: 5,
  INT64: 6,
  UINT64: 7,
  FLOAT: 8,
  DOUBLE: 9,
  FLOAT_COMPLEX: 10,
  DOUBLE_COMPLEX: 11,
  LONG_DOUBLE: 12,
  LONG_DOUBLE_COMPLEX: 13,
  INT128: 14,
  UINT128: 15,
  FLOAT16: 16,
  BFLOAT16: 17,
} as const;
export type AtomicTypeName = keyof typeof AtomicType;

/** Bytes of an element, by `AtomicType`; 0 for what depends on the host's ABI and is not offered. */
export const ATOMIC_TYPE_BYTES: readonly number[] = [1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 16, 0, 0, 16, 16, 2, 2];

/** Whether the operation compares with a value that is given beside the operand. */
export const isCompare = (op: number): boolean => op >= AtomicOp.CSWAP && op <= AtomicOp.MSWAP;
