/**
 * The initiator's half of the semantic sublayer: turns work requests into messages and packets, and what comes back
 * into completions. Which packet leaves when is decided below (pds); what it says is decided here.
 *
 * @spec uet:ses/2 uet:ses/3 verbs/5.12
 */
import type { Packet } from '../../../engine/packet.ts';
import { gather, scatter } from '../../../engine/scatter.ts';
import { CompletionOpcode, Status, WorkOpcode } from '../../../engine/status.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import { CompletionRecord } from '../../../engine/work.ts';
import { byteLength } from '../../../wire/header.ts';
import { RequestStd, ReturnCode, SES_EOM, SES_HD, SES_REL, SES_SOM, SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import { Kind } from '../pds/send-window.ts';
import { PdcState } from '../pds/states.ts';
import type { LocalQueuePair } from '../queue-pairs.ts';
import { returnCode } from '../return-codes.ts';
import type { Message } from './message.ts';
import { MessageTable } from './message-table.ts';

const { ie, bufferOffset, initiator, memoryKey, headerData, requestLength } = RequestStd;

export class Initiator {
  readonly messages: MessageTable;
  readonly #core: Core;
  readonly #mtu: number;
  readonly #inlineRegion: number;
  readonly #completion = new CompletionRecord();
  /** Set by {@link plan}: what the next packet of a context carries. */
  readonly planned = { kind: 0, ref: 0, offset: 0, length: 0, last: false };
  #sequence = 0;

  constructor(core: Core) {
    this.#core = core;
    this.#mtu = core.config.payloadMtu;
    this.messages = new MessageTable(core.settings.maxMessages);
    this.#inlineRegion = core.services.dma.attach({ bytes: this.messages.inlineBytes, address: 0 });
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#core.services.dma.detach(this.#inlineRegion);
  }

  /**
   * Takes the next request of a queue pair.
   * @returns the message, or undefined when there is no work or no room, or reads must be done first; locally wrong
   *   requests are completed here
   */
  take(qp: LocalQueuePair): Message | undefined {
    const { fenced } = qp;
    if (fenced !== undefined) {
      if (qp.openReads > 0) return undefined;
      qp.fenced = undefined;
      return this.#begin(qp, fenced);
    }
    for (;;) {
      const message = this.messages.allocate();
      if (message === undefined) return undefined;
      const { work } = message;
      work.inlineRegion = this.#inlineRegion;
      work.inlineOffset = this.messages.inlineOffset(message);
      if (!this.#core.services.takeSend(qp.config.qp, work)) {
        this.messages.release(message);
        return undefined;
      }
      message.restart();
      message.qp = qp.config.qp;
      message.sourceId = qp.config.sourceId;
      message.ordered = qp.config.ordered;
      message.sequence = this.#sequence++;
      message.tries = message.moves = message.strandings = 0;
      message.next = -1;
      message.sesOpcode =
        work.opcode === WorkOpcode.RDMA_READ
          ? SesOpcode.READ
          : work.opcode === WorkOpcode.SEND || work.opcode === WorkOpcode.SEND_WITH_IMM
            ? SesOpcode.SEND
            : SesOpcode.WRITE;
      // what is told to the other program must be told once; so must a send
      message.idempotent =
        (qp.config.idempotent === true || (this.#core.settings.idempotentRequests === 1 && !qp.config.ordered)) &&
        (work.opcode === WorkOpcode.RDMA_WRITE || work.opcode === WorkOpcode.RDMA_READ);
      if (work.status === Status.SUCCESS && work.jobId === 0) work.status = Status.LOC_ACCESS_ERR;
      if (work.status !== Status.SUCCESS) {
        message.status = work.status;
        this.finish(message);
        continue;
      }
      message.packets = Math.max(1, Math.ceil(work.length / this.#mtu));
      if (work.fence && qp.openReads > 0) {
        qp.fenced = message;
        return undefined;
      }
      return this.#begin(qp, message);
    }
  }

  #begin(qp: LocalQueuePair, message: Message): Message {
    if (message.sesOpcode === SesOpcode.READ) {
      qp.openReads++;
      message.reader = qp;
    }
    return message;
  }

  /** Queues a message on a context. */
  enqueue(context: DeliveryContext, message: Message): void {
    message.next = -1;
    if (context.queueTail < 0) context.queueHead = message.index;
    else this.messages.at(context.queueTail).next = message.index;
    context.queueTail = message.index;
  }

  /** Says what the next new packet of the context is; false when it has none (or must wait). */
  plan(context: DeliveryContext): boolean {
    const planned = this.planned;
    if (context.current < 0 && !this.#start(context)) return false;
    const message = this.messages.at(context.current);
    planned.ref = message.index;
    if (message.status !== Status.SUCCESS) {
      // refused in the middle: tell the target that no more will come, and how much was sent (it may overtake that);
      // of a READ the target keeps nothing
      planned.kind = Kind.ABORT;
      planned.offset = message.sesOpcode === SesOpcode.READ ? 0 : message.sent * this.#mtu;
      planned.length = 0;
      planned.last = true;
      return true;
    }
    const isRead = message.sesOpcode === SesOpcode.READ;
    if (isRead && context.readsInFlight >= context.tx.slots >> 1) return false;
    planned.kind = Kind.REQUEST;
    planned.offset = message.sent * this.#mtu;
    planned.length = Math.min(this.#mtu, message.work.length - planned.offset);
    planned.last = message.sent + 1 === message.packets;
    return true;
  }

  /** The planned packet got a PSN. */
  planTaken(context: DeliveryContext): void {
    const message = this.messages.at(this.planned.ref);
    message.unacked++;
    if (this.planned.kind !== Kind.ABORT) {
      message.sent++;
      if (message.sesOpcode === SesOpcode.READ && message.work.length > 0) context.readsInFlight++;
    }
    if (this.planned.last) context.current = -1;
  }

  /**
   * Writes the semantic header of a packet at `at` and names its payload.
   * @returns bytes of header
   */
  write(out: Packet, at: number, kind: number, ref: number, offset: number, length: number): number {
    const { view } = out;
    const { dma } = this.#core.services;
    const message = this.messages.at(ref);
    const { work } = message;
    const abort = kind === Kind.ABORT;
    const first = offset === 0 && !abort;
    const last = abort || offset + length >= work.length;
    const immediate =
      first && (work.opcode === WorkOpcode.RDMA_WRITE_WITH_IMM || work.opcode === WorkOpcode.SEND_WITH_IMM);
    let flags = (work.remoteQpn & ABSOLUTE) === 0 ? SES_REL : 0;
    if (last) flags |= SES_EOM;
    if (first) flags |= SES_SOM;
    if (immediate) flags |= SES_HD;
    // opcode, flags and message id are one word, and so are generation and job id: two stores instead of nine
    view.setUint32(at, ((abort ? SesOpcode.MSG_ERROR : message.sesOpcode) << 24) | (flags << 16) | message.messageId);
    view.setUint32(at + 4, (message.generation << 24) | work.jobId);
    view.setUint32(at + 8, ((work.remoteQpn & 0xfff) << 16) | ((work.remoteQpn >>> 12) & 0xfff));
    bufferOffset.hi.set(view, at, work.remoteOffsetHi);
    bufferOffset.lo.set(view, at, work.remoteOffsetLo);
    initiator.set(view, at, message.sourceId);
    memoryKey.hi.set(view, at, work.rkeyHi);
    memoryKey.lo.set(view, at, work.rkeyLo);
    // the first packet has completion data where later ones have their place in the message
    headerData.hi.set(view, at, first ? (immediate ? work.immHi : 0) : length);
    headerData.lo.set(view, at, first ? (immediate ? work.immLo : 0) : offset);
    requestLength.set(view, at, work.length);
    if (message.sesOpcode !== SesOpcode.READ && length > 0 && !gather(dma, work.segments, offset, out, length)) {
      out.slices = 0;
      ie.set(view, at, 1); // the source memory is gone: the target must not use this packet
    }
    return STD_BYTES;
  }

  /** A packet is acknowledged and nothing bad was said about it. */
  acknowledged(now: Nanos, context: DeliveryContext, ref: number): void {
    const message = this.messages.at(ref);
    message.unacked--;
    message.acked++;
    this.settle(now, context, message);
  }

  /** A response came for one packet of a message; called before {@link acknowledged} of that packet. */
  answered(context: DeliveryContext, ref: number, code: number, generation: number): void {
    const message = this.messages.at(ref);
    const row = returnCode(code);
    if (row.reaction === 'complete') return;
    if (message.status !== Status.SUCCESS) return; // the first error wins
    if (row.reaction === 'regenerate') {
      if (context.generations.size >= MAX_GENERATIONS) context.generations.clear();
      context.generations.set(message.work.remoteQpn & RESOURCE, generation);
    }
    message.vendorStatus = code;
    const limit = this.#core.settings.maxRnrRetries;
    message.again = row.reaction !== 'fail' && message.tries < limit;
    message.status = row.status;
    this.#core.count(EVENT.refused_requests);
    // regenerating costs no wait; waiting for receives does
    message.retryAt = row.reaction === 'regenerate' ? 0 : NEVER;
    if (context.ordered && message.again) context.stalled = true;
  }

  /** A piece of a read came back, in an acknowledgement or in the return direction: data, or why there is none. */
  returned(
    now: Nanos,
    context: DeliveryContext,
    code: number,
    id: number,
    offset: number,
    packet: Packet,
    at: number,
    length: number,
  ): void {
    const fits =
      code === ReturnCode.OK
        ? this.#data(now, context, id, offset, packet, at, length)
        : this.#dataFailed(now, context, id, offset, code);
    if (!fits) this.#core.drop('response');
  }

  /** Read data arrived. @returns false when it fits no open read */
  #data(
    now: Nanos,
    context: DeliveryContext,
    id: number,
    offset: number,
    packet: Packet,
    at: number,
    length: number,
  ): boolean {
    const ref = context.reads.get(id);
    if (ref === undefined) return false;
    const message = this.messages.at(ref);
    if (offset % this.#mtu !== 0 || length !== Math.min(this.#mtu, message.work.length - offset)) return false;
    context.readsInFlight--;
    const { dma } = this.#core.services;
    if (
      message.qp !== 0 &&
      !scatter(dma, message.work.segments, offset, packet, at, length) &&
      message.status === Status.SUCCESS
    ) {
      message.status = Status.LOC_PROT_ERR;
    }
    message.received += length;
    this.settle(now, context, message);
    return true;
  }

  /** Read data could not be had: the target says why. */
  #dataFailed(now: Nanos, context: DeliveryContext, id: number, offset: number, code: number): boolean {
    const ref = context.reads.get(id);
    if (ref === undefined) return false;
    const message = this.messages.at(ref);
    context.readsInFlight--;
    if (message.status === Status.SUCCESS) {
      message.status = returnCode(code).status;
      message.vendorStatus = code;
    }
    message.received += Math.min(this.#mtu, message.work.length - offset);
    this.settle(now, context, message);
    return true;
  }

  /** Finishes a message when nothing of it is under way any more. */
  settle(now: Nanos, context: DeliveryContext, message: Message): void {
    if (message.unacked > 0) return;
    if (message.status === Status.SUCCESS) {
      if (message.sent < message.packets) return;
      if (message.sesOpcode === SesOpcode.READ && message.received < message.work.length) return;
    } else if (context.current === message.index) {
      return; // its MSG_ERROR is still to be sent
    }
    this.#leave(context, message);
    if (message.again && message.qp !== 0 && context.state !== PdcState.CLOSED) this.#retryLater(now, context, message);
    else this.finish(message);
    this.#unstall(context);
  }

  /** Messages whose wait is over go back to the queue, on an ordered context all together and in order. */
  resume(now: Nanos, context: DeliveryContext): void {
    if (context.retryHead < 0 || now < context.retryAt) return;
    if (context.ordered && context.openMessages > 0) return;
    context.stalled = false;
    const due: Message[] = [];
    let next = NEVER;
    const head = context.retryHead;
    context.retryHead = -1;
    for (let i = head; i >= 0; ) {
      const message = this.messages.at(i);
      i = message.next;
      if (context.ordered || message.retryAt <= now) {
        due.push(message);
        continue;
      }
      next = Math.min(next, message.retryAt);
      message.next = context.retryHead;
      context.retryHead = message.index;
    }
    context.retryAt = next;
    due.sort((a, b) => b.sequence - a.sequence);
    for (const message of due) {
      message.restart();
      message.next = context.queueHead;
      context.queueHead = message.index;
      if (context.queueTail < 0) context.queueTail = message.index;
    }
    this.#core.count(EVENT.rnr_retries, due.length);
  }

  /** Reports a message and gives it back. */
  finish(message: Message): void {
    if (message.qp !== 0) {
      this.#core.count(EVENT.messages_sent);
      this.#report(message);
    }
    this.messages.release(message);
  }

  /**
   * The context is gone. Reports everything on it, or hands back what certainly never reached the target.
   * @returns the first of a list of messages that may go to another context, -1 for none
   */
  contextFailed(context: DeliveryContext, status: number, vendorStatus: number, refused: number): number {
    let head = -1;
    let tail = -1;
    const give = (message: Message): void => {
      // sent and not refused may mean executed, with the answer lost on its way
      const untouched = message.sent === 0 || (message.index === refused && message.acked === 0 && !message.resent);
      if (refused !== NOTHING_REFUSED && untouched && message.moves < MAX_MOVES && message.qp !== 0) {
        message.moves++;
        message.restart();
        message.next = -1;
        if (tail < 0) head = message.index;
        else this.messages.at(tail).next = message.index;
        tail = message.index;
        return;
      }
      if (message.status === Status.SUCCESS || message.again) {
        message.status = status;
        message.vendorStatus = vendorStatus;
      }
      this.finish(message);
    };
    const open: Message[] = [];
    const seen = new Set<number>();
    const { tx } = context;
    const keep = (index: number): void => {
      if (index < 0 || seen.has(index)) return;
      seen.add(index);
      open.push(this.messages.at(index));
    };
    for (let psn = tx.base; psn !== tx.next; psn = (psn + 1) >>> 0) {
      const kind = tx.kind[psn & tx.mask];
      if (kind === Kind.REQUEST || kind === Kind.ABORT) {
        const message = this.messages.at(tx.ref[psn & tx.mask]!);
        // a slot may be acknowledged and its message long finished: only live ones of this context count
        if (message.live && tx.pending(psn)) keep(message.index);
      }
    }
    keep(context.current);
    for (const ref of context.reads.values()) keep(ref);
    for (let i = context.queueHead; i >= 0; i = this.messages.at(i).next) keep(i);
    for (let i = context.retryHead; i >= 0; i = this.messages.at(i).next) keep(i);
    open.sort((a, b) => a.sequence - b.sequence);
    context.queueHead = context.queueTail = context.current = context.retryHead = -1;
    context.reads.clear();
    context.openMessages = context.readsInFlight = 0;
    for (const message of open) give(message);
    return head;
  }

  /** The queue pair goes away: nothing of it starts any more, nobody waits for what is under way. */
  flush(context: DeliveryContext, qp: number): void {
    const flushList = (head: number, into: (message: Message) => void): void => {
      for (let i = head; i >= 0; ) {
        const message = this.messages.at(i);
        i = message.next;
        into(message);
      }
    };
    const live = [...this.messages.live()].sort((a, b) => a.sequence - b.sequence);
    for (const message of live) {
      if (
        message.qp === qp &&
        (message.index === context.current ||
          message.unacked > 0 ||
          context.reads.get(message.messageId) === message.index)
      ) {
        this.#flushOne(message, false);
      }
    }
    const queue = context.queueHead;
    context.queueHead = context.queueTail = -1;
    flushList(queue, (message) => {
      if (message.qp === qp) this.#flushOne(message, true);
      else this.enqueue(context, message);
    });
    const retries = context.retryHead;
    context.retryHead = -1;
    flushList(retries, (message) => {
      if (message.qp === qp) this.#flushOne(message, true);
      else {
        message.next = context.retryHead;
        context.retryHead = message.index;
      }
    });
    this.#unstall(context);
  }

  /** A stream that waits for refused messages goes on once the last open one is done, which may be by read data. */
  #unstall(context: DeliveryContext): void {
    if (!context.stalled || context.openMessages > 0) return;
    if (context.retryHead >= 0) {
      this.#core.wake(context, context.retryAt);
      return;
    }
    context.stalled = false; // what had to be sent again first was flushed
    this.#core.makeReady(context);
  }

  #flushOne(message: Message, release: boolean): void {
    message.status = Status.WR_FLUSH_ERR;
    message.vendorStatus = 0;
    message.again = false;
    if (release) {
      this.finish(message);
      return;
    }
    // packets are out: the message stays until they are settled, but its owner hears now
    this.#report(message);
    message.qp = 0;
  }

  /** Tells the owner how the message ended. */
  #report(message: Message): void {
    const completion = this.#completion;
    const { work, reader } = message;
    if (reader !== undefined) {
      reader.openReads--;
      message.reader = undefined;
    }
    completion.wrIdLo = work.wrIdLo;
    completion.wrIdHi = work.wrIdHi;
    completion.status = message.status;
    completion.vendorStatus = message.vendorStatus;
    completion.opcode =
      message.sesOpcode === SesOpcode.READ
        ? CompletionOpcode.RDMA_READ
        : message.sesOpcode === SesOpcode.SEND
          ? CompletionOpcode.SEND
          : CompletionOpcode.RDMA_WRITE;
    completion.byteLength = message.status === Status.SUCCESS ? work.length : 0;
    completion.hasImm = false;
    completion.immLo = completion.immHi = 0;
    completion.remoteQpn = work.remoteQpn;
    completion.sourceId = 0;
    completion.jobId = work.jobId;
    completion.path = work.path;
    this.#core.services.completeSend(message.qp, work.signaled, completion);
  }

  /** Takes the next message of the queue as the current one. */
  #start(context: DeliveryContext): boolean {
    if (context.stalled || context.queueHead < 0) return false;
    const message = this.messages.at(context.queueHead);
    context.queueHead = message.next;
    if (context.queueHead < 0) context.queueTail = -1;
    message.next = -1;
    let id = context.nextMessageId;
    while (context.reads.has(id)) id = id >= MAX_MESSAGE_ID ? 1 : id + 1;
    context.nextMessageId = id >= MAX_MESSAGE_ID ? 1 : id + 1;
    message.messageId = id;
    // one generation for all copies of all packets: a repetition with a newer one could overtake what was refused
    const { generations } = context;
    message.generation = generations.size === 0 ? 0 : (generations.get(message.work.remoteQpn & RESOURCE) ?? 0);
    if (message.sesOpcode === SesOpcode.READ) context.reads.set(id, message.index);
    context.current = message.index;
    context.openMessages++;
    return true;
  }

  #leave(context: DeliveryContext, message: Message): void {
    if (message.sesOpcode === SesOpcode.READ && context.reads.get(message.messageId) === message.index) {
      context.reads.delete(message.messageId);
      // data of a failed read will not come: its packets no longer count
      if (message.received < message.work.length) {
        const here = message.packets - Math.ceil((message.work.length - message.received) / this.#mtu);
        context.readsInFlight -= message.sent - here;
      }
    }
    context.openMessages--;
    if (context.current === message.index) context.current = -1;
  }

  #retryLater(now: Nanos, context: DeliveryContext, message: Message): void {
    message.tries++;
    const { rnrBackoff } = this.#core.settings;
    const wait = message.retryAt === 0 ? 0 : Math.min(rnrBackoff * 2 ** (message.tries - 1), MAX_RNR_WAIT);
    message.retryAt = now + wait;
    message.next = context.retryHead;
    context.retryHead = message.index;
    context.retryAt = context.ordered
      ? Math.max(context.retryAt === NEVER ? 0 : context.retryAt, message.retryAt)
      : Math.min(context.retryAt, message.retryAt);
    this.#core.wake(context, context.retryAt);
    this.#core.makeReady(context);
  }
}

/** A context failed and no message is known to be refused; those that never left may move. */
export const NO_MESSAGE = -1;
/** A context failed in a way that leaves no message to move. */
export const NOTHING_REFUSED = -2;
const STD_BYTES = byteLength(RequestStd);
const ABSOLUTE = 0x8000_0000 | 0;
/** The part of a queue pair number that names a resource: PIDonFEP and index. */
const RESOURCE = 0xff_ffff;
const MAX_MESSAGE_ID = 0xfffe;
const MAX_GENERATIONS = 4096;
/** Times that a message may move to another context. @spec uet:pds/8 D33 */
const MAX_MOVES = 1;
const MAX_RNR_WAIT: Nanos = 200_000_000;
