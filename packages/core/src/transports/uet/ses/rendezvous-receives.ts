/**
 * Rendezvous sends at their target: a receive takes the request, and this endpoint reads the rest of the message from its
 * sender, as a program would. Without a receive the head is kept, and later all of it is read.
 *
 * Everything is read, also what the receive has no room for or nobody wants: the sender is done when it was.
 *
 * @spec uet:ses/3.6
 */
import { Described, type MultiReceive } from '../../../engine/matching/index.ts';
import type { Packet } from '../../../engine/packet.ts';
import { scatter } from '../../../engine/scatter.ts';
import { Status } from '../../../engine/status.ts';
import { type Nanos, NEVER } from '../../../engine/time.ts';
import { ReceiveWork, type Segments } from '../../../engine/work.ts';
import { SesOpcode } from '../../../wire/uet/ses.ts';
import type { Core } from '../core.ts';
import { EVENT } from '../drops.ts';
import type { DeliveryContext } from '../pds/delivery-context.ts';
import type { LocalQueuePair, QueuePairs } from '../queue-pairs.ts';
import { OVERFLOWED } from './answer.ts';
import type { InboundMessages } from './inbound-messages.ts';
import type { Initiator } from './initiator.ts';
import { type DeferredMessage, isTagged, type MatchedSends } from './matched-sends.ts';
import type { Message, MessageOwner } from './message.ts';
import type { ReceiveCompletions } from './receive-completions.ts';
import type { Sends } from './sends.ts';

/** A message that is to be read, or is being read. */
class Pull implements DeferredMessage, MessageOwner {
  readonly isDeferred = true;
  readonly #table: RendezvousReceives;
  qp!: LocalQueuePair;
  /** Where its head is kept; -1 once it is being read. */
  head = -1;
  since: Nanos = 0;
  readonly described = new Described();
  readonly receive = new ReceiveWork();
  accepted = 0;
  base = 0;
  multi: MultiReceive | undefined = undefined;
  discarded = false;
  /** Bytes that came with the request and were placed. */
  eager = 0;
  // where the rest is
  isRelative = false;
  pid = 0;
  resource = 0;
  keyLo = 0;
  keyHi = 0;
  offset = 0;
  read: Message | undefined = undefined;
  failed: number = Status.SUCCESS;

  constructor(table: RendezvousReceives) {
    this.#table = table;
  }

  /** As completions name them. */
  get initiator(): number {
    return this.described.sourceId;
  }

  get jobId(): number {
    return this.described.jobId;
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
    this.read = undefined;
    this.#table.done(this, message.status, message.vendorStatus);
  }
}

export class RendezvousReceives {
  readonly #core: Core;
  readonly #queuePairs: QueuePairs;
  readonly #inbound: InboundMessages;
  readonly #matched: MatchedSends;
  readonly #sends: Sends;
  readonly #completions: ReceiveCompletions;
  readonly #initiator: Initiator;
  readonly #all = new Set<Pull>();
  /** The packet at hand, while a receive is taken for it. */
  readonly #hand: { packet: Packet | undefined; at: number; payload: number } = {
    packet: undefined,
    at: 0,
    payload: 0,
  };
  #due: Nanos = NEVER;

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

  /** Messages that wait for a receive, or are being read. */
  get size(): number {
    return this.#all.size;
  }

  get deadline(): Nanos {
    return this.#due;
  }

  /** The request, which is one packet. */
  begin(context: DeliveryContext, qp: LocalQueuePair, packet: Packet, at: number, payload: number): void {
    const inbound = this.#inbound;
    const { answer } = inbound;
    const { matching } = qp;
    if (!inbound.keeps()) return;
    if (matching === undefined) {
      qp.hasSpare ||= this.#core.services.takeReceive(qp.config.qp, qp.spare);
      // without a receive, or with a bad one, it is refused like any other
      if (!qp.hasSpare || qp.spare.status !== Status.SUCCESS)
        return this.#sends.begin(context, qp, packet, at, payload);
    }
    const found = matching === undefined ? 0 : this.#matched.find(context, qp);
    const one = this.#describe(context, qp);
    if (found < 0) {
      one.head = this.#matched.defer(context, qp, one);
      if (one.head < 0) return;
      this.#all.add(one);
      this.#wake(one.since + this.#patience);
      answer.opcode = OVERFLOWED;
      answer.guaranteed = true;
      return;
    }
    this.#all.add(one);
    const hand = this.#hand;
    hand.packet = packet;
    hand.at = at;
    hand.payload = payload;
    if (matching !== undefined) this.#matched.takeFor(qp, found, one.described.total, one);
    else {
      qp.hasSpare = false;
      one.matched(qp.spare, Math.min(one.described.total, qp.spare.length), 0, undefined);
    }
    hand.packet = undefined;
  }

  /** A receive takes the message, or the program threw it away: it is read. */
  wanted(one: Pull): void {
    one.head = -1;
    one.since = this.#core.now;
    if (this.#queuePairs.get(one.qp.config.qp) !== one.qp) {
      this.#all.delete(one);
      return;
    }
    const { packet, at, payload } = this.#hand;
    if (packet !== undefined) {
      const bytes = Math.min(payload, one.accepted);
      const { dma } = this.#core.services;
      if (!scatter(dma, one.receive.segments, one.base, packet, at, bytes)) one.failed = Status.LOC_PROT_ERR;
      one.eager = payload;
    }
    this.#read(one);
  }

  /** Reading is over. */
  done(one: Pull, status: number, vendorStatus: number): void {
    if (!this.#all.delete(one) || one.discarded) return;
    const { qp, receive, described, accepted, base, multi } = one;
    const ended = one.failed === Status.SUCCESS ? status : one.failed;
    if (ended !== Status.SUCCESS) {
      this.#completions.end(qp.config.qp, receive, ended, vendorStatus, one);
      return;
    }
    this.#core.count(EVENT.messages_received);
    const holds = multi !== undefined && !multi.settle();
    this.#completions.delivered(qp.config.qp, receive, described, Status.SUCCESS, accepted, base, holds);
  }

  /** Begins to read where there was no room to, and forgets heads whose sender has given up. */
  expire(now: Nanos): void {
    if (now < this.#due) return;
    this.#due = NEVER;
    for (const one of this.#all) {
      if (one.head >= 0 && now >= one.since + this.#patience) {
        this.#matched.forget(one.qp.matching!, one.head);
        this.#all.delete(one);
      } else if (one.head >= 0) this.#wake(one.since + this.#patience);
      else if (one.read === undefined) this.#read(one);
    }
  }

  /** A queue pair goes away, after what it kept was dropped. */
  queuePairRemoved(qp: LocalQueuePair): void {
    for (const one of this.#all) {
      if (one.qp !== qp) continue;
      this.#all.delete(one);
      if (one.read !== undefined) {
        // what is on its way goes nowhere
        one.read.owner = undefined;
        one.read.qp = 0;
      }
      if (!one.discarded) this.#completions.end(qp.config.qp, one.receive, Status.WR_FLUSH_ERR, 0, one);
    }
  }

  #read(one: Pull): void {
    const { described, eager } = one;
    const length = described.total - eager;
    if (length === 0) return this.done(one, Status.SUCCESS, 0);
    const message = this.#initiator.originate(one, SesOpcode.READ, described.path, described.jobId);
    if (message === undefined) return this.#wake(this.#core.now + ASK_AGAIN);
    const { work } = message;
    const from = one.offset + eager;
    message.sourceId = one.qp.config.sourceId;
    work.length = length;
    message.bytes = length;
    message.packets = Math.ceil(length / this.#core.config.payloadMtu);
    work.remoteQpn = one.pid | (one.resource << 12) | (one.isRelative ? 0 : ABSOLUTE);
    work.rkeyLo = one.keyLo;
    work.rkeyHi = one.keyHi;
    work.remoteOffsetHi = Math.floor(from / 2 ** 32);
    work.remoteOffsetLo = from % 2 ** 32;
    if (!one.discarded) cut(one.receive.segments, one.base + eager, Math.max(0, one.accepted - eager), work.segments);
    one.read = message;
    this.#initiator.submit(message);
    return undefined;
  }

  #describe(context: DeliveryContext, qp: LocalQueuePair): Pull {
    const { request } = this.#inbound;
    const one = new Pull(this);
    const { described } = one;
    one.qp = qp;
    one.since = this.#core.now;
    one.isRelative = request.rel;
    one.pid = request.readPid;
    one.resource = request.readResource;
    one.keyLo = request.readKeyLo;
    one.keyHi = request.readKeyHi;
    one.offset = request.readOffsetHi * 2 ** 32 + request.readOffsetLo;
    described.tagged = isTagged(request.opcode);
    described.tagLo = request.keyLo;
    described.tagHi = request.keyHi;
    described.sourceId = request.initiator;
    described.path = context.path;
    described.jobId = request.jobId;
    described.hasImm = request.hd;
    described.immLo = request.immLo;
    described.immHi = request.immHi;
    described.total = request.length;
    return one;
  }

  get #patience(): Nanos {
    return 2 * this.#core.settings.rendezvousTimeout;
  }

  #wake(due: Nanos): void {
    if (due < this.#due) this.#due = due;
  }
}

/** The stretch of `from` that begins at `offset`. */
function cut(from: Segments, offset: number, length: number, into: Segments): void {
  let skip = offset;
  let left = length;
  for (let i = 0; i < from.count && left > 0; i++) {
    const size = from.length[i]!;
    if (skip >= size) {
      skip -= size;
      continue;
    }
    const part = Math.min(size - skip, left);
    into.add(from.region[i]!, from.offset[i]! + skip, part);
    left -= part;
    skip = 0;
  }
}

const ASK_AGAIN: Nanos = 1_000_000;
const ABSOLUTE = 0x8000_0000 | 0;
