/**
 * Work as an engine sees it: copied out of a ring once, checked, local keys already turned into regions.
 * Records are made once and reused; nothing here is allocated per message.
 */
import { MAX_SLICES } from './packet.ts';

/** Most segments of one work request; a packet can then always be gathered. */
export const MAX_SEGMENTS = 4;
/** Most bytes of inline data in one work request. */
export const MAX_INLINE = 64;

if (MAX_SEGMENTS > MAX_SLICES) throw new Error('a packet could straddle more segments than it has slices');

export class Segments {
  count = 0;
  readonly region = new Int32Array(MAX_SEGMENTS);
  /** Bytes from the region's start. */
  readonly offset = new Float64Array(MAX_SEGMENTS);
  /** Bytes, up to 2^32-1. */
  readonly length = new Float64Array(MAX_SEGMENTS);

  clear(): void {
    this.count = 0;
  }

  add(region: number, offset: number, length: number): void {
    const i = this.count++;
    this.region[i] = region;
    this.offset[i] = offset;
    this.length[i] = length;
  }

  copyFrom(other: Segments): void {
    this.count = other.count;
    for (let i = 0; i < other.count; i++) {
      this.region[i] = other.region[i]!;
      this.offset[i] = other.offset[i]!;
      this.length[i] = other.length[i]!;
    }
  }

  total(): number {
    let sum = 0;
    for (let i = 0; i < this.count; i++) sum += this.length[i]!;
    return sum;
  }
}

export class SendWork {
  wrIdLo = 0;
  wrIdHi = 0;
  /** One of `WorkOpcode`. */
  opcode = 0;
  signaled = true;
  /** The peer's program is to be woken. */
  solicited = false;
  /** Begins when the reads and atomics before it are done; on unordered queue pairs, when all before it is done. */
  fence = false;
  /** Done when the data can be seen at the peer. */
  deliveryComplete = false;
  /** Done when a receive of the peer has taken it. */
  matchComplete = false;
  /** Other than SUCCESS: the request is locally wrong and must only be completed, in order. */
  status = 0;
  /** Total bytes, 0 to 2^32-1. */
  length = 0;
  readonly segments = new Segments();
  /** Where inline bytes go: set by the engine before it takes work; the bytes must live until completion. */
  inlineRegion = 0;
  inlineOffset = 0;
  /** Destination: the host's path and the peer's queue pair number. */
  path = 0;
  remoteQpn = 0;
  /** Job that the work is done for; 0 = none. */
  jobId = 0;
  /** Remote key; of tagged messages the tag. */
  rkeyLo = 0;
  rkeyHi = 0;
  remoteOffsetLo = 0;
  remoteOffsetHi = 0;
  immLo = 0;
  immHi = 0;
  /** CMP_AND_SWP: what is expected; FETCH_AND_ADD: what is added. */
  compareAddLo = 0;
  compareAddHi = 0;
  swapLo = 0;
  swapHi = 0;
  /** Queue key of a datagram. */
  qkey = 0;
  /** ATOMIC and its kin: one of `AtomicOp` and of `AtomicType`. `segments` are the operands, `length` is theirs or the result's. */
  atomicOp = 0;
  atomicType = 0;
  #comparand: Segments | undefined;
  #result: Segments | undefined;

  /** What is compared with. Made when it is first asked for: most requests never are atomics. */
  get comparand(): Segments {
    this.#comparand ??= new Segments();
    return this.#comparand;
  }

  /** Where goes what was there. */
  get result(): Segments {
    this.#result ??= new Segments();
    return this.#result;
  }
}

/** A request as it goes over a wire, for one part of the message: what the peer must know of it, and who asks. */
export class RequestPart extends SendWork {
  sourceQpn = 0;
  sourceId = 0;
  /** Where in the message the part begins, bytes. */
  offset = 0;
  /** Tells the request from others of its queue pair, 16 bits. */
  sequence = 0;
}

/** What a receive, or what looks like one in its ring, asks for. */
export const ReceiveOp = { RECEIVE: 0, PEEK: 1, CANCEL: 2 } as const;

/** A receive. All but the first five members only count on queue pairs that match. */
export class ReceiveWork {
  wrIdLo = 0;
  wrIdHi = 0;
  status = 0;
  length = 0;
  readonly segments = new Segments();
  /** One of `ReceiveOp`. PEEK tells of an unexpected message; CANCEL ends the receive with the same number. */
  operation = 0;
  /** Takes tagged messages only; otherwise untagged ones only. */
  tagged = false;
  tagLo = 0;
  tagHi = 0;
  /** Bits of the tag that do not count. */
  ignoreLo = 0;
  ignoreHi = 0;
  /** Only from this source; what is meant by 0 as well. */
  directed = false;
  sourceId = 0;
  /** Only over this path; 0: over any. */
  path = 0;
  /** Only for this job; 0: for any. */
  jobId = 0;
  /** Takes message after message, until fewer than `minBytes` are left. */
  multi = false;
  minBytes = 0;
  /** PEEK: reserves what it finds for the receive with CLAIM and the same number. RECEIVE: takes what was reserved. */
  claim = false;
  /** PEEK or CLAIM: what is found is thrown away. */
  discard = false;

  /** Copies what counts on queue pairs that do not match. */
  copyPlace(other: ReceiveWork): void {
    this.wrIdLo = other.wrIdLo;
    this.wrIdHi = other.wrIdHi;
    this.status = other.status;
    this.length = other.length;
    this.segments.copyFrom(other.segments);
    this.multi = false;
  }

  copyFrom(other: ReceiveWork): void {
    this.copyPlace(other);
    this.operation = other.operation;
    this.tagged = other.tagged;
    this.tagLo = other.tagLo;
    this.tagHi = other.tagHi;
    this.ignoreLo = other.ignoreLo;
    this.ignoreHi = other.ignoreHi;
    this.directed = other.directed;
    this.sourceId = other.sourceId;
    this.path = other.path;
    this.jobId = other.jobId;
    this.multi = other.multi;
    this.minBytes = other.minBytes;
    this.claim = other.claim;
    this.discard = other.discard;
  }
}

/** A remote access to check: filled by the engine, answered in place. */
export class Reach {
  /** Device's handle of the queue pair that the access came to. */
  qp = 0;
  pd = 0;
  jobId = 0;
  keyLo = 0;
  keyHi = 0;
  /** Offset from the region's start; the engine refuses offsets of 2^53 and more itself. */
  offset = 0;
  length = 0;
  /** Bits of `Access` that the operation needs. */
  rights = 0;
  /** A mere question: a refusal has no consequences for the queue pair. */
  isProbe = false;
  /** Out: where the bytes are. */
  region = 0;
  regionOffset = 0;

  /** Asks for what a request names: all of its bytes, whatever part of them a packet carries. */
  ask(to: { readonly qp: number; readonly pd: number }, request: SendWork, rights: number): void {
    this.qp = to.qp;
    this.pd = to.pd;
    this.jobId = request.jobId;
    this.keyLo = request.rkeyLo;
    this.keyHi = request.rkeyHi;
    this.offset = request.remoteOffsetHi * 2 ** 32 + request.remoteOffsetLo;
    this.length = request.length;
    this.rights = rights;
  }
}

export class CompletionRecord {
  wrIdLo = 0;
  wrIdHi = 0;
  /** One of `Status`. */
  status = 0;
  /** One of `CompletionOpcode`. */
  opcode = 0;
  byteLength = 0;
  hasImm = false;
  /** The peer ended remote access under a key, which stands in `immLo` and `immHi`. */
  hasInvalidated = false;
  /** A routing header stands in front of the data; `byteLength` counts it. */
  hasGrh = false;
  /** The peer asked to wake the program. */
  solicited = false;
  immLo = 0;
  immHi = 0;
  /** Peer's queue pair number where known. */
  remoteQpn = 0;
  /** Peer's initiator id (UET). */
  sourceId = 0;
  jobId = 0;
  /** The host's path to the peer; 0 where unknown. */
  path = 0;
  /** The transport's own code, verbatim (UET: SES return code). */
  vendorStatus = 0;
  /** Of a tagged message. */
  tagLo = 0;
  tagHi = 0;
  /** A receive for many messages stays in use: no entry of the ring is free again. */
  holdsReceive = false;
  /** A receive for many messages is used up with this. */
  isReleased = false;
  /** LOC_LEN_ERR: bytes for which there was no room. Otherwise, of a receive for many: where in it the message begins. */
  extra = 0;
}
