/**
 * The program's side of a queue pair: writes requests into rings and rings the doorbell.
 *
 * Checks here exist to explain mistakes early; the device checks everything again and trusts nothing.
 */
import { PAYLOAD_AT, ReceiveEntry, SendEntry, SendFlag } from '../abi/entries.ts';
import { Ring, RingError, ringBytes } from '../abi/ring.ts';
import { VerbsError } from '../base/verbs-error.ts';
import { WorkOpcode } from '../engine/status.ts';
import { QP_TYPES, type QpState, type QpType } from '../uapi/objects/qp.ts';
import type { Row } from '../uapi/rows.ts';
import { accessBits } from './access-rights.ts';
import { COUNTED_OPERATIONS, type CompletionCounter, type CountedOperation } from './completion-counter.ts';
import type { CompletionQueue } from './completion-queue.ts';
import type { EventStream } from './event-stream.ts';
import type { JobKey } from './job.ts';
import type { MemoryRegion } from './memory-region.ts';
import { type BindRequest, type MemoryWindow, nextKey } from './memory-window.ts';
import type { ProtectionDomain } from './protection-domain.ts';
import { queueDepth } from './queue-depth.ts';
import {
  modifyInput,
  postable,
  type QueuePairChange,
  type QueuePairInfo,
  queuePairInfo,
  stateOfValue,
  wrongState,
} from './queue-pair-state.ts';
import { ReceiveRing } from './receive-ring.ts';
import { invalidRequest, RequestFault } from './request-faults.ts';
import { RequestWriter } from './request-writer.ts';
import { writeSegment } from './segment-writer.ts';
import type { SharedReceiveQueue } from './shared-receive-queue.ts';
import { VerbsObject } from './verbs-object.ts';
import { WordPair } from './word-pair.ts';
import type { ReceiveRequest, WorkRequest } from './work-request.ts';

const { opcode, flags, segments, idLo, idHi, rkeyLo, rkeyHi } = SendEntry.fields;
const { remoteLo, remoteHi, immLo, index } = SendEntry.fields;

export interface QueuePairOptions {
  /** Kind; which of them a device has, its attributes say. */
  readonly type: QpType;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  /** Takes receives from here; then it has no ring of its own, and `receiveDepth` does not count. */
  readonly srq?: SharedReceiveQueue;
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
  /**
   * Writes and reads may be executed more than once, late copies even after their completion: for memory that nobody else
   * writes. Needs no state at the peer. Sends and writes with immediate data are not affected. Default false.
   */
  readonly idempotent?: boolean;
  /**
   * Receives say which messages they take: by tag, sender or job. Messages that none takes wait for one, within limits; they
   * can be looked at (`peek`), and receives called back (`cancel`). Default false.
   */
  readonly matching?: boolean;
  /** Every send request completes visibly. Default true; false: only those with `signaled`, and failures. */
  readonly sendSignalAll?: boolean;
  /** Address entry that it sends from; its type chooses the protocol. Default 0. */
  readonly sgidIndex?: number;
  /** Promises that are needed, of those that `context.querySemantics` offers; what is left out is kept, more is refused. */
  readonly semantics?: Row;
  /** Secure domain that protects its packets, by its identifier; the usual one of the address entry when left out. */
  readonly domain?: number;
  /** Wishes that a device may ignore. */
  readonly hints?: readonly ('low-latency' | 'high-bandwidth')[];
  /** Where its events go, instead of to `context.events()`. */
  readonly events?: EventStream;
}

export class QueuePair extends VerbsObject {
  readonly pd: ProtectionDomain;
  readonly handle: number;
  readonly qpn: number;
  readonly sourceId: number;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly type: QpType;
  readonly srq: SharedReceiveQueue | undefined;
  readonly #sgidIndex: number;
  readonly #slot: number;
  readonly #sends: Ring;
  readonly #writer: RequestWriter;
  readonly #receives: ReceiveRing | undefined;
  readonly #words = new WordPair();
  #sent = 0;
  #sendsDone = 0;
  /** As the last call left it; the device may have moved it to ERR or SQE since. */
  #state: QpState;
  #maySend = false;
  #mayReceive = false;

  private constructor(
    pd: ProtectionDomain,
    options: QueuePairOptions,
    made: {
      readonly qp: number;
      readonly qpn: number;
      readonly slot: number;
      readonly sourceId: number;
      readonly state: number;
    },
    sends: Ring,
    receives: ReceiveRing | undefined,
  ) {
    super(pd.context);
    this.pd = pd;
    this.handle = made.qp;
    this.qpn = made.qpn;
    this.sourceId = made.sourceId;
    this.sendCq = options.sendCq;
    this.recvCq = options.recvCq;
    this.type = options.type;
    this.srq = options.srq;
    this.#sgidIndex = options.sgidIndex ?? 0;
    this.#slot = made.slot;
    this.#sends = sends;
    this.#writer = new RequestWriter(pd, sends, options.type, options.jobKey);
    this.#receives = receives;
    this.#state = stateOfValue(made.state);
    this.#stateChanged();
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
    const { maxQpWr } = context.attributes;
    const sendEntries = queueDepth('createQueuePair', options.sendDepth, 'sendDepth', maxQpWr);
    const receiveEntries = queueDepth('createQueuePair', options.receiveDepth, 'receiveDepth', maxQpWr);
    const hints = (options.hints ?? []).reduce((bits, hint) => bits | HINTS[hint], 0);
    const sendBytes = memory.allocate(ringBytes(sendEntries, SendEntry.bytes));
    let receiveBytes: Uint8Array | undefined;
    try {
      if (options.srq === undefined) receiveBytes = memory.allocate(ringBytes(receiveEntries, ReceiveEntry.bytes));
      const attachments: unknown[] = [];
      const input = {
        pd: pd.handle,
        type: QP_TYPES[options.type] ?? -1,
        sendCq: options.sendCq.handle,
        recvCq: options.recvCq.handle,
        srq: options.srq?.handle,
        jobKey: options.jobKey?.handle,
        qpn: options.qpn,
        sourceId: options.sourceId,
        sgidIndex: options.sgidIndex,
        flags:
          (options.ordered === true ? 1 : 0) |
          (options.sendSignalAll === false ? 0 : 2) |
          (options.idempotent === true ? 4 : 0) |
          (options.matching === true ? 8 : 0),
        sendEntries,
        sendRing: memory.name(context, sendBytes, attachments),
        ...(receiveBytes === undefined
          ? {}
          : { receiveEntries, receiveRing: memory.name(context, receiveBytes, attachments) }),
        ...(hints === 0 ? {} : { hints }),
        semantics: options.semantics,
        domain: options.domain,
        events: options.events?.handle,
      };
      const answer = context.call('QP', 'CREATE', input, attachments);
      const { handle, qpnGiven, slot, sourceIdGiven, state } = answer;
      const made = { qp: handle, qpn: qpnGiven, slot, sourceId: sourceIdGiven, state };
      const sends = new Ring(sendBytes, sendEntries, SendEntry.bytes);
      const receives =
        receiveBytes === undefined ? undefined : new ReceiveRing(pd, receiveBytes, receiveEntries, options.matching);
      return new QueuePair(pd, options, made, sends, receives);
    } catch (thrown) {
      memory.release(sendBytes);
      if (receiveBytes !== undefined) memory.release(receiveBytes);
      throw thrown;
    }
  }

  /** ERR, SQE: something was wrong that no completion can tell, or a request failed; what is posted is flushed. */
  get state(): QpState {
    const sends = this.#sends.error();
    const receives = this.#receives === undefined ? RingError.NONE : this.#receives.ring.error();
    if (sends === RingError.NONE && receives === RingError.NONE) return this.#state;
    const isSqe = sends === RingError.FLUSHING && receives === RingError.NONE && this.#receives !== undefined;
    return isSqe ? 'SQE' : 'ERR';
  }

  /**
   * Moves it to a state, with the attributes that the step needs; or changes attributes in place. All is done, or nothing.
   *
   * Whatever is under way when a state is left in which it runs completes with WR_FLUSH_ERR.
   *
   * @throws VerbsError `EINVAL` the step does not exist, an attribute is missing or not allowed · `EOPNOTSUPP` a state
   *   that the kind lacks · `EACCES` its job was taken away
   * @spec verbs/2.3
   */
  modify(change: QueuePairChange): void {
    this.check('modify');
    const input = { handle: this.handle, ...modifyInput(change, this.#sgidIndex) };
    this.#state = stateOfValue(this.context.call('QP', 'MODIFY', input).stateGiven);
    this.#stateChanged();
  }

  /** State and attributes as the device has them. */
  query(): QueuePairInfo {
    this.check('query');
    return queuePairInfo(this.context.call('QP', 'QUERY', { handle: this.handle }).attributes);
  }

  /**
   * Lets peers reach a region through this queue pair, and through no other that it is not attached to.
   *
   * @throws VerbsError `EEXIST` attached already · `EINVAL` of another protection domain
   * @spec verbs/5.7
   */
  attachMemory(region: MemoryRegion): void {
    this.check('attachMemory');
    this.context.call('QP', 'ATTACH_MR', { handle: this.handle, region: region.handle });
  }

  /**
   * Ends that. A region that was attached once is reached by nobody while it is attached to nothing.
   *
   * @throws VerbsError EINVAL it is not attached
   */
  detachMemory(region: MemoryRegion): void {
    this.check('detachMemory');
    this.context.call('QP', 'DETACH_MR', { handle: this.handle, region: region.handle });
  }

  /**
   * Counts completions, also those that nobody sees, until the queue pair is closed.
   *
   * @throws VerbsError `EBUSY` another counter counts one of these operations · `EINVAL` the queue pair works already
   */
  attachCounter(counter: CompletionCounter, operations: readonly CountedOperation[]): void {
    this.check('attachCounter');
    const bits = operations.reduce((sum, one) => sum | COUNTED_OPERATIONS[one], 0);
    this.context.call('QP', 'ATTACH_COMP_CNTR', {
      ...{ handle: this.handle, counter: counter.handle, operations: bits },
    });
  }

  /** Requests that can be posted now. */
  get sendSpace(): number {
    if (!this.isOpen) return 0;
    return this.#sends.size - ((this.#sent - this.#sends.consumer()) | 0);
  }

  /** Receives that can be posted now. */
  get receiveSpace(): number {
    if (!this.isOpen) return 0;
    return this.#receives?.space ?? 0;
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
    if (!this.#hasRoom()) return false;
    const ring = this.#sends;
    const fault = this.#writer.write(request, ring.view, ring.at(this.#sent));
    if (fault !== RequestFault.NONE) throw invalidRequest(fault, request, this);
    this.#publish();
    return true;
  }

  /**
   * Posts a request that opens a memory window, after what was posted before and ahead of what comes next. Completes
   * with MW_BIND_ERR when the window, the region or the key does not fit; the key is then not valid.
   *
   * @returns the key for peers, once the request has completed
   * @throws VerbsError `ENOMEM` the send queue is full · `EINVAL` foreign objects, a part outside of the region
   * @spec verbs/1.4
   */
  bindWindow(mw: MemoryWindow, request: BindRequest): bigint {
    const { region, offset = 0, access, rkey = nextKey(mw.rkey), signaled = false } = request;
    const { length = region.length - offset } = request;
    if (!this.#hasRoom()) this.#throwFull('bindWindow', 'send', this.#sends);
    const { view } = this.#sends;
    const at = this.#sends.at(this.#sent);
    const bits = accessBits('bindWindow', access);
    const words = this.#words;
    if (mw.pd !== this.pd || !mw.isOpen) throw this.#wrongBind('the window is freed, or of another domain');
    const fault = writeSegment(this.pd, view, at + PAYLOAD_AT, region, offset, 0);
    if (fault !== RequestFault.NONE || !words.set(length) || offset + length > region.length) {
      throw this.#wrongBind('the part lies outside of the region, or the region is of another domain');
    }
    remoteLo.set(view, at, words.lo);
    remoteHi.set(view, at, words.hi);
    if (!words.set(rkey) || (rkey ^ mw.rkey) >> 8n !== 0n) {
      throw this.#wrongBind('the key differs from the window’s in more than the low 8 bits');
    }
    this.#writeOwn(view, at, WorkOpcode.BIND_MW, request.id ?? 0, rkey, signaled);
    index.set(view, at, mw.number);
    immLo.set(view, at, bits);
    segments.set(view, at, 1);
    this.#publish();
    mw.posted(rkey);
    return rkey;
  }

  /**
   * Posts a request that ends access under a key of this side: of an open window of type 2, or of a region on which no
   * window is open. Completes with MW_BIND_ERR when there is no such key.
   *
   * @throws VerbsError `ENOMEM` the send queue is full · `EINVAL` no key
   */
  invalidate(rkey: bigint, options: { readonly id?: number | bigint; readonly signaled?: boolean } = {}): void {
    if (!this.#hasRoom()) this.#throwFull('invalidate', 'send', this.#sends);
    if (!this.#words.set(rkey)) throw this.#wrongBind(`${rkey} is no key of 64 bits`);
    const { view } = this.#sends;
    const at = this.#sends.at(this.#sent);
    this.#writeOwn(view, at, WorkOpcode.LOCAL_INV, options.id ?? 0, rkey, options.signaled ?? false);
    segments.set(view, at, 0);
    this.#publish();
  }

  /**
   * Posts a receive: one message of a peer goes there. Without a region or segments it takes messages without data.
   *
   * @throws VerbsError `ENOMEM` the receive queue is full · `EINVAL` a wrong request
   */
  postReceive(request: ReceiveRequest): void {
    if (!this.tryPostReceive(request)) this.#throwFull('postReceive', 'receive', this.#receives!.ring);
  }

  /** Posts a receive like {@link postReceive}. @returns false when the receive queue is full */
  tryPostReceive(request: ReceiveRequest): boolean {
    if (!this.isOpen) this.check('postReceive');
    const receives = this.#receives;
    if (receives === undefined) throw this.#noReceives();
    if (!this.#mayReceive) throw wrongState('postReceive', this.describe(), this.state);
    if (!receives.hasRoom()) return false;
    const fault = receives.write(request);
    if (fault !== RequestFault.NONE) throw invalidRequest(fault, request, this);
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
    if (this.#receives !== undefined) port.memory.release(this.#receives.ring.bytes);
  }

  /** @throws VerbsError EINVAL closed, or a state in which nothing is sent */
  #hasRoom(): boolean {
    if (!this.#maySend || !this.isOpen) this.#refuse();
    const ring = this.#sends;
    if (((this.#sent - this.#sendsDone) | 0) < ring.size) return true;
    this.#sendsDone = ring.consumer();
    return ((this.#sent - this.#sendsDone) | 0) < ring.size;
  }

  #publish(): void {
    this.#sent = (this.#sent + 1) | 0;
    this.#sends.publish(this.#sent);
    this.#ringDoorbell();
  }

  #refuse(): void {
    this.check('post');
    throw wrongState('post', this.describe(), this.state);
  }

  #stateChanged(): void {
    const { sends, receives } = postable(this.type, this.#state);
    this.#maySend = sends;
    this.#mayReceive = receives;
  }

  /** What requests that the device does itself have in common. */
  #writeOwn(view: DataView, at: number, code: number, id: number | bigint, rkey: bigint, signaled: boolean): void {
    const words = this.#words;
    words.set(rkey);
    rkeyLo.set(view, at, words.lo);
    rkeyHi.set(view, at, words.hi);
    if (!words.set(id)) throw this.#wrongBind(`${id} is no number of 64 bits`);
    idLo.set(view, at, words.lo);
    idHi.set(view, at, words.hi);
    opcode.set(view, at, code);
    flags.set(view, at, signaled ? SendFlag.SIGNALED : 0);
  }

  #wrongBind(problem: string): VerbsError {
    return new VerbsError('EINVAL', 'bindWindow', problem, { object: this.describe() });
  }

  #noReceives(): VerbsError {
    return new VerbsError('EINVAL', 'postReceive', 'the queue pair takes receives from a shared queue', {
      object: this.describe(),
      try: 'srq.postReceive()',
    });
  }

  #ringDoorbell(): void {
    this.context.page.ring(this.#slot);
    this.context.port.scheduleProgress();
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

const HINTS = { 'low-latency': 1, 'high-bandwidth': 2 } as const;
