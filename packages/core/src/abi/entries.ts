/**
 * What stands in the rings.
 *
 * The user half writes work, the kernel half reads it once and believes nothing; completions go the other way.
 */
import { MAX_INLINE, MAX_SEGMENTS } from '../engine/work.ts';
import { pad, struct, u16, u32 } from './struct.ts';

/**
 * A send request. Four segments or the inline bytes follow at {@link PAYLOAD_AT}.
 *
 * BIND_MW: `index` is the number of the window, `rkey` its new key, `remote` the length of the part, `immLo` the rights;
 * the first segment names the region and where the part begins. LOCAL_INV, SEND_WITH_INV: `rkey` is the key that ends.
 * ATOMIC_CMP_AND_SWP: `imm` is what is expected, `operand` what replaces it; ATOMIC_FETCH_AND_ADD: `imm` is added.
 * TAGGED_SEND: `rkey` is the tag. ATOMIC and its kin: `operandLo` is the AtomicOp, and 256 times the AtomicType;
 * `operandHi` is the number of segments with operands, and 256 times that of segments to compare with, which follow; the
 * rest of the segments are where goes what was there.
 */
export const SendEntry = struct('SendEntry', 128, {
  opcode: u16('one of WorkOpcode'),
  flags: u16('bits of SendFlag'),
  segments: u16('segments in use, 0 to 4'),
  inlineLength: u16('inline bytes, 0 to 64'),
  jobKey: u32('value of a job key; 0: the one of the queue pair'),
  address: u32('address handle; 0: by address index'),
  idLo: u32('the program’s number for this request, low word'),
  idHi: u32('and its high word'),
  rkeyLo: u32('remote key, low word'),
  rkeyHi: u32('and its high word'),
  remoteLo: u32('offset in the remote region, low word'),
  remoteHi: u32('and its high word'),
  immLo: u32('immediate data, low word'),
  immHi: u32('and its high word'),
  index: u32('index in the address table of the job'),
  qpn: u32('queue pair number instead of the address’s'),
  operandLo: u32('value to swap in, low word; of a datagram the queue key'),
  operandHi: u32('and its high word'),
  _payload: pad(64, 'segments or inline bytes'),
});

/** A receive. Segments follow at {@link PAYLOAD_AT}. */
export const ReceiveEntry = struct('ReceiveEntry', 128, {
  segments: u16('segments in use, 0 to 4'),
  flags: u16('bits of ReceiveFlag; all but 0 for queue pairs that match'),
  _reserved1: pad(4),
  idLo: u32('the program’s number for this receive, low word'),
  idHi: u32('and its high word'),
  tagLo: u32('tag, low word'),
  tagHi: u32('and its high word'),
  ignoreLo: u32('bits of the tag that do not count, low word'),
  ignoreHi: u32('and its high word'),
  sourceId: u32('DIRECTED: identity of the only sender'),
  address: u32('address handle of the only sender; 0: any'),
  jobId: u32('only job; 0: any'),
  minBytes: u32('MULTI: with fewer bytes left it ends'),
  _reserved2: pad(16),
  _payload: pad(64, 'segments'),
});

/** A stretch of registered memory. */
export const SegmentEntry = struct('SegmentEntry', 16, {
  lkey: u32('local key of the region'),
  length: u32('bytes'),
  offsetLo: u32('bytes from the start of the region, low word'),
  offsetHi: u32('and its high word'),
});

export const CompletionEntry = struct('CompletionEntry', 64, {
  idLo: u32('number of the request, low word'),
  idHi: u32('and its high word'),
  status: u16('one of Status'),
  opcode: u16('one of CompletionOpcode'),
  flags: u32('bits of CompletionFlag'),
  byteLength: u32('bytes moved'),
  immLo: u32('immediate data, low word'),
  immHi: u32('and its high word'),
  qpn: u32('number of the local queue pair'),
  remoteQpn: u32('number of the peer’s queue pair'),
  sourceId: u32('identity that the peer claims'),
  jobId: u32('job that the work was done for'),
  path: u32('handle of the path to the peer'),
  vendorStatus: u32('the transport’s own code'),
  tagLo: u32('tag, low word'),
  tagHi: u32('and its high word'),
  extra: u32('LOC_LEN_ERR: bytes without room; else where in a receive for many the message begins'),
});

export const SendFlag = {
  SIGNALED: 1,
  INLINE: 2,
  QPN: 4,
  SOLICITED: 8,
  FENCE: 16,
  QKEY: 32,
  DELIVERY_COMPLETE: 64,
  MATCH_COMPLETE: 128,
} as const;
/** @spec uet:ses/4 */
export const ReceiveFlag = { TAGGED: 1, DIRECTED: 2, MULTI: 4, PEEK: 8, CLAIM: 16, DISCARD: 32, CANCEL: 64 } as const;
/**
 * INVALIDATED: the peer ended access under the key in `imm`. GRH: 40 bytes of routing header stand in front of the data.
 * RELEASED: a receive for many messages is used up.
 */
export const CompletionFlag = { HAS_IMM: 1, INVALIDATED: 2, GRH: 4, SOLICITED: 8, RELEASED: 16 } as const;

/** Where segments or inline bytes start in an entry. */
export const PAYLOAD_AT = 64;

if (PAYLOAD_AT + MAX_SEGMENTS * SegmentEntry.bytes > SendEntry.bytes || PAYLOAD_AT + MAX_INLINE > SendEntry.bytes) {
  throw new Error('segments or inline bytes do not fit into an entry');
}
