/**
 * The initiator's half of the semantic sublayer: turns work requests into messages and packets, and what comes back
 * into completions. Which packet leaves when is decided below (pds); what it says is decided here.
 *
 * @spec uet:ses/2 uet:ses/3 verbs/5.12
 */
import { psnAdd } from '../../../base/psn.ts';
import type { Packet } from '../../../engine/packet.ts';
import { scatter } from '../../../engine/scatter.ts';
import { CompletionOpcode, Status, WorkOpcode } from '../../../engine/status.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import { CompletionRecord } from '../../../engine/work.ts';
import { NextHeader } from '../../../wire/uet/pds.ts';
import { ResponseList, ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import { Kind } from '../pds/send-window.ts';
import { PdcState } from '../pds/states.ts';
import type { LocalQueuePair } from '../queue-pairs.ts';
import { returnCode } from '../return-codes.ts';
import { AtomicRequests } from './atomic-requests.ts';
import { DeferredSends } from './deferred-sends.ts';
import type { Message, MessageOwner } from './message.ts';
import { MessageTable } from './message-table.ts';
import { RendezvousSends } from './rendezvous-sends.ts';
import { isAtomic, isIdempotentSafe } from './request-fields.ts';
import { RequestWriter, shortHeader } from './request-writer.ts';
import { bringsBack, COMPLETION_OPCODES, isAccess, SES_OPCODES } from './work-opcodes.ts';

export class Initiator {
  readonly messages: MessageTable;
  readonly #core: Core;
  readonly #mtu: number;
  readonly #inlineRegion: number;
  readonly #completion = new CompletionRecord();
  /** Set by {@link plan}: what the next packet of a context carries. */
  readonly planned = { kind: 0, ref: 0, offset: 0, length: 0, last: false };
  readonly #writer: RequestWriter;
  readonly #atomics: AtomicRequests;
  #sequence = 0;

  /** Sends that wait until their target asks for them. */
  readonly deferred: DeferredSends;
  /** Sends that their target reads. */
  readonly rendezvous: RendezvousSends;
  readonly submit: (message: Message) => void;

  /** @param submit - puts a message on a context of its destination */
  constructor(core: Core, submit: (message: Message) => void) {
    this.submit = submit;
    this.#core = core;
    this.#mtu = core.config.payloadMtu;
    this.messages = new MessageTable(core.settings.maxMessages);
    this.#inlineRegion = core.services.dma.attach({ bytes: this.messages.inlineBytes, address: 0 });
    this.rendezvous = new RendezvousSends(core, (message) => this.finish(message));
    this.#atomics = new AtomicRequests(core, this.messages, this.#inlineRegion);
    this.#writer = new RequestWriter(core, this.#atomics, this.rendezvous);
    this.deferred = new DeferredSends(core, this.messages, submit, (message) => this.finish(message));
  }

  /** Long atomics whose operands are kept. */
  get keptOperands(): number {
    return this.#atomics.kept;
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#core.services.dma.detach(this.#inlineRegion);
    this.#atomics.end();
  }

  /**
   * Takes the next request of a queue pair.
   * @returns the message, or undefined when there is no work or no room, or reads must be done first; locally wrong
   *   requests are completed here
   */
  take(qp: LocalQueuePair): Message | undefined {
    const { fenced } = qp;
    if (fenced !== undefined) {
      if (qp.openRequests > 0) return undefined;
      qp.fenced = undefined;
      if (this.#begin(qp, fenced)) return fenced;
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
      message.sesOpcode = SES_OPCODES[work.opcode] ?? SesOpcode.WRITE;
      message.fetches = bringsBack(message.sesOpcode);
      // what is told to the other program must be told once, so must a send; other memory may be harmed by a second time
      message.idempotent =
        (qp.config.idempotent === true || (this.#core.settings.idempotentRequests === 1 && !qp.config.ordered)) &&
        (work.opcode === WorkOpcode.RDMA_WRITE || work.opcode === WorkOpcode.RDMA_READ) &&
        isIdempotentSafe(work.rkeyHi);
      if (work.status === Status.SUCCESS && work.jobId === 0) work.status = Status.LOC_ACCESS_ERR;
      if (work.status !== Status.SUCCESS) {
        message.status = work.status;
        this.finish(message);
        continue;
      }
      message.bytes = work.length;
      message.packets = Math.max(1, Math.ceil(work.length / this.#mtu));
      this.deferred.prepare(message);
      if (message.token === 0) this.rendezvous.prepare(qp, message);
      message.header =
        this.#core.settings.shortHeaders === 1 && message.packets === 1 && message.token === 0 && message.exposure === 0
          ? shortHeader(work, message.sesOpcode)
          : NextHeader.REQUEST_STD;
      if (work.fence && qp.openRequests > 0) {
        qp.fenced = message;
        return undefined;
      }
      if (this.#begin(qp, message)) return message;
    }
  }

  /** @returns false when the request turns out to be wrong, and is completed */
  #begin(qp: LocalQueuePair, message: Message): boolean {
    const isAmo = isAtomic(message.sesOpcode);
    if (isAmo) {
      message.status = this.#atomics.prepare(message);
      if (message.status !== Status.SUCCESS) {
        this.finish(message);
        return false;
      }
    }
    if (message.fetches || isAmo || !message.ordered) {
      qp.openRequests++;
      message.reader = qp;
    }
    return true;
  }

  /**
   * A message of the engine's own, without data; the caller says the rest and submits it.
   * @param owner - told how it ends
   * @returns undefined when there is no room
   */
  originate(owner: MessageOwner, sesOpcode: number, path: number, jobId: number): Message | undefined {
    const message = this.messages.allocate();
    if (message === undefined) return undefined;
    const { work } = message;
    message.restart();
    message.owner = owner;
    message.qp = OWN;
    message.ordered = message.idempotent = false;
    message.sequence = this.#sequence++;
    message.tries = message.moves = message.strandings = 0;
    message.next = -1;
    message.sesOpcode = sesOpcode;
    message.fetches = bringsBack(sesOpcode);
    message.header = NextHeader.REQUEST_STD;
    message.bytes = 0;
    message.packets = 1;
    work.opcode = WorkOpcode.SEND;
    work.status = Status.SUCCESS;
    work.deliveryComplete = work.matchComplete = work.fence = work.solicited = false;
    work.path = path;
    work.jobId = jobId;
    work.length = work.remoteOffsetLo = work.remoteOffsetHi = work.rkeyLo = work.rkeyHi = 0;
    work.segments.clear();
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
    if (message.status !== Status.SUCCESS || message.deferred) {
      // refused or deferred in the middle: tell the target that no more will come, and how much was sent (it may overtake that);
      // of a READ the target keeps nothing
      planned.kind = Kind.ABORT;
      planned.offset = message.fetches ? 0 : message.sent * this.#mtu;
      planned.length = 0;
      planned.last = true;
      return true;
    }
    if (message.fetches && context.readsInFlight >= context.tx.slots >> 1) return false;
    planned.kind = Kind.REQUEST;
    planned.offset = message.sent * this.#mtu;
    planned.length = Math.min(this.#mtu, message.bytes - planned.offset);
    planned.last = message.sent + 1 === message.packets;
    return true;
  }

  /** The planned packet got a PSN. */
  planTaken(context: DeliveryContext): void {
    const message = this.messages.at(this.planned.ref);
    message.unacked++;
    if (this.planned.kind !== Kind.ABORT) {
      message.sent++;
      if (message.fetches) {
        if (message.work.length > 0) context.readsInFlight++;
        if (message.header !== NextHeader.REQUEST_STD) this.#nameByPsn(context, message);
      }
    }
    if (this.planned.last) context.current = -1;
  }

  /** A read without a message id: its data names the PSN of the request. */
  #nameByPsn(context: DeliveryContext, message: Message): void {
    message.readKey = keyOfPsn(psnAdd(context.tx.next, -1));
    context.reads.set(message.readKey, message.index);
  }

  /** The PSNs of the context moved before anything was answered. */
  renumbered(context: DeliveryContext, delta: number): void {
    const moved: Message[] = [];
    for (const [key, ref] of [...context.reads]) {
      if (key < PSN_KEYS) continue;
      context.reads.delete(key);
      moved.push(this.messages.at(ref));
    }
    for (const message of moved) {
      message.readKey = keyOfPsn(psnAdd(message.readKey - PSN_KEYS, delta));
      context.reads.set(message.readKey, message.index);
    }
  }

  /** The header that a packet goes with. */
  headerOf(kind: number, ref: number): number {
    return kind === Kind.ABORT ? NextHeader.REQUEST_STD : this.messages.at(ref).header;
  }

  /**
   * Writes the semantic header of a packet at `at` and names its payload.
   * @returns bytes of header
   */
  write(out: Packet, at: number, kind: number, ref: number, offset: number, length: number): number {
    return this.#writer.write(out, at, kind, this.messages.at(ref), offset, length);
  }

  /** A packet is acknowledged and nothing bad was said about it. */
  acknowledged(now: Nanos, context: DeliveryContext, ref: number): void {
    const message = this.messages.at(ref);
    message.unacked--;
    message.acked++;
    this.settle(now, context, message);
  }

  /**
   * A response came for one packet of a message; called before {@link acknowledged} of that packet.
   * @param word - list, opcode, version and return code, as in its first two bytes
   */
  answered(context: DeliveryContext, ref: number, word: number, generation: number, modified: number): void {
    const message = this.messages.at(ref);
    if (message.status !== Status.SUCCESS) return; // the first error wins
    const code = word & 0x3f;
    if ((word & UNKNOWN_RESPONSE) !== 0) return this.#fail(message, Status.BAD_RESP_ERR, code);
    const row = returnCode(code);
    if (row.reaction === 'complete') {
      if (word >>> 14 !== ResponseList.OVERFLOW) return;
      if (message.token !== 0 && modified === 0) message.deferred = true;
      else if (message.exposure !== 0) message.kept = modified;
      else if (message.work.matchComplete) this.#fail(message, Status.BAD_RESP_ERR, code); // it will never tell
      return;
    }
    this.#core.count(EVENT.refused_requests);
    if (row.reaction === 'regenerate') {
      if (context.generations.size >= MAX_GENERATIONS) context.generations.clear();
      context.generations.set(message.work.remoteQpn & RESOURCE, generation);
    }
    this.#fail(message, row.status, code);
    // memory does not come by waiting; receives do
    const isHopeless = row.reaction === 'fail' || (code === ReturnCode.NO_MATCH && isAccess(message.sesOpcode));
    message.again = !isHopeless && message.tries < this.#core.settings.maxRnrRetries;
    // regenerating costs no wait; waiting for receives does
    message.retryAt = row.reaction === 'regenerate' ? 0 : NEVER;
    if (context.ordered && message.again) context.stalled = true;
  }

  #fail(message: Message, status: number, code: number): void {
    message.status = status;
    message.vendorStatus = code;
    message.again = false;
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
    if (message.received >= message.work.length) return false; // more than was asked for
    if (offset % this.#mtu !== 0 || offset >= message.work.length) return false;
    if (length !== Math.min(this.#mtu, message.work.length - offset)) return false;
    context.servedAt = now;
    context.readsInFlight--;
    if (message.qp !== 0 && !this.#place(message, offset, packet, at, length) && message.status === Status.SUCCESS) {
      message.status = Status.LOC_PROT_ERR;
    }
    message.received += length;
    this.settle(now, context, message);
    return true;
  }

  /** @returns false when the memory of the program is gone */
  #place(message: Message, offset: number, packet: Packet, at: number, length: number): boolean {
    if (isAtomic(message.sesOpcode)) return this.#atomics.returned(message, packet, at, length);
    return scatter(this.#core.services.dma, message.work.segments, offset, packet, at, length);
  }

  /** Read data could not be had: the target says why. */
  #dataFailed(now: Nanos, context: DeliveryContext, id: number, offset: number, code: number): boolean {
    const ref = context.reads.get(id);
    if (ref === undefined) return false;
    const message = this.messages.at(ref);
    if (message.received >= message.work.length) return false; // more than was asked for
    if (offset % this.#mtu !== 0 || offset >= message.work.length) return false;
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
    if (message.status === Status.SUCCESS && message.deferred) {
      if (context.current === message.index) return; // its early end is still to be sent
      this.#leave(context, message);
      if (message.qp === 0) this.finish(message);
      else this.deferred.wait(now, message);
      this.unstall(context);
      return;
    }
    if (message.status === Status.SUCCESS) {
      if (message.sent < message.packets) return;
      if (message.exposure !== 0 && message.qp !== 0 && !this.rendezvous.isServed(message)) {
        this.#leave(context, message);
        this.rendezvous.wait(now, message);
        this.unstall(context);
        return;
      }
      if (message.fetches && message.received < message.work.length) return;
    } else if (context.current === message.index) {
      return; // its MSG_ERROR is still to be sent
    }
    this.#leave(context, message);
    if (message.again && message.qp !== 0 && context.state !== PdcState.CLOSED) this.#retryLater(now, context, message);
    else this.finish(message);
    this.unstall(context);
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
      if (message.exposure !== 0) this.rendezvous.restart(message);
      message.next = context.queueHead;
      context.queueHead = message.index;
      if (context.queueTail < 0) context.queueTail = message.index;
    }
    this.#core.count(EVENT.rnr_retries, due.length);
  }

  /** Reports a message and gives it back. */
  finish(message: Message): void {
    if (message.owner !== undefined) message.owner.ended(message);
    else if (message.qp !== 0) {
      this.#core.count(EVENT.messages_sent);
      this.report(message);
    }
    this.#atomics.release(message);
    this.rendezvous.release(message);
    this.messages.release(message);
  }

  /** A stream that waits for refused messages goes on once the last open one is done, which may be by read data. */
  unstall(context: DeliveryContext): void {
    if (!context.stalled || context.openMessages > 0) return;
    if (context.retryHead >= 0) {
      this.#core.wake(context, context.retryAt);
      return;
    }
    context.stalled = false; // what had to be sent again first was flushed
    this.#core.makeReady(context);
  }

  /** Tells the owner how the message ended. */
  report(message: Message): void {
    const completion = this.#completion;
    const { work, reader } = message;
    if (reader !== undefined) {
      reader.openRequests--;
      message.reader = undefined;
    }
    completion.wrIdLo = work.wrIdLo;
    completion.wrIdHi = work.wrIdHi;
    completion.status = message.status;
    completion.vendorStatus = message.vendorStatus;
    completion.opcode = COMPLETION_OPCODES[work.opcode] ?? CompletionOpcode.RDMA_WRITE;
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
    message.messageId = message.header === NextHeader.REQUEST_STD ? nextMessageId(context) : 0;
    message.readKey = -1;
    // one generation for all copies of all packets: a repetition with a newer one could overtake what was refused
    const { generations } = context;
    message.generation = generations.size === 0 ? 0 : (generations.get(message.work.remoteQpn & RESOURCE) ?? 0);
    if (message.fetches && message.messageId !== 0) {
      message.readKey = message.messageId;
      context.reads.set(message.readKey, message.index);
    }
    context.current = message.index;
    context.openMessages++;
    return true;
  }

  #leave(context: DeliveryContext, message: Message): void {
    if (message.fetches && context.reads.get(message.readKey) === message.index) {
      context.reads.delete(message.readKey);
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

/** Stands for the queue pair of a message that the engine sends itself. */
const OWN = -1;
/** The part of a queue pair number that names a resource: PIDonFEP and index. */
const RESOURCE = 0xff_ffff;
const MAX_MESSAGE_ID = 0xfffe;
const MAX_GENERATIONS = 4096;
const MAX_RNR_WAIT: Nanos = 200_000_000;

/** A list beyond the two, an opcode beyond the four, a version beyond the one. @spec uet:ses/8 */
const UNKNOWN_RESPONSE = 0x8000 | (0x3c << 8) | 0xc0;

/** Open reads without a message id are found by the PSN of their request, behind all message ids. */
const PSN_KEYS = 0x1_0000;
export const keyOfPsn = (psn: number): number => PSN_KEYS + psn;

function nextMessageId(context: DeliveryContext): number {
  let id = context.nextMessageId;
  while (context.reads.has(id)) id = id >= MAX_MESSAGE_ID ? 1 : id + 1;
  context.nextMessageId = id >= MAX_MESSAGE_ID ? 1 : id + 1;
  return id;
}
