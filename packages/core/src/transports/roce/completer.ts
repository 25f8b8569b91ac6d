/**
 * What became of the requests that were sent: acknowledgements, read data, refusals, silence. Requests complete in the
 * order of posting.
 *
 * @spec IBTA vol. 1 §9.7.5, §9.7.6, §9.9.2
 */
import { Packet } from '../../engine/packet.ts';
import { scatter } from '../../engine/scatter.ts';
import { CompletionOpcode, Status } from '../../engine/status.ts';
import { type Nanos, NEVER } from '../../engine/time.ts';
import { CompletionRecord } from '../../engine/work.ts';
import { BTH_BYTES } from '../../wire/roce/bth.ts';
import { AETH_BYTES, Aeth, AtomicAckEth } from '../../wire/roce/extended.ts';
import {
  ROCE_AETH,
  ROCE_ATOMIC,
  ROCE_HEADER_BYTES,
  ROCE_READ,
  RoceOpcode,
  RoceService,
} from '../../wire/roce/opcodes.ts';
import { AethKind, RNR_TIMER_10US, RoceNak } from '../../wire/roce/syndrome.ts';
import { STATUS_OF_NAK } from './codes.ts';
import type { Core } from './core.ts';
import { EVENT } from './drops.ts';
import { PSN_MASK, psnDelta } from './psn.ts';
import type { QueuePair } from './queue-pair.ts';
import { Kind, type Request } from './request.ts';

const { kind: aethKind, value: aethValue } = Aeth;
const { original } = AtomicAckEth;

export class Completer {
  readonly #core: Core;
  readonly #completion = new CompletionRecord();
  /** Eight bytes, as a packet: what an atomic brought. */
  readonly #eight = new Packet(new Uint8Array(8));

  constructor(core: Core) {
    this.#core = core;
  }

  /** An acknowledgement, read data or the result of an atomic. @param payload - bytes behind the headers */
  receive(now: Nanos, qp: QueuePair, packet: Packet, opcode: number, flags: number, payload: number): void {
    const tx = qp.requester;
    const core = this.#core;
    if (tx.hasFailed) return core.drop('state');
    const { view, at } = packet;
    const psn = view.getUint32(at + 8) & PSN_MASK;
    const distance = psnDelta(tx.base & PSN_MASK, psn);
    if (distance < 0) return core.drop('stale');
    const serial = tx.base + distance;
    if (serial >= tx.top) return core.drop('ack_range');
    if ((flags & ROCE_AETH) !== 0) {
      const kind = aethKind.get(view, at + BTH_BYTES);
      if (kind !== AethKind.ACK) {
        if (opcode !== RoceOpcode.RC_ACKNOWLEDGE) return core.drop('response');
        return this.#refused(now, qp, serial, kind, aethValue.get(view, at + BTH_BYTES));
      }
    }
    if ((flags & (ROCE_READ | ROCE_ATOMIC)) === 0) {
      core.count(EVENT.received_acks);
      if (!this.#acknowledge(now, qp, serial + 1)) this.#missing(now, qp);
      return;
    }
    // an answer with data acknowledges all that was asked before
    if (!this.#acknowledge(now, qp, serial)) return this.#outOfOrder(now, qp);
    const request = tx.head;
    if (request === undefined || serial !== tx.base || serial < request.first) return this.#outOfOrder(now, qp);
    if ((flags & ROCE_READ) !== 0) this.#data(now, qp, request, packet, at + ROCE_HEADER_BYTES[opcode]!, payload);
    else this.#atomicResult(now, qp, request, packet);
  }

  /** Finishes requests at the head that have nothing to wait for, and fails where the head is locally wrong. */
  settle(qp: QueuePair): void {
    const { head, hasFailed } = qp.requester;
    if (head !== undefined && !hasFailed && head.status !== Status.SUCCESS) this.fail(qp, head.status, 0);
  }

  /** A message of a queue pair without acknowledgements has left. */
  finishUnreliable(qp: QueuePair, request: Request): void {
    const tx = qp.requester;
    tx.base = request.end;
    this.#finish(qp, request, Status.SUCCESS, 0);
    // the next one is taken when its turn comes
    this.#core.makeReady(qp);
  }

  /** Waits for an answer from now on. */
  arm(now: Nanos, qp: QueuePair): void {
    const tx = qp.requester;
    const { timeout } = qp.config.attributes;
    if (timeout === 0) return;
    tx.retryDue = now + Math.max(this.#core.settings.minTimeout, TIMEOUTS[timeout & 31]!);
    this.#core.wake(qp, tx.retryDue);
  }

  /** The timer of a queue pair has come due, perhaps early. */
  expire(now: Nanos, qp: QueuePair): void {
    const tx = qp.requester;
    const core = this.#core;
    if (tx.rnrUntil > 0 && tx.rnrUntil <= now) tx.rnrUntil = 0;
    if (tx.retryDue <= now && !tx.hasFailed && tx.rnrUntil === 0) this.#timedOut(now, qp);
    core.timers.set(qp.slot, NEVER);
    if (tx.hasFailed) return;
    if (tx.rnrUntil > 0) core.wake(qp, tx.rnrUntil);
    else if (tx.retryDue !== NEVER) core.wake(qp, tx.retryDue);
    core.makeReady(qp);
  }

  /** The oldest request fails, and the rest is flushed: the queue pair is on its way to ERR. */
  fail(qp: QueuePair, status: number, vendorStatus: number): void {
    const tx = qp.requester;
    tx.hasFailed = true;
    tx.retryDue = NEVER;
    tx.rnrUntil = 0;
    if (qp.service !== RoceService.RC) {
      // only the request fails here; what comes next may be sent once the program has looked
      tx.hasFailed = tx.isBlocked = false;
      const request = tx.head!;
      tx.current = request.next;
      tx.base = tx.cursor;
      this.#finish(qp, request, status, vendorStatus);
      return;
    }
    if (tx.head !== undefined) this.#finish(qp, tx.head, status, vendorStatus);
    this.flush(qp);
  }

  /** Gives up all requests that were taken, in order. */
  flush(qp: QueuePair): void {
    const tx = qp.requester;
    while (tx.head !== undefined) this.#finish(qp, tx.head, Status.WR_FLUSH_ERR, 0);
    tx.current = undefined;
    tx.reads = tx.openReads = 0;
    tx.base = tx.cursor = tx.top;
  }

  #outOfOrder(now: Nanos, qp: QueuePair): void {
    this.#core.drop('response');
    this.#missing(now, qp);
  }

  /** All before `end` has been answered. @returns false when the answers of a READ or atomic before it are missing */
  #acknowledge(now: Nanos, qp: QueuePair, end: number): boolean {
    const tx = qp.requester;
    const base = tx.base;
    if (end <= base) return true;
    let request = tx.head;
    let isComplete = true;
    while (request !== undefined && request.first < end) {
      if (request.kind >= Kind.READ) {
        isComplete = false;
        break;
      }
      if (request.end > end) {
        tx.base = end;
        break;
      }
      tx.base = request.end;
      this.#finish(qp, request, Status.SUCCESS, 0);
      request = tx.head;
    }
    if (tx.base !== base) this.#progress(now, qp, tx.base - base);
    return isComplete;
  }

  /** `count` packets have been answered: the peer lives. */
  #progress(now: Nanos, qp: QueuePair, count: number): void {
    const tx = qp.requester;
    const { retryCount, rnrRetry } = qp.config.attributes;
    tx.retriesLeft = retryCount;
    tx.rnrRetriesLeft = rnrRetry;
    tx.isRecovering = false;
    tx.cc.onAck(count);
    if (tx.cursor < tx.base) {
      // an answer to what had left before the way back
      tx.cursor = tx.base;
      tx.current = tx.head;
    }
    tx.retryDue = NEVER;
    if (tx.cursor > tx.base) this.arm(now, qp);
    if (tx.head !== undefined && tx.head.status !== Status.SUCCESS) this.settle(qp);
    this.#core.makeReady(qp);
  }

  #data(now: Nanos, qp: QueuePair, request: Request, packet: Packet, at: number, payload: number): void {
    const tx = qp.requester;
    const index = tx.base - request.first;
    const offset = index * request.mtu;
    if (request.kind !== Kind.READ || payload !== Math.min(request.mtu, request.length - offset)) {
      this.#core.drop('response');
      return this.fail(qp, Status.BAD_RESP_ERR, 0);
    }
    if (!scatter(this.#core.services.dma, request.segments, offset, packet, at, payload)) {
      return this.fail(qp, Status.LOC_PROT_ERR, 0);
    }
    tx.base++;
    this.#core.count(EVENT.received_responses);
    const isDone = index + 1 === request.packets;
    if ((isDone || (index + 1) % request.chunk === 0) && tx.reads > 0) tx.reads--;
    if (isDone) this.#finish(qp, request, Status.SUCCESS, 0);
    this.#progress(now, qp, 1);
  }

  /** What was there before an atomic: a number on the wire, little-endian in memory. */
  #atomicResult(now: Nanos, qp: QueuePair, request: Request, packet: Packet): void {
    const tx = qp.requester;
    if (request.kind !== Kind.ATOMIC) {
      this.#core.drop('response');
      return this.fail(qp, Status.BAD_RESP_ERR, 0);
    }
    const from = packet.at + BTH_BYTES + AETH_BYTES;
    const { view } = this.#eight;
    view.setUint32(0, original.lo.get(packet.view, from), true);
    view.setUint32(4, original.hi.get(packet.view, from), true);
    if (!scatter(this.#core.services.dma, request.segments, 0, this.#eight, 0, request.length)) {
      return this.fail(qp, Status.LOC_PROT_ERR, 0);
    }
    tx.base++;
    this.#core.count(EVENT.received_responses);
    if (tx.reads > 0) tx.reads--;
    this.#finish(qp, request, Status.SUCCESS, 0);
    this.#progress(now, qp, 1);
  }

  /** A NAK: all before it is acknowledged; it may ask for a repetition, or be the end. */
  #refused(now: Nanos, qp: QueuePair, serial: number, kind: number, value: number): void {
    const tx = qp.requester;
    const core = this.#core;
    core.count(kind === AethKind.RNR_NAK ? EVENT.received_rnr_naks : EVENT.received_naks);
    if (kind === AethKind.RESERVED) return core.drop('response');
    const isComplete = this.#acknowledge(now, qp, serial);
    if (tx.hasFailed) return;
    if (kind === AethKind.RNR_NAK) return this.#notReady(now, qp, value);
    if (value === RoceNak.PSN_SEQUENCE_ERROR) {
      core.count(EVENT.sequence_naks);
      // told again before anything could come of it
      if (tx.cursor > tx.base) this.#again(now, qp);
      return;
    }
    // answers that are missing are asked for first; the refusal comes again
    if (!isComplete) return this.#missing(now, qp);
    const status = STATUS_OF_NAK[value];
    if (status === undefined) core.drop('response');
    this.fail(qp, status ?? Status.BAD_RESP_ERR, (AethKind.NAK << 5) | value);
  }

  /** The peer has no receive: try again after a while. @spec IBTA vol. 1 §9.7.5.2.8 */
  #notReady(now: Nanos, qp: QueuePair, timer: number): void {
    const tx = qp.requester;
    const { rnrRetry } = qp.config.attributes;
    if (rnrRetry !== FOR_EVER) {
      if (tx.rnrRetriesLeft === 0) return this.fail(qp, Status.RNR_RETRY_EXC_ERR, (AethKind.RNR_NAK << 5) | timer);
      tx.rnrRetriesLeft--;
    }
    tx.rnrUntil = now + RNR_TIMER_10US[timer]! * RNR_UNIT;
    this.#goBack(qp);
    tx.isRecovering = false;
    tx.retryDue = NEVER;
    this.#core.wake(qp, tx.rnrUntil);
  }

  /** Answers that must have come are missing. */
  #missing(now: Nanos, qp: QueuePair): void {
    const tx = qp.requester;
    if (tx.hasFailed || tx.isRecovering || tx.rnrUntil > 0) return;
    this.#core.count(EVENT.missing_responses);
    this.#again(now, qp);
  }

  /** Sends everything without an answer again, if there are retries left. */
  #again(now: Nanos, qp: QueuePair): void {
    const tx = qp.requester;
    if (tx.rnrUntil > 0) return;
    if (tx.isRecovering) {
      if (tx.retriesLeft === 0) return this.fail(qp, Status.RETRY_EXC_ERR, 0);
      tx.retriesLeft--;
    } else tx.cc.onLoss();
    this.#goBack(qp);
    tx.retryDue = NEVER;
    this.arm(now, qp);
    this.#core.makeReady(qp);
  }

  #timedOut(now: Nanos, qp: QueuePair): void {
    const tx = qp.requester;
    this.#core.count(EVENT.timeouts);
    if (tx.retriesLeft === 0) return this.fail(qp, Status.RETRY_EXC_ERR, 0);
    tx.retriesLeft--;
    tx.cc.onTimeout();
    this.#goBack(qp);
    tx.retryDue = NEVER;
    this.arm(now, qp);
  }

  #goBack(qp: QueuePair): void {
    const tx = qp.requester;
    tx.cursor = tx.base;
    tx.current = tx.head;
    tx.reads = 0;
    tx.silent = 0;
    tx.isRecovering = true;
  }

  /** Completes the request at the head. */
  #finish(qp: QueuePair, request: Request, status: number, vendorStatus: number): void {
    const tx = qp.requester;
    const core = this.#core;
    const completion = this.#completion;
    tx.head = request.next;
    if (tx.head === undefined) tx.tail = undefined;
    tx.requests--;
    if (request.kind >= Kind.READ && request.packets > 0) tx.openReads--;
    completion.wrIdLo = request.wrIdLo;
    completion.wrIdHi = request.wrIdHi;
    completion.status = status;
    completion.vendorStatus = vendorStatus;
    completion.opcode = COMPLETION_OF[request.opcode]!;
    completion.byteLength = request.length;
    completion.remoteQpn = qp.peerQpn;
    completion.jobId = qp.config.jobId;
    completion.path = qp.peerPath;
    const { signaled } = request;
    core.requests.give(request);
    if (status === Status.SUCCESS) core.count(EVENT.messages_sent);
    core.services.completeSend(qp.config.qp, signaled, completion);
  }
}

const { SEND, RDMA_WRITE, RDMA_READ, COMP_SWAP, FETCH_ADD } = CompletionOpcode;
/** By `WorkOpcode`. */
const COMPLETION_OF = [RDMA_WRITE, RDMA_WRITE, SEND, SEND, RDMA_READ, COMP_SWAP, FETCH_ADD, SEND, SEND, SEND];
/** By the attribute: 4.096 µs · 2^n. @spec IBTA vol. 1 §9.7.6.1.3 */
const TIMEOUTS = Float64Array.from({ length: 32 }, (_, n) => 4_096 * 2 ** n);
const RNR_UNIT: Nanos = 10_000;
/** As a retry count. */
const FOR_EVER = 7;
