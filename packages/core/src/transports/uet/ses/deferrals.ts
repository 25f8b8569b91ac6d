/**
 * Deferrable sends at their target. When no receive takes one, its head alone is kept, among the messages that came
 * unexpectedly and in their order; the receive that takes it later asks for the rest, and waits for that alone.
 *
 *   WAITING ---- a receive takes it ----> MATCHED -- RTR leaves --> CALLED ---- it comes again ----> an ordinary message
 *
 * A sender offers what waits again and again (`deferTimeout`). Who is silent for three of these is gone: the head is
 * forgotten, or the receive waits for others again, in its old place. @spec uet:ses/3.5
 */
import type { MultiReceive } from '../../../engine/matching/index.ts';
import type { Packet } from '../../../engine/packet.ts';
import { Status } from '../../../engine/status.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import { ReceiveWork } from '../../../engine/work.ts';
import { SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import type { LocalQueuePair, QueuePairs } from '../queue-pairs.ts';
import { OVERFLOWED } from './answer.ts';
import type { InboundMessage } from './inbound-message.ts';
import type { InboundMessages } from './inbound-messages.ts';
import type { Initiator } from './initiator.ts';
import type { DeferredMessage, MatchedSends } from './matched-sends.ts';
import type { Message, MessageOwner } from './message.ts';
import type { ReceiveCompletions } from './receive-completions.ts';
import type { Sends } from './sends.ts';

const Stage = { WAITING: 0, MATCHED: 1, CALLED: 2, LOST: 3 } as const;

/** A message that was put off. */
class Deferral implements DeferredMessage, MessageOwner {
  readonly isDeferred = true;
  readonly #table: Deferrals;
  stage: number = Stage.WAITING;
  qp!: LocalQueuePair;
  path = 0;
  jobId = 0;
  initiator = 0;
  keyLo = 0;
  keyHi = 0;
  length = 0;
  isRelative = false;
  /** Restart tokens: the sender's, and the one made here. */
  token = 0;
  targetToken = 0;
  /** Where the head is kept. */
  head = -1;
  seenAt: Nanos = 0;
  readonly receive = new ReceiveWork();
  /** Bytes that the receive has room for, and from where on. */
  accepted = 0;
  base = 0;
  multi: MultiReceive | undefined = undefined;
  /** Nobody wants it: it must come, so that its sender is done, and goes nowhere. */
  discarded = false;
  /** Another one with the same token. */
  next: Deferral | undefined = undefined;
  /** The RTR on its way. */
  call: Message | undefined = undefined;

  constructor(table: Deferrals) {
    this.#table = table;
  }

  matched(receive: ReceiveWork, bytes: number, base: number, multi: MultiReceive | undefined): void {
    this.receive.copyFrom(receive);
    this.accepted = bytes;
    this.base = base;
    this.multi = multi;
    this.#table.wanted(this);
  }

  dropped(): void {
    this.discarded = true;
    this.#table.wanted(this);
  }

  ended(message: Message): void {
    this.call = undefined;
    if (message.status !== Status.SUCCESS) this.#table.lost(this);
  }
}

export class Deferrals {
  readonly #core: Core;
  readonly #queuePairs: QueuePairs;
  readonly #inbound: InboundMessages;
  readonly #matched: MatchedSends;
  readonly #sends: Sends;
  readonly #completions: ReceiveCompletions;
  readonly #initiator: Initiator;
  readonly #all = new Set<Deferral>();
  /** By the sender's token; those of several peers may be the same. */
  readonly #byToken = new Map<number, Deferral>();
  readonly #pool: Deferral[] = [];
  #due: Nanos = NEVER;
  #serial = 0;

  constructor(
    core: Core,
    queuePairs: QueuePairs,
    inbound: InboundMessages,
    matched: MatchedSends,
    sends: Sends,
    completions: ReceiveCompletions,
    initiator: Initiator,
  ) {
    this.#core = core;
    this.#queuePairs = queuePairs;
    this.#inbound = inbound;
    this.#matched = matched;
    this.#sends = sends;
    this.#completions = completions;
    this.#initiator = initiator;
  }

  /** Messages that are put off, or asked for. */
  get size(): number {
    return this.#all.size;
  }

  get deadline(): Nanos {
    return this.#due;
  }

  /** The first packet of a deferrable message that is seen, for a queue pair that matches. */
  begin(context: DeliveryContext, qp: LocalQueuePair, packet: Packet, at: number, payload: number): void {
    const { request } = this.#inbound;
    const known = this.#find(context.path, qp);
    if (known !== undefined) {
      known.seenAt = this.#core.now;
      if (known.stage !== Stage.WAITING) return this.#restarted(context, known, packet, at, payload);
      return this.#putOff(context, known);
    }
    this.aborted(context.path, request.offsetHi); // a token names one message at a time
    if (this.#matched.find(context, qp) >= 0) return this.#matched.begin(context, qp, packet, at, payload);
    if (!this.#inbound.keeps()) return;
    const one = this.#pool.pop() ?? new Deferral(this);
    one.head = this.#matched.defer(context, qp, one);
    if (one.head < 0) {
      this.#pool.push(one);
      return;
    }
    one.stage = Stage.WAITING;
    one.qp = qp;
    one.path = context.path;
    one.jobId = request.jobId;
    one.initiator = request.initiator;
    one.keyLo = request.keyLo;
    one.keyHi = request.keyHi;
    one.length = request.length;
    one.isRelative = request.rel;
    one.token = request.offsetHi;
    one.targetToken = this.#serial = (this.#serial % MAX_TOKEN) + 1;
    one.seenAt = this.#core.now;
    one.discarded = false;
    this.#all.add(one);
    one.next = this.#byToken.get(one.token);
    this.#byToken.set(one.token, one);
    this.#wake(one.seenAt + PATIENCE * this.#core.settings.deferTimeout);
    this.#putOff(context, one);
    if (this.#inbound.answer.nack !== 0) this.#forget(one); // no room for its other packets: it comes again
  }

  /** A further packet of a message that was put off. */
  continue(context: DeliveryContext, message: InboundMessage): void {
    const { request, answer } = this.#inbound;
    message.received += request.piece;
    answer.opcode = OVERFLOWED;
    if (request.som) {
      const one = this.#find(context.path, undefined);
      if (one?.stage === Stage.WAITING) this.#matched.tellHead(one.head);
    }
    if (message.complete) this.#inbound.remove(context, message);
  }

  /** The early end of a message that was put off: what of it has left may still come. */
  ended(context: DeliveryContext, message: InboundMessage): void {
    message.total = Math.min(message.total, this.#inbound.request.at);
    if (message.complete) this.#inbound.remove(context, message);
  }

  /** The sender gives a message up. */
  aborted(path: number, token: number): void {
    for (let one = this.#byToken.get(token); one !== undefined; one = one.next) {
      if (one.path === path && one.stage === Stage.WAITING) return this.#forget(one);
    }
    return undefined;
  }

  /** Looks for senders that are gone, and asks where there was no room to ask before. */
  expire(now: Nanos): void {
    if (now < this.#due) return;
    this.#due = NEVER;
    const patience = PATIENCE * this.#core.settings.deferTimeout;
    for (const one of this.#all) {
      if (one.stage === Stage.LOST || now >= one.seenAt + patience) this.#giveUp(one);
      else {
        if (one.stage === Stage.MATCHED) this.#ask(one);
        this.#wake(one.seenAt + patience);
      }
    }
  }

  /** A queue pair goes away, after what it kept was dropped. */
  queuePairRemoved(qp: LocalQueuePair): void {
    for (const one of this.#all) {
      if (one.qp !== qp) continue;
      if (!one.discarded) this.#completions.end(qp.config.qp, one.receive, Status.WR_FLUSH_ERR, 0, one);
      this.#remove(one);
    }
  }

  /** A receive is called back that waits for a message: that comes again, for another. @returns undefined for none */
  takeBack(qp: LocalQueuePair, idLo: number, idHi: number): ReceiveWork | undefined {
    for (const one of this.#all) {
      const { receive } = one;
      const isIt = receive.wrIdLo === idLo && receive.wrIdHi === idHi;
      if (!isIt || one.qp !== qp || one.stage === Stage.WAITING || one.discarded || one.multi !== undefined) continue;
      this.#remove(one);
      return receive;
    }
    return undefined;
  }

  /** A receive takes the message, or the program threw it away: the sender is asked for it. */
  wanted(one: Deferral): void {
    one.head = -1;
    if (this.#queuePairs.get(one.qp.config.qp) !== one.qp) return this.#remove(one);
    one.stage = Stage.MATCHED;
    one.seenAt = this.#core.now;
    this.#ask(one);
    return undefined;
  }

  /** The sender does not know of the message any more. What follows may start others: not while a context fails. */
  lost(one: Deferral): void {
    one.stage = Stage.LOST;
    this.#wake(this.#core.now);
  }

  /** The message that the request at hand names by its token. */
  #find(path: number, qp: LocalQueuePair | undefined): Deferral | undefined {
    const { request } = this.#inbound;
    for (let one = this.#byToken.get(request.offsetHi); one !== undefined; one = one.next) {
      if (one.path !== path || one.stage === Stage.LOST) continue;
      const isSame = one.length === request.length && one.keyLo === request.keyLo && one.keyHi === request.keyHi;
      if (isSame && (qp === undefined || one.qp === qp)) return one;
    }
    return undefined;
  }

  /** Answers that the head is kept; the rest of the message is counted and left out. */
  #putOff(context: DeliveryContext, one: Deferral): void {
    const inbound = this.#inbound;
    const { request, answer } = inbound;
    if (!inbound.keeps()) return;
    if (!request.single) {
      const message = inbound.open(context, one.qp);
      if (message === undefined) return;
      message.isPutOff = message.discarded = true;
      message.token = one.token;
      message.received = request.piece;
      if (message.complete) inbound.remove(context, message);
    }
    if (request.som) this.#matched.tellHead(one.head);
    answer.opcode = OVERFLOWED;
    answer.guaranteed = true;
  }

  /** The message comes once more, and its receive is there. */
  #restarted(context: DeliveryContext, one: Deferral, packet: Packet, at: number, payload: number): void {
    const inbound = this.#inbound;
    if (!one.discarded && inbound.request.single && one.accepted < one.length && !inbound.keeps()) return;
    const message = inbound.open(context, one.qp);
    if (message === undefined) return;
    message.discarded = one.discarded;
    if (!one.discarded) {
      message.receive.copyFrom(one.receive);
      message.accepted = one.accepted;
      message.base = one.base;
      message.multi = one.multi;
    }
    const { discarded } = one;
    this.#remove(one);
    if (discarded) this.#matched.place(context, message, packet, at, payload);
    else this.#sends.place(context, message, packet, at, payload);
  }

  /** DEFERRABLE_RTR. The request does not say which endpoint its sender has, so none is named. */
  #ask(one: Deferral): void {
    const message = this.#initiator.originate(one, SesOpcode.DEFERRABLE_RTR, one.path, one.jobId);
    if (message === undefined) return this.#wake(this.#core.now + ASK_AGAIN);
    message.sourceId = one.qp.config.sourceId;
    message.work.remoteQpn = one.isRelative ? 0 : ABSOLUTE;
    message.work.rkeyHi = one.token;
    message.work.rkeyLo = one.targetToken;
    one.call = message;
    one.stage = Stage.CALLED;
    this.#initiator.submit(message);
    return undefined;
  }

  #giveUp(one: Deferral): void {
    if (one.stage === Stage.WAITING) return this.#forget(one);
    const { qp, receive, discarded, multi } = one;
    this.#remove(one);
    if (discarded) return undefined;
    if (multi === undefined && !receive.claim) this.#matched.restore(qp, receive);
    else this.#completions.end(qp.config.qp, receive, Status.REM_ABORT_ERR, 0, one);
    return undefined;
  }

  #forget(one: Deferral): void {
    this.#matched.forget(one.qp.matching!, one.head);
    this.#remove(one);
  }

  #remove(one: Deferral): void {
    if (!this.#all.delete(one)) return;
    this.#unlink(one);
    if (one.call !== undefined) {
      one.call.owner = undefined;
      one.call.qp = 0;
      one.call = undefined;
    }
    if (this.#all.size === 0) this.#due = NEVER;
    this.#pool.push(one);
  }

  #unlink(one: Deferral): void {
    const { token, next } = one;
    let before = this.#byToken.get(token);
    one.next = undefined;
    if (before === one) {
      if (next === undefined) this.#byToken.delete(token);
      else this.#byToken.set(token, next);
      return;
    }
    while (before !== undefined && before.next !== one) before = before.next;
    if (before !== undefined) before.next = next;
  }

  #wake(due: Nanos): void {
    if (due < this.#due) this.#due = due;
  }
}

/** Offers that may fail to come before a sender counts as gone. */
const PATIENCE = 3;
const ASK_AGAIN: Nanos = 1_000_000;
const MAX_TOKEN = 0xffff_fffe;
const ABSOLUTE = 0x8000_0000 | 0;
