/**
 * RoCEv2 operations (IBTA vol. 1 §9.2.1, annex A17): one table, from which names, header lengths and flags come.
 *
 * Hot code reads the typed arrays, which have an entry for each of the 256 values, so no opcode of a peer is outside.
 */
import { names } from '../names.ts';

/** Transport service and operation of a packet, first byte of the BTH (IBTA vol. 1 §9.2.1). */
export const RoceOpcode = names({
  RC_SEND_FIRST: 0x00,
  RC_SEND_MIDDLE: 0x01,
  RC_SEND_LAST: 0x02,
  RC_SEND_LAST_IMMEDIATE: 0x03,
  RC_SEND_ONLY: 0x04,
  RC_SEND_ONLY_IMMEDIATE: 0x05,
  RC_WRITE_FIRST: 0x06,
  RC_WRITE_MIDDLE: 0x07,
  RC_WRITE_LAST: 0x08,
  RC_WRITE_LAST_IMMEDIATE: 0x09,
  RC_WRITE_ONLY: 0x0a,
  RC_WRITE_ONLY_IMMEDIATE: 0x0b,
  RC_READ_REQUEST: 0x0c,
  RC_READ_RESPONSE_FIRST: 0x0d,
  RC_READ_RESPONSE_MIDDLE: 0x0e,
  RC_READ_RESPONSE_LAST: 0x0f,
  RC_READ_RESPONSE_ONLY: 0x10,
  RC_ACKNOWLEDGE: 0x11,
  RC_ATOMIC_ACKNOWLEDGE: 0x12,
  RC_COMPARE_SWAP: 0x13,
  RC_FETCH_ADD: 0x14,
  RC_SEND_LAST_INVALIDATE: 0x16,
  RC_SEND_ONLY_INVALIDATE: 0x17,
  UC_SEND_FIRST: 0x20,
  UC_SEND_MIDDLE: 0x21,
  UC_SEND_LAST: 0x22,
  UC_SEND_LAST_IMMEDIATE: 0x23,
  UC_SEND_ONLY: 0x24,
  UC_SEND_ONLY_IMMEDIATE: 0x25,
  UC_WRITE_FIRST: 0x26,
  UC_WRITE_MIDDLE: 0x27,
  UC_WRITE_LAST: 0x28,
  UC_WRITE_LAST_IMMEDIATE: 0x29,
  UC_WRITE_ONLY: 0x2a,
  UC_WRITE_ONLY_IMMEDIATE: 0x2b,
  UD_SEND_ONLY: 0x64,
  UD_SEND_ONLY_IMMEDIATE: 0x65,
  CNP: 0x81,
});

/** Transport service: the upper three bits of an opcode. Reliable datagrams (2) have no users and are not here. */
export const RoceService = names({ RC: 0, UC: 1, UD: 3, CNP: 4 });

/** What a packet is about. */
export type RoceOperation =
  | 'send'
  | 'write'
  | 'read request'
  | 'read response'
  | 'acknowledge'
  | 'atomic acknowledge'
  | 'atomic'
  | 'congestion notification';
/** Place of a packet in its message. */
export type RocePosition = 'first' | 'middle' | 'last' | 'only';
/** An extension header; its declaration is in `extended.ts`. */
export type RoceExtension = 'DETH' | 'RETH' | 'AtomicETH' | 'AETH' | 'AtomicAckETH' | 'ImmDt' | 'IETH' | 'CNP padding';

/** One row of the opcode table. */
export interface RoceOpcodeInfo {
  readonly opcode: number;
  /** One of `RoceService`. */
  readonly service: number;
  readonly operation: RoceOperation;
  readonly position: RocePosition;
  /** Behind the BTH, in wire order. */
  readonly extensions: readonly RoceExtension[];
  /** Whether payload may follow the headers. */
  readonly payload: boolean;
}

/** The row of an opcode, undefined for a reserved one. Cold paths. */
export function roceOpcode(opcode: number): RoceOpcodeInfo | undefined {
  return BY_OPCODE.get(opcode);
}

// Flags in ROCE_FLAGS. A reserved opcode has none at all.

/** The opcode is known. */
export const ROCE_KNOWN = 0x001;
/** First packet of its message, or the only one. */
export const ROCE_STARTS = 0x002;
/** Last packet of its message, or the only one. */
export const ROCE_ENDS = 0x004;
/** Payload may follow. */
export const ROCE_PAYLOAD = 0x008;
/** Has an ImmDt, which is the last four bytes of its headers. */
export const ROCE_IMMEDIATE = 0x010;
/** Has an IETH, which is the last four bytes of its headers. */
export const ROCE_INVALIDATE = 0x020;
/** SEND of any kind. */
export const ROCE_SEND = 0x040;
/** RDMA WRITE of any kind. */
export const ROCE_WRITE = 0x080;
/** RDMA READ request or response. */
export const ROCE_READ = 0x100;
/** CMP_SWAP, FETCH_ADD or ATOMIC Acknowledge. */
export const ROCE_ATOMIC = 0x200;
/** From requester to responder. Neither this nor the next: a congestion notification. */
export const ROCE_REQUEST = 0x400;
/** From responder to requester: acknowledgements and read data. */
export const ROCE_RESPONSE = 0x800;
/** Has an RETH, always right behind the BTH. */
export const ROCE_RETH = 0x1000;
/** Has an AETH, always right behind the BTH. */
export const ROCE_AETH = 0x2000;

/** The whole table, in the order of the opcodes. */
export const ROCE_OPCODES: readonly RoceOpcodeInfo[] = Object.freeze([
  ...connected(RoceService.RC),
  row(RoceOpcode.RC_READ_REQUEST, 'read request', 'only', ['RETH'], false),
  row(RoceOpcode.RC_READ_RESPONSE_FIRST, 'read response', 'first', ['AETH']),
  row(RoceOpcode.RC_READ_RESPONSE_MIDDLE, 'read response', 'middle', []),
  row(RoceOpcode.RC_READ_RESPONSE_LAST, 'read response', 'last', ['AETH']),
  row(RoceOpcode.RC_READ_RESPONSE_ONLY, 'read response', 'only', ['AETH']),
  row(RoceOpcode.RC_ACKNOWLEDGE, 'acknowledge', 'only', ['AETH'], false),
  row(RoceOpcode.RC_ATOMIC_ACKNOWLEDGE, 'atomic acknowledge', 'only', ['AETH', 'AtomicAckETH'], false),
  row(RoceOpcode.RC_COMPARE_SWAP, 'atomic', 'only', ['AtomicETH'], false),
  row(RoceOpcode.RC_FETCH_ADD, 'atomic', 'only', ['AtomicETH'], false),
  row(RoceOpcode.RC_SEND_LAST_INVALIDATE, 'send', 'last', ['IETH']),
  row(RoceOpcode.RC_SEND_ONLY_INVALIDATE, 'send', 'only', ['IETH']),
  ...connected(RoceService.UC),
  row(RoceOpcode.UD_SEND_ONLY, 'send', 'only', ['DETH']),
  row(RoceOpcode.UD_SEND_ONLY_IMMEDIATE, 'send', 'only', ['DETH', 'ImmDt']),
  row(RoceOpcode.CNP, 'congestion notification', 'only', ['CNP padding'], false),
]);

/** Bytes of each extension header. A test compares them with the declarations. */
export const ROCE_EXTENSION_BYTES: Readonly<Record<RoceExtension, number>> = Object.freeze({
  DETH: 8,
  RETH: 16,
  AtomicETH: 28,
  AETH: 4,
  AtomicAckETH: 8,
  ImmDt: 4,
  IETH: 4,
  'CNP padding': 16,
});

/** Bytes of BTH and extension headers by opcode, 0 for a reserved opcode. */
export const ROCE_HEADER_BYTES: Uint8Array = new Uint8Array(256);
/** What is to be known about an opcode by opcode: `ROCE_KNOWN` and the others. */
export const ROCE_FLAGS: Uint16Array = new Uint16Array(256);

/** SEND and WRITE have the same twelve opcodes in both connected services. */
function connected(service: number): RoceOpcodeInfo[] {
  const base = service << 5;
  return [
    row(base + RoceOpcode.RC_SEND_FIRST, 'send', 'first', []),
    row(base + RoceOpcode.RC_SEND_MIDDLE, 'send', 'middle', []),
    row(base + RoceOpcode.RC_SEND_LAST, 'send', 'last', []),
    row(base + RoceOpcode.RC_SEND_LAST_IMMEDIATE, 'send', 'last', ['ImmDt']),
    row(base + RoceOpcode.RC_SEND_ONLY, 'send', 'only', []),
    row(base + RoceOpcode.RC_SEND_ONLY_IMMEDIATE, 'send', 'only', ['ImmDt']),
    row(base + RoceOpcode.RC_WRITE_FIRST, 'write', 'first', ['RETH']),
    row(base + RoceOpcode.RC_WRITE_MIDDLE, 'write', 'middle', []),
    row(base + RoceOpcode.RC_WRITE_LAST, 'write', 'last', []),
    row(base + RoceOpcode.RC_WRITE_LAST_IMMEDIATE, 'write', 'last', ['ImmDt']),
    row(base + RoceOpcode.RC_WRITE_ONLY, 'write', 'only', ['RETH']),
    row(base + RoceOpcode.RC_WRITE_ONLY_IMMEDIATE, 'write', 'only', ['RETH', 'ImmDt']),
  ];
}

function row(
  opcode: number,
  operation: RoceOperation,
  position: RocePosition,
  extensions: readonly RoceExtension[],
  payload = true,
): RoceOpcodeInfo {
  return Object.freeze({ opcode, service: opcode >> 5, operation, position, extensions, payload });
}

function flagsOf({ operation, position, extensions, payload }: RoceOpcodeInfo): number {
  const has = (one: RoceExtension, flag: number) => (extensions.includes(one) ? flag : 0);
  return (
    ROCE_KNOWN |
    OPERATION_FLAGS[operation] |
    (position === 'first' || position === 'only' ? ROCE_STARTS : 0) |
    (position === 'last' || position === 'only' ? ROCE_ENDS : 0) |
    (payload ? ROCE_PAYLOAD : 0) |
    has('ImmDt', ROCE_IMMEDIATE) |
    has('IETH', ROCE_INVALIDATE) |
    has('RETH', ROCE_RETH) |
    has('AETH', ROCE_AETH)
  );
}

const OPERATION_FLAGS: Readonly<Record<RoceOperation, number>> = {
  send: ROCE_SEND | ROCE_REQUEST,
  write: ROCE_WRITE | ROCE_REQUEST,
  'read request': ROCE_READ | ROCE_REQUEST,
  'read response': ROCE_READ | ROCE_RESPONSE,
  acknowledge: ROCE_RESPONSE,
  'atomic acknowledge': ROCE_ATOMIC | ROCE_RESPONSE,
  atomic: ROCE_ATOMIC | ROCE_REQUEST,
  'congestion notification': 0,
};
const BTH_LENGTH = 12;
const BY_OPCODE: ReadonlyMap<number, RoceOpcodeInfo> = new Map(ROCE_OPCODES.map((one) => [one.opcode, one]));
for (const one of ROCE_OPCODES) {
  ROCE_HEADER_BYTES[one.opcode] = one.extensions.reduce((sum, name) => sum + ROCE_EXTENSION_BYTES[name], BTH_LENGTH);
  ROCE_FLAGS[one.opcode] = flagsOf(one);
}
