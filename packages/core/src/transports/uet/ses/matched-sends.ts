/**
 * SEND and TAGGED_SEND to queue pairs that match: receives say what they take, and messages that none takes are kept until
 * one does. @spec uet:ses/3.3 uet:ses/3.4 uet:ses/4
 */
import {
  Described,
  Envelope,
  type MultiReceive,
  PostedReceives,
  type UnexpectedLists,
  UnexpectedMessages,
} from '../../../engine/matching/index.ts';
import type { Packet } from '../../../engine/packet.ts';
import { CompletionOpcode, Status } from '../../../engine/status.ts';
import { ReceiveOp, ReceiveWork } from '../../../engine/work.ts';
import { ReturnCode, SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import type { LocalQueuePair } from '../queue-pairs.ts';
import { OVERFLOWED } from './answer.ts';
import type { InboundMessage } from './inbound-message.ts';
import type { InboundMessages } from './inbound-messages.ts';
import type { ReceiveCompletions } from './receive-completions.ts';
import { isSend } from './request-fields.ts';
import type { Sends } from './sends.ts';

/** What a queue pair that matches has. */
export class Matching {
  readonly posted: PostedReceives;
  readonly unexpected: UnexpectedLists;

  constructor(posted: PostedReceives, unexpected: UnexpectedLists) {
    this.posted = posted;
    this.unexpected = unexpected;
  }
}

/** A message of which only the head is here; what brings the rest of it. */
export interface DeferredMessage {
  readonly isDeferred: true;
  /** A receive takes it: `bytes` of it, from `base` on. `receive` is lent for the call. The head is forgotten. */
  matched(receive: ReceiveWork, bytes: number, base: number, multi: MultiReceive | undefined): void;
  /** It was thrown away, or its queue pair goes. The head is forgotten. */
  dropped(): void;
}

/** What brings the rest of a message that is kept. */
type Owner = InboundMessage | DeferredMessage;

export class MatchedSends {
  readonly #core: Core;
  readonly #inbound: InboundMessages;
  readonly #completions: ReceiveCompletions;
  readonly #sends: Sends;
  readonly #unexpected: UnexpectedMessages<Owner>;
  readonly #envelope = new Envelope();
  readonly #described = new Described();
  /** What is taken from a ring. */
  readonly #taken = new ReceiveWork();
  readonly #scratch = new ReceiveWork();
  /** Takes a receive back that waits for a message which was put off. */
  takeBack: ((qp: LocalQueuePair, idLo: number, idHi: number) => ReceiveWork | undefined) | undefined = undefined;
  /** Ordered senders found no room there: shut until there is some again. */
  readonly #shut = new Set<LocalQueuePair>();

  constructor(core: Core, inbound: InboundMessages, completions: ReceiveCompletions, sends: Sends) {
    this.#core = core;
    this.#inbound = inbound;
    this.#completions = completions;
    this.#sends = sends;
    const { services, settings, config } = core;
    const { maxUnexpected: messages, maxUnexpectedBytes: bytes } = settings;
    const limits = { messages, bytes, packetBytes: config.payloadMtu };
    this.#unexpected = new UnexpectedMessages<Owner>(services.dma, limits, services.random);
  }

  /** Messages that are kept, and bytes of them. */
  get kept(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#unexpected.size, bytes: this.#unexpected.bytes };
  }

  /** What a queue pair needs to match. */
  matching(): Matching {
    return new Matching(new PostedReceives(this.#core.services.random()), this.#unexpected.lists());
  }

  end(): void {
    this.#unexpected.end();
  }

  /** The first packet of a message that is seen. */
  begin(context: DeliveryContext, qp: LocalQueuePair, packet: Packet, at: number, payload: number): void {
    const inbound = this.#inbound;
    const { request } = inbound;
    const { posted } = qp.matching!;
    const i = this.find(context, qp);
    if (i < 0) return this.#keep(context, qp, packet, at, payload);
    const multi = posted.multi(i);
    const room = multi === undefined ? posted.length(i) : multi.room;
    if (request.length > room) {
      if (this.#core.settings.rejectTooLong === 1) return inbound.refuse(context, ReturnCode.TOO_LONG, request.single);
      if (request.single && !inbound.keeps()) return;
    }
    const message = inbound.open(context, qp);
    if (message === undefined) return; // the receive stays for the next message
    posted.copy(i, message.receive);
    this.#give(qp, i, message);
    this.#sends.place(context, message, packet, at, payload);
  }

  /** Any packet of a message that has no receive yet, or never will have. */
  place(context: DeliveryContext, message: InboundMessage, packet: Packet, at: number, payload: number): void {
    const { request } = this.#inbound;
    const { unexpected } = message;
    if (unexpected >= 0) {
      this.#unexpected.place(unexpected, request.at, packet, at, payload);
      if (request.som) this.#unexpected.begin(unexpected, request.hd, request.immLo, request.immHi);
    }
    if (!this.#inbound.arrived(message, payload)) return;
    this.#core.count(EVENT.messages_received);
    if (unexpected >= 0) this.#unexpected.complete(unexpected);
    this.#inbound.remove(context, message);
  }

  /**
   * Keeps the head of the request at hand, which no receive takes.
   * @returns the head, for {@link forget}; -1 when there is no room, and the answer says so
   */
  defer(context: DeliveryContext, qp: LocalQueuePair, owner: DeferredMessage): number {
    const { request } = this.#inbound;
    const lists = qp.matching!.unexpected;
    this.#address(context);
    if (!this.#unexpected.hasRoom(lists, context.path, 0)) {
      this.refuse(context, qp);
      return -1;
    }
    const head = this.#unexpected.add(lists, this.#envelope, request.length, owner, true);
    if (request.som) this.#unexpected.begin(head, request.hd, request.immLo, request.immHi);
    this.#core.count(EVENT.unexpected_messages);
    return head;
  }

  /** The first packet of a message came whose head is kept. */
  tellHead(head: number): void {
    const { request } = this.#inbound;
    this.#unexpected.begin(head, request.hd, request.immLo, request.immHi);
  }

  /** The receive that {@link find} found takes a message of `total` bytes, of which only the head is here. */
  takeFor(qp: LocalQueuePair, i: number, total: number, owner: DeferredMessage): void {
    const { posted } = qp.matching!;
    const receive = this.#scratch;
    posted.copy(i, receive);
    const multi = posted.multi(i);
    const accepted = Math.min(total, multi === undefined ? receive.length : multi.room);
    const base = multi === undefined ? 0 : multi.reserve(total);
    if (multi === undefined || !multi.isOpen) posted.remove(i);
    owner.matched(receive, accepted, base, multi);
  }

  /** A receive that was taken in vain waits again, before all others, unless a message is there for it. */
  restore(qp: LocalQueuePair, receive: ReceiveWork): void {
    const i = this.#unexpected.search(qp.matching!.unexpected, receive);
    if (i < 0) qp.matching!.posted.restore(receive);
    else this.#deliver(qp, i, receive, undefined);
  }

  /** The oldest receive of a queue pair that takes the request at hand; -1 when none does. It stays. */
  find(context: DeliveryContext, qp: LocalQueuePair): number {
    const { request } = this.#inbound;
    const { posted } = qp.matching!;
    this.#address(context);
    for (;;) {
      const i = posted.match(this.#envelope);
      const multi = i < 0 ? undefined : posted.multi(i);
      if (multi === undefined || multi.fresh || request.length <= multi.room) return i;
      this.#close(qp, i, multi); // the rest of it is too small: the next one is used
    }
  }

  /** Takes what was posted. */
  receivesPosted(qp: LocalQueuePair): void {
    const { services } = this.#core;
    const taken = this.#taken;
    let any = false;
    // a program that posts on and on is left at some point
    for (let n = 0; n < MAX_TAKEN && services.takeReceive(qp.config.qp, taken); n++) {
      if (taken.operation === ReceiveOp.RECEIVE) {
        any = true;
        this.#receive(qp, taken);
      } else if (taken.operation === ReceiveOp.PEEK) this.#peek(qp, taken);
      else this.#cancel(qp, taken);
    }
    if (any) this.#open(qp);
  }

  /** A message fails: its receive ends, or nobody gets it. */
  ended(message: InboundMessage, status: number, vendorStatus = 0): void {
    if (message.unexpected >= 0) {
      this.forget(message.matching!, message.unexpected);
      message.unexpected = -1;
    } else if (!message.discarded) this.#completions.end(message.qp, message.receive, status, vendorStatus, message);
  }

  /** The queue pair goes away; its messages in arrival have been failed. */
  removed(qp: LocalQueuePair): void {
    const { posted, unexpected } = qp.matching!;
    const receive = this.#scratch;
    for (let i = posted.first; i >= 0; i = posted.first) {
      posted.copy(i, receive);
      posted.remove(i);
      this.#completions.end(qp.config.qp, receive, Status.WR_FLUSH_ERR);
    }
    this.#shut.delete(qp);
    for (let i = this.#unexpected.any(unexpected); i >= 0; i = this.#unexpected.any(unexpected)) {
      const owner = this.#unexpected.owner(i);
      this.forget(qp.matching!, i);
      if (owner !== undefined && 'isDeferred' in owner) owner.dropped();
    }
  }

  /** No receive takes the message: it is kept, or refused where there is no room. */
  #keep(context: DeliveryContext, qp: LocalQueuePair, packet: Packet, at: number, payload: number): void {
    const inbound = this.#inbound;
    const { request, answer } = inbound;
    const { length, single } = request;
    const lists = qp.matching!.unexpected;
    if (!inbound.keeps()) return;
    if (!this.#unexpected.hasRoom(lists, context.path, length)) return this.refuse(context, qp);
    if (single) {
      const i = this.#unexpected.add(lists, this.#envelope, length, undefined);
      this.#unexpected.begin(i, request.hd, request.immLo, request.immHi);
      this.#unexpected.place(i, 0, packet, at, payload);
      this.#core.count(EVENT.messages_received);
    } else {
      const message = inbound.open(context, qp);
      if (message === undefined) return;
      message.unexpected = this.#unexpected.add(lists, this.#envelope, length, message);
      this.place(context, message, packet, at, payload);
    }
    this.#core.count(EVENT.unexpected_messages);
    answer.opcode = OVERFLOWED;
    answer.modifiedLength = length;
    answer.guaranteed = true;
  }

  /** No receive, and no room to keep the message. */
  refuse(context: DeliveryContext, qp: LocalQueuePair): void {
    const inbound = this.#inbound;
    this.#core.count(EVENT.unexpected_refused);
    let code: number = ReturnCode.NO_MATCH;
    if (context.ordered) {
      // later messages must not overtake: the index stays shut until there is room
      qp.disabled = true;
      this.#shut.add(qp);
      inbound.answer.generation = qp.generation;
      code = ReturnCode.DISABLED_GEN;
    }
    inbound.refuse(context, code, inbound.request.single);
  }

  /** A queue pair takes messages again, under a new generation. */
  #open(qp: LocalQueuePair): void {
    if (!qp.disabled) return;
    this.#shut.delete(qp);
    qp.disabled = false;
    qp.generation = (qp.generation + 1) & 0xff;
  }

  /** What decides about the request at hand. */
  #address(context: DeliveryContext): void {
    const { request } = this.#inbound;
    const envelope = this.#envelope;
    envelope.tagged = isTagged(request.opcode);
    envelope.tagLo = request.keyLo;
    envelope.tagHi = request.keyHi;
    envelope.sourceId = request.initiator;
    envelope.path = context.path;
    envelope.jobId = request.jobId;
  }

  /** A message takes its receive. */
  #give(qp: LocalQueuePair, i: number, message: InboundMessage): void {
    const { posted } = qp.matching!;
    const multi = posted.multi(i);
    if (multi === undefined) {
      posted.remove(i);
      message.accepted = Math.min(message.total, message.receive.length);
      return;
    }
    message.accepted = Math.min(message.total, multi.room);
    message.base = multi.reserve(message.total);
    message.multi = multi;
    if (!multi.isOpen) posted.remove(i);
  }

  /** A receive for many messages takes no more. */
  #close(qp: LocalQueuePair, i: number, multi: MultiReceive): void {
    const { posted } = qp.matching!;
    posted.copy(i, this.#scratch);
    posted.remove(i);
    multi.isOpen = false;
    if (multi.pending === 0) this.#completions.released(qp.config.qp, this.#scratch);
  }

  #receive(qp: LocalQueuePair, receive: ReceiveWork): void {
    const { posted, unexpected } = qp.matching!;
    if (receive.status !== Status.SUCCESS) return this.#completions.end(qp.config.qp, receive, receive.status);
    if (receive.claim) return this.#claim(qp, receive);
    if (!receive.multi) {
      const i = this.#unexpected.search(unexpected, receive);
      if (i < 0) posted.post(receive);
      else this.#deliver(qp, i, receive, undefined);
      return;
    }
    const place = posted.post(receive);
    const multi = posted.multi(place)!;
    while (multi.isOpen) {
      const i = this.#unexpected.search(unexpected, receive);
      if (i < 0) return;
      if (!multi.fresh && this.#unexpected.total(i) > multi.room) return this.#close(qp, place, multi);
      this.#deliver(qp, i, receive, multi);
    }
    posted.remove(place);
  }

  /** A receive takes a message that was kept; what of it is still to come goes there directly. */
  #deliver(qp: LocalQueuePair, i: number, receive: ReceiveWork, multi: MultiReceive | undefined): void {
    const unexpected = this.#unexpected;
    const message = this.#described;
    unexpected.describe(i, message);
    const accepted = Math.min(message.total, multi === undefined ? receive.length : multi.room);
    const base = multi === undefined ? 0 : multi.reserve(message.total);
    const isDelivered = unexpected.deliver(i, this.#core.services.dma, receive.segments, base, accepted);
    const owner = unexpected.owner(i);
    if (owner !== undefined && 'isDeferred' in owner) {
      this.forget(qp.matching!, i);
      owner.matched(receive, accepted, base, multi);
      return;
    }
    if (owner === undefined) {
      const holds = multi !== undefined && !multi.settle();
      const status = isDelivered ? Status.SUCCESS : Status.LOC_PROT_ERR;
      this.#completions.delivered(qp.config.qp, receive, message, status, accepted, base, holds);
    } else {
      owner.receive.copyFrom(receive);
      owner.accepted = accepted;
      owner.base = base;
      owner.multi = multi;
      owner.unexpected = -1;
      if (!isDelivered) {
        this.#inbound.fail(owner, Status.LOC_PROT_ERR);
        owner.failed = ReturnCode.UNCOR;
      }
    }
    this.forget(qp.matching!, i);
  }

  /** Takes, or throws away, the message that a look reserved. */
  #claim(qp: LocalQueuePair, receive: ReceiveWork): void {
    const i = this.#unexpected.claimed(qp.matching!.unexpected, receive.wrIdLo, receive.wrIdHi);
    const opcode = receive.tagged ? CompletionOpcode.RECV_TAGGED : CompletionOpcode.RECV;
    if (i < 0) return this.#completions.answered(qp.config.qp, receive, opcode, Status.TM_ERR);
    receive.multi = false;
    if (!receive.discard) return this.#deliver(qp, i, receive, undefined);
    this.#discard(qp, i);
    this.#completions.answered(qp.config.qp, receive, opcode, Status.SUCCESS);
  }

  /** Looks for a message that was kept. One whose first packet is not here yet cannot be told of. */
  #peek(qp: LocalQueuePair, look: ReceiveWork): void {
    const { qp: handle } = qp.config;
    const { unexpected: lists } = qp.matching!;
    const i = look.status === Status.SUCCESS ? this.#unexpected.search(lists, look) : -1;
    if (i < 0 || !this.#unexpected.begun(i)) {
      this.#completions.answered(handle, look, CompletionOpcode.PEEK, look.status || Status.TM_ERR);
      return;
    }
    this.#unexpected.describe(i, this.#described);
    if (look.discard) this.#discard(qp, i);
    else if (look.claim) this.#unexpected.claim(lists, i, look.wrIdLo, look.wrIdHi);
    this.#completions.found(handle, look, this.#described);
  }

  /** Calls a receive back; a message that is arriving in it is refused from now on. */
  #cancel(qp: LocalQueuePair, asked: ReceiveWork): void {
    const { posted } = qp.matching!;
    const { qp: handle } = qp.config;
    const { wrIdLo, wrIdHi } = asked;
    const i = posted.find(wrIdLo, wrIdHi);
    const receive = this.#scratch;
    let isFound = i >= 0;
    let multi: MultiReceive | undefined;
    if (i >= 0) {
      posted.copy(i, receive);
      multi = posted.multi(i);
      posted.remove(i);
    } else {
      const message = this.#arriving(handle, wrIdLo, wrIdHi);
      if (message !== undefined) {
        isFound = true;
        receive.copyFrom(message.receive);
        multi = message.multi;
        message.failed = ReturnCode.CANCELLED;
      } else {
        const reserved = this.takeBack?.(qp, wrIdLo, wrIdHi);
        if (reserved !== undefined) {
          isFound = true;
          receive.copyFrom(reserved);
        }
      }
    }
    if (multi !== undefined) this.#cancelAll(multi);
    if (isFound) this.#completions.end(handle, receive, Status.WR_FLUSH_ERR, ReturnCode.CANCELLED);
    const status = isFound ? Status.SUCCESS : Status.TM_ERR;
    this.#completions.answered(handle, asked, CompletionOpcode.CANCEL, status);
  }

  /** The message that arrives in the receive with a number. */
  #arriving(handle: number, idLo: number, idHi: number): InboundMessage | undefined {
    for (const context of this.#core.contexts.all()) {
      for (let one = context.inbound; one !== undefined; one = one.next) {
        const { receive } = one;
        if (one.qp !== handle || one.failed !== 0 || one.unexpected >= 0 || one.discarded) continue;
        if (isSend(one.opcode) && receive.wrIdLo === idLo && receive.wrIdHi === idHi) return one;
      }
    }
    return undefined;
  }

  /** All messages that arrive in a receive for many. */
  #cancelAll(multi: MultiReceive): void {
    for (const context of this.#core.contexts.all()) {
      for (let one = context.inbound; one !== undefined; one = one.next) {
        if (one.multi !== multi) continue;
        one.failed = ReturnCode.CANCELLED;
        one.multi = undefined;
      }
    }
  }

  /** Throws a message away; what of it is still to come is accepted, and goes nowhere. */
  #discard(qp: LocalQueuePair, i: number): void {
    const owner = this.#unexpected.owner(i);
    this.forget(qp.matching!, i);
    if (owner === undefined) return;
    if ('isDeferred' in owner) return owner.dropped();
    owner.unexpected = -1;
    owner.discarded = true;
  }

  /** Room that a message took is free again. */
  forget({ unexpected }: Matching, i: number): void {
    this.#unexpected.remove(unexpected, i);
    if (this.#shut.size > 0) for (const qp of this.#shut) this.#open(qp);
  }
}

/** The tag of a request stands in the place of its memory key. */
export const isTagged = (opcode: number): boolean =>
  opcode >= SesOpcode.TAGGED_SEND && opcode <= SesOpcode.TSEND_FETCH_ATOMIC && opcode !== SesOpcode.DEFERRABLE_RTR;
/** Receives that are taken at a time. */
const MAX_TAKEN = 65_536;
