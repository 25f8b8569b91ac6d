/** Code points of the UET semantic sublayer (uet:ses/2). */
import { names } from '../names.ts';

/** Request opcode (uet:ses/2.7). */
export const SesOpcode = names({
  NO_OP: 0x00,
  WRITE: 0x01,
  READ: 0x02,
  ATOMIC: 0x03,
  FETCHING_ATOMIC: 0x04,
  SEND: 0x05,
  RENDEZVOUS_SEND: 0x06,
  DATAGRAM_SEND: 0x07,
  DEFERRABLE_SEND: 0x08,
  TAGGED_SEND: 0x09,
  RENDEZVOUS_TSEND: 0x0a,
  DEFERRABLE_TSEND: 0x0b,
  DEFERRABLE_RTR: 0x0c,
  TSEND_ATOMIC: 0x0d,
  TSEND_FETCH_ATOMIC: 0x0e,
  MSG_ERROR: 0x0f,
  EXTENDED: 0x3f,
});

/** Response opcode (uet:ses/2.11). */
export const SesResponseOpcode = names({ DEFAULT_RESPONSE: 0, RESPONSE: 1, RESPONSE_W_DATA: 2, NO_RESPONSE: 3 });

/** Which list a message met at the target (uet:ses/2.11). */
export const ResponseList = names({ EXPECTED: 0, OVERFLOW: 1 });

/** Outcome of an operation at the target (uet:ses/2.12). */
export const ReturnCode = names({
  NULL: 0x00,
  OK: 0x01,
  BAD_GENERATION: 0x02,
  DISABLED: 0x03,
  DISABLED_GEN: 0x04,
  NO_MATCH: 0x05,
  UNSUPPORTED_OP: 0x06,
  UNSUPPORTED_SIZE: 0x07,
  AT_INVALID: 0x08,
  AT_PERM: 0x09,
  AT_ATS_ERROR: 0x0a,
  AT_NO_TRANS: 0x0b,
  AT_OUT_OF_RANGE: 0x0c,
  HOST_POISONED: 0x0d,
  HOST_UNSUCCESS_CMPL: 0x0e,
  AMO_UNSUPPORTED_OP: 0x0f,
  AMO_UNSUPPORTED_DT: 0x10,
  AMO_UNSUPPORTED_SIZE: 0x11,
  AMO_UNALIGNED: 0x12,
  AMO_FP_NAN: 0x13,
  AMO_FP_UNDERFLOW: 0x14,
  AMO_FP_OVERFLOW: 0x15,
  AMO_FP_INEXACT: 0x16,
  PERM_VIOLATION: 0x17,
  OP_VIOLATION: 0x18,
  BAD_INDEX: 0x19,
  BAD_PID: 0x1a,
  BAD_JOB_ID: 0x1b,
  BAD_MKEY: 0x1c,
  BAD_ADDR: 0x1d,
  CANCELLED: 0x1e,
  UNDELIVERABLE: 0x1f,
  UNCOR: 0x20,
  UNCOR_TRNSNT: 0x21,
  TOO_LONG: 0x22,
  INITIATOR_ERROR: 0x23,
  DROPPED: 0x24,
  EXTENDED: 0x3e,
});

/** Atomic operation (uet:ses/2.10). Not the numbers of libfabric's `fi_op`. */
export const AmoOpcode = names({
  MIN: 0x00,
  MAX: 0x01,
  SUM: 0x02,
  DIFF: 0x03,
  PROD: 0x04,
  LOR: 0x05,
  LAND: 0x06,
  BOR: 0x07,
  BAND: 0x08,
  LXOR: 0x09,
  BXOR: 0x0a,
  READ: 0x0b,
  WRITE: 0x0c,
  CSWAP: 0x0d,
  CSWAP_NE: 0x0e,
  CSWAP_LE: 0x0f,
  CSWAP_LT: 0x10,
  CSWAP_GE: 0x11,
  CSWAP_GT: 0x12,
  MSWAP: 0x13,
  INVAL: 0x14,
});

/** Operand type of an atomic (uet:ses/2.10). Not the numbers of libfabric's `fi_datatype`. */
export const AmoDatatype = names({
  INT8: 0x00,
  UINT8: 0x01,
  INT16: 0x02,
  UINT16: 0x03,
  INT32: 0x04,
  UINT32: 0x05,
  INT64: 0x06,
  UINT64: 0x07,
  INT128: 0x08,
  UINT128: 0x09,
  FLOAT: 0x0a,
  DOUBLE: 0x0b,
  FLOAT_COMPLEX: 0x0c,
  DOUBLE_COMPLEX: 0x0d,
  LONG_DOUBLE: 0x0e,
  LONG_DOUBLE_COMPLEX: 0x0f,
  BF16: 0x10,
  FP16: 0x11,
});

// Bits of `semanticControl` in the atomic extension (uet:ses/2.6).

/** The operation may be carried out in a cache. */
export const AMO_CACHEABLE = 0x01;
/** The operation is coherent with atomics of the host's processors. */
export const AMO_CPU_COHERENT = 0x02;

// Masks of the second byte of a request (uet:ses/2.2), for code that tests or sets several at once.

/** Delivery complete. */
export const SES_DC = 0x20;
/** Initiator error. */
export const SES_IE = 0x10;
/** Relative addressing. */
export const SES_REL = 0x08;
/** Header data present. */
export const SES_HD = 0x04;
/** End of message. */
export const SES_EOM = 0x02;
/** Start of message. */
export const SES_SOM = 0x01;

/** Most bytes that a 14-bit payload length can announce (uet:pds/1.5). */
export const MAX_SES_PAYLOAD_BYTES = 16_383;
