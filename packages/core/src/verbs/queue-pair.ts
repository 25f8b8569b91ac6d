/**
 * The program's side of a queue pair: writes requests into rings and rings the doorbell.
 *
 * Checks here exist to explain mistakes early; the device checks everything again and trusts nothing.
 */
import { PAYLOAD_AT, ReceiveEntry, SegmentEntry, SendEntry, SendFlag } from '../abi/entries.ts';
import { Ring, RingError, ringBytes, ringSize } from '../abi/ring.ts';
import { VerbsError } from '../base/verbs-error.ts';
import { WorkOpcode } from '../engine/status.ts';
import { MAX_INLINE, MAX_SEGMENTS } from '../engine/work.ts';
import { QP_TYPES, type QpType } from '../uapi/objects/qp.ts';
import type { CompletionQueue } from './completion-queue.ts';
import type { JobKey } from './job.ts';
import type { MemoryRegion } from './memory-region.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { invalidRequest, RequestFault } from './request-faults.ts';
import { VerbsObject } from './verbs-object.ts';
import { WordPair } from './word-pair.ts';
import type { ReceiveRequest, Segment, WorkRequest } from './work-request.ts';

const { opcode, flags, segments, inlineLength, jobKey, address, idLo, idHi, rkeyLo, rkeyHi } = SendEntry.fields;
const { remoteLo, remoteHi, immLo, immHi, index, qpn } = SendEntry.fields;
const receiveSegments = ReceiveEntry.fields.segments;
const receiveIdLo = ReceiveEntry.fields.idLo;
const receiveIdHi = ReceiveEntry.fields.idHi;
const { lkey, length: segmentLength, offsetLo, offsetHi } = SegmentEntry.fields;

export interface QueuePairOptions {
  /** Kind; which of them a device has, its attributes say. */
  readonly type: QpType;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  /** The job that it works for. Mandatory for relative addressing, and for sending unless requests carry a key. */
  readonly jobKey?: JobKey;
  /** The number that peers use; without it the device assigns one: absolute without a job key, else relative. */
  readonly qpn?: number;
  /** Identity shown to peers, 32 bits. Default: the number. */
  readonly sourceId?: number;
  /** Requests that can be outstanding. Default 1024; rounded up to a power of two, like `receiveDepth`. */
  readonly sendDepth?: number;
  readonly receiveDepth?: number;
  /** Messages to one peer arrive in the order of posting. Default false. */
  readonly ordered?: boolean;
  /** Every send request completes visibly. Default true; false: only those with `signaled`, and failures. */
  readonly sendSignalAll?: boolean;
  /** Address entry that it sends from; its type chooses the protocol. Default 0. */
  readonly sgidIndex?: number;
}

export class QueuePair extends VerbsObject {
  readonly pd: ProtectionDomain;
  readonly handle: number;
  readonly qpn: number;
  readonly sourceId: number;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly #jobKey: JobKey | undefined;
  readonly #needsJob: boolean;
  readonly #slot: number;
  readonly #sends: Ring;
  readonly #receives: Ring;
  readonly #words = new WordPair();
  #sent = 0;
  #sendsDone = 0;
  #received = 0;
  #receivesDone = 0;

  private constructor(
    pd: ProtectionDomain,
    options: QueuePairOptions,
    made: { readonly qp: number; readonly qpn: number; readonly slot: number; readonly sourceId: number },
    sends: Ring,
    receives: Ring,
  ) {
    super(pd.context);
    this.pd = pd;
    this.handle = made.qp;
    this.qpn = made.qpn;
    this.sourceId = made.sourceId;
    this.sendCq = options.sendCq;
    this.recvCq = options.recvCq;
    this.#jobKey = options.jobKey;
    this.#needsJob = pd.context.attributes.maxJobId > 0;
    this.#slot = made.slot;
    this.#sends = sends;
    this.#receives = receives;
    pd.context.name(made.qp, this);
  }

  /**
   * For `ProtectionDomain.createQueuePair`.
   *
   * @throws VerbsError `EINVAL` number against the rules, foreign objects, depth out of range · `EEXIST` number taken ·
   *   `EBUSY` PIDonFEP of another domain · `EOPNOTSUPP` type that the transport lacks · `ENOSPC` too many queue pairs
   * @spec verbs/5.8
   */
  static create(pd: ProtectionDomain, options: QueuePairOptions): QueuePair {
    const { context } = pd;
    const { memory } = context.port;
    const sendEntries = depth(options.sendDepth, 'sendDepth', context.attributes.maxQpWr);
    const receiveEntries = depth(options.receiveDepth, 'receiveDepth', context.attributes.maxQpWr);
    const sendBytes = memory.allocate(ringBytes(sendEntries, SendEntry.bytes));
    let receiveBytes: Uint8Array | undefined;
    try {
      receiveBytes = memory.allocate(ringBytes(receiveEntries, ReceiveEntry.bytes));
      const attachments: unknown[] = [];
      const input = {
        pd: pd.handle,
        type: QP_TYPES[options.type] ?? -1,
        sendCq: options.sendCq.handle,
        recvCq: options.recvCq.handle,
        jobKey: options.jobKey?.handle,
        qpn: options.qpn,
        sourceId: options.sourceId,
        sgidIndex: options.sgidIndex,
        flags: (options.ordered === true ? 1 : 0) | (options.sendSignalAll === false ? 0 : 2),
        sendEntries,
        receiveEntries,
        sendRing: memory.name(context, sendBytes, attachments),
        receiveRing: memory.name(context, receiveBytes, attachments),
      };
      const answer = context.call('QP', 'CREATE', input, attachments);
      const made = { qp: answer.handle, qpn: answer.qpnGiven, slot: answer.slot, sourceId: answer.sourceIdGiven };
      const sends = new Ring(sendBytes, sendEntries, SendEntry.bytes);
      return new QueuePair(pd, options, made, sends, new Ring(receiveBytes, receiveEntries, ReceiveEntry.bytes));
    } catch (thrown) {
      memory.release(sendBytes);
      if (receiveBytes !== undefined) memory.release(receiveBytes);
      throw thrown;
    }
  }

  /** ERR: something was wrong that no completion can tell; what is posted is flushed. */
  get state(): 'RTS' | 'ERR' {
    return this.#sends.error() === RingError.NONE && this.#receives.error() === RingError.NONE ? 'RTS' : 'ERR';
  }

  /** Requests that can be posted now. */
  get sendSpace(): number {
    if (!this.isOpen) return 0;
    return this.#sends.size - ((this.#sent - this.#sends.consumer()) | 0);
  }

  /** Receives that can be posted now. */
  get receiveSpace(): number {
    if (!this.isOpen) return 0;
    return this.#receives.size - ((this.#received - this.#receives.consumer()) | 0);
  }

  /**
   * Posts a request. It is under way at the latest when the event loop turns, a completion queue is polled, or 64
   * requests are posted.
   *
   * @throws VerbsError `ENOMEM` the send queue is full · `EINVAL` a wrong request · `EOPNOTSUPP` an operation that the
   *   transport lacks
   */
  post(request: WorkRequest): void {
    if (!this.tryPost(request)) this.#throwFull('post', 'send', this.#sends);
  }

  /**
   * Posts a request like {@link post}.
   *
   * @returns false when the send queue is full
   * @throws VerbsError EINVAL or EOPNOTSUPP as {@link post}
   */
  tryPost(request: WorkRequest): boolean {
    if (!this.isOpen) this.check('post');
    const ring = this.#sends;
    if (((this.#sent - this.#sendsDone) | 0) >= ring.size) {
      this.#sendsDone = ring.consumer();
      if (((this.#sent - this.#sendsDone) | 0) >= ring.size) return false;
    }
    const fault = this.#write(request, ring.view, ring.at(this.#sent));
    if (fault !== RequestFault.NONE) throw invalidRequest(fault, request, this);
    this.#sent = (this.#sent + 1) | 0;
    ring.publish(this.#sent);
    this.#ringDoorbell();
    return true;
  }

  /**
   * Posts a receive: one message of a peer goes there. Without a region or segments it takes messages without data.
   *
   * @throws VerbsError `ENOMEM` the receive queue is full · `EINVAL` a wrong request
   */
  postReceive(request: ReceiveRequest): void {
    if (!this.tryPostReceive(request)) this.#throwFull('postReceive', 'receive', this.#receives);
  }

  /** Posts a receive like {@link postReceive}. @returns false when the receive queue is full */
  tryPostReceive(request: ReceiveRequest): boolean {
    if (!this.isOpen) this.check('postReceive');
    const ring = this.#receives;
    if (((this.#received - this.#receivesDone) | 0) >= ring.size) {
      this.#receivesDone = ring.consumer();
      if (((this.#received - this.#receivesDone) | 0) >= ring.size) return false;
    }
    const { view } = ring;
    const at = ring.at(this.#received);
    const words = this.#words;
    let fault: number = words.set(request.id ?? 0) ? RequestFault.NONE : RequestFault.ID;
    receiveIdLo.set(view, at, words.lo);
    receiveIdHi.set(view, at, words.hi);
    if (fault === RequestFault.NONE) {
      const count = this.#writeData(view, at, request.region, request.offset, request.length, request.segments);
      if (count < 0) fault = -count;
      else receiveSegments.set(view, at, count);
    }
    if (fault !== RequestFault.NONE) throw invalidRequest(fault, request, this);
    this.#received = (this.#received + 1) | 0;
    ring.publish(this.#received);
    this.#ringDoorbell();
    return true;
  }

  /** Ends the queue pair: everything under way completes with WR_FLUSH_ERR, as far as the queues have room. */
  close(): void {
    this.end();
  }

  describe(): string {
    return `queue pair 0x${this.qpn.toString(16)}`;
  }

  protected destroyHandle(): void {
    const { port } = this.context;
    this.context.call('QP', 'DESTROY', { handle: this.handle });
    this.context.disown(this, this.handle);
    port.memory.release(this.#sends.bytes);
    port.memory.release(this.#receives.bytes);
  }

  #ringDoorbell(): void {
    this.context.page.ring(this.#slot);
    this.context.port.scheduleProgress();
  }

  /** @returns one of `RequestFault` */
  #write(request: WorkRequest, view: DataView, at: number): number {
    const words = this.#words;
    const { to, remote, imm, inline } = request;
    const key = request.jobKey ?? this.#jobKey;
    if (!words.set(request.id ?? 0)) return RequestFault.ID;
    idLo.set(view, at, words.lo);
    idHi.set(view, at, words.hi);
    if (request.opcode === 'send') {
      opcode.set(view, at, imm === undefined ? WorkOpcode.SEND : WorkOpcode.SEND_WITH_IMM);
    } else {
      if (remote === undefined) return RequestFault.NO_REMOTE;
      const offset = request.remoteOffset ?? 0;
      if (!words.set(typeof offset === 'number' ? offset + remote.base : offset + BigInt(remote.base))) {
        return RequestFault.REMOTE_OFFSET;
      }
      rkeyLo.set(view, at, remote.keyLo);
      rkeyHi.set(view, at, remote.keyHi);
      remoteLo.set(view, at, words.lo);
      remoteHi.set(view, at, words.hi);
      if (request.opcode === 'write') {
        opcode.set(view, at, imm === undefined ? WorkOpcode.RDMA_WRITE : WorkOpcode.RDMA_WRITE_WITH_IMM);
      } else if (request.opcode === 'read') {
        if (imm !== undefined) return RequestFault.READ_WITH_IMM;
        if (inline !== undefined) return RequestFault.READ_INLINE;
        opcode.set(view, at, WorkOpcode.RDMA_READ);
      } else return RequestFault.OPCODE;
    }
    if (imm !== undefined) {
      if (!words.set(imm)) return RequestFault.IMM;
      immLo.set(view, at, words.lo);
      immHi.set(view, at, words.hi);
    }
    if (key === undefined) {
      if (this.#needsJob) return RequestFault.NO_JOB;
      jobKey.set(view, at, 0);
    } else {
      if (key.pd !== this.pd || !key.isOpen) return RequestFault.FOREIGN_JOB_KEY;
      jobKey.set(view, at, key.value);
    }
    let flag: number = request.signaled === true ? SendFlag.SIGNALED : 0;
    if (to !== undefined) {
      if (to.pd !== this.pd || !to.isOpen) return RequestFault.FOREIGN_ADDRESS;
      address.set(view, at, to.number);
    } else {
      const { toIndex } = request;
      if (toIndex === undefined) return RequestFault.NO_ADDRESS;
      if (key === undefined || !(toIndex >= 0 && toIndex < key.job.addresses.size)) return RequestFault.ADDRESS_INDEX;
      address.set(view, at, 0);
      index.set(view, at, toIndex);
    }
    if (request.qpn !== undefined) {
      if (!(request.qpn >= 0 && request.qpn <= 0xffff_ffff)) return RequestFault.QPN;
      flag |= SendFlag.QPN;
      qpn.set(view, at, request.qpn);
    }
    if (inline !== undefined) {
      if (inline.length > MAX_INLINE) return RequestFault.INLINE_LENGTH;
      if (request.region !== undefined || request.segments !== undefined) return RequestFault.TWO_SOURCES;
      const { bytes } = this.#sends;
      for (let i = 0; i < inline.length; i++) bytes[at + PAYLOAD_AT + i] = inline[i]!;
      inlineLength.set(view, at, inline.length);
      segments.set(view, at, 0);
      flag |= SendFlag.INLINE;
    } else {
      const count = this.#writeData(view, at, request.region, request.offset, request.length, request.segments);
      if (count < 0) return -count;
      segments.set(view, at, count);
      inlineLength.set(view, at, 0);
    }
    flags.set(view, at, flag);
    return RequestFault.NONE;
  }

  /** @returns the number of segments, or a negative `RequestFault` */
  #writeData(
    view: DataView,
    at: number,
    region: MemoryRegion | undefined,
    offset: number | undefined,
    length: number | undefined,
    list: readonly Segment[] | undefined,
  ): number {
    if (region !== undefined) {
      if (list !== undefined) return -RequestFault.TWO_SOURCES;
      const from = offset ?? 0;
      const fault = this.#writeSegment(view, at + PAYLOAD_AT, region, from, length ?? region.length - from);
      return fault === RequestFault.NONE ? 1 : -fault;
    }
    if (list === undefined) return length === undefined || length === 0 ? 0 : -RequestFault.NO_REGION;
    if (list.length > MAX_SEGMENTS) return -RequestFault.SEGMENTS;
    for (let i = 0; i < list.length; i++) {
      const one = list[i]!;
      const place = at + PAYLOAD_AT + i * SegmentEntry.bytes;
      const fault = this.#writeSegment(view, place, one.region, one.offset, one.length);
      if (fault !== RequestFault.NONE) return -fault;
    }
    return list.length;
  }

  #writeSegment(view: DataView, at: number, region: MemoryRegion, offset: number, length: number): number {
    if (region.pd !== this.pd || !region.isOpen) return RequestFault.FOREIGN_REGION;
    if (!(offset >= 0 && length >= 0 && offset <= region.length - length)) return RequestFault.OUT_OF_BOUNDS;
    if (length > 0xffff_ffff || offset !== Math.floor(offset) || length !== Math.floor(length)) {
      return RequestFault.OUT_OF_BOUNDS;
    }
    lkey.set(view, at, region.lkey);
    segmentLength.set(view, at, length);
    offsetLo.set(view, at, offset >>> 0);
    offsetHi.set(view, at, (offset - (offset >>> 0)) / 0x1_0000_0000);
    return RequestFault.NONE;
  }

  #throwFull(call: string, what: string, ring: Ring): never {
    if (ring.error() === RingError.BROKEN) {
      throw new VerbsError('EIO', call, `the ${what} ring holds nonsense and is not served any more`, {
        object: this.describe(),
        try: 'close the queue pair; somebody wrote into the memory of its rings',
      });
    }
    throw new VerbsError('ENOMEM', call, `the ${what} queue is full`, {
      object: `${this.describe()} with ${ring.size} ${what} requests outstanding`,
      try: `take completions first, or create it with a larger ${what}Depth`,
    });
  }
}

function depth(asked: number | undefined, name: string, limit: number): number {
  const entries = asked ?? Math.min(DEFAULT_DEPTH, limit);
  if (Number.isInteger(entries) && entries >= 1 && ringSize(entries) <= limit) return ringSize(entries);
  throw new VerbsError('EINVAL', 'createQueuePair', `${name} cannot be ${entries}`, { try: `1 to ${limit}` });
}

const DEFAULT_DEPTH = 1024;
