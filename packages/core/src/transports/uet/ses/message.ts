/** A message that is being sent: one work request from posting to completion. */
import type { Nanos } from '../../../engine/time.ts';
import { SendWork } from '../../../engine/work.ts';
import { AtomicParts } from './atomic-parts.ts';

/** The part of an engine that sends a message of its own. */
export interface MessageOwner {
  /** The message is done; it is given back afterwards. */
  ended(message: Message): void;
}

export class Message {
  readonly index: number;
  /** Next in whatever list holds it. */
  next = -1;
  live = false;
  /** The request, copied and checked. */
  readonly work = new SendWork();
  /** Device handle of the queue pair; 0 once nobody waits for the completion. */
  qp = 0;
  sourceId = 0;
  /** A read: where it counts as open. */
  reader: { openRequests: number } | undefined = undefined;
  sesOpcode = 0;
  /** Data comes back: of a read, or of an atomic that fetches. */
  fetches = false;
  ordered = false;
  /** Goes as RUDI: no context, each packet on its own. */
  idempotent = false;
  /** Order of posting: what is sent again on an ordered stream goes in this order. */
  sequence = 0;
  /** 0: its header has none. */
  messageId = 0;
  /** Next-header value of the header that it goes with. */
  header = 0;
  /** Bytes that its own packets carry or ask for. */
  bytes = 0;
  /** The target keeps it back until a receive takes it; no more of it is sent now. */
  deferred = false;
  /** Restart tokens of a deferrable send: its own, 0 when it is none, and the target's, 0 while unknown. */
  token = 0;
  targetToken = 0;
  /** The target has asked for it. */
  called = false;
  /** A rendezvous: number of the exposure of its memory; 0: it is none. */
  exposure = 0;
  /** Who is told how it ended instead of a program. */
  owner: MessageOwner | undefined = undefined;
  /** Generation of the peer's resource index that its packets name. */
  generation = 0;
  /** Packets of the whole message. */
  packets = 0;
  /** Packets that have left at least once. */
  sent = 0;
  /** Packets that left and have no acknowledgement, MSG_ERROR included. */
  unacked = 0;
  acked = 0;
  /** A packet left more than once: whether the target saw it can no longer be told. */
  resent = false;
  /** Read bytes that have arrived. */
  received = 0;
  /** Completion status once it failed; 0 while all is well. */
  status = 0;
  vendorStatus = 0;
  /** It failed in a way that another try may repair. */
  again = false;
  tries = 0;
  /** Times that no context was free for it. */
  strandings = 0;
  /** Number of times it was moved to another context. */
  moves = 0;
  retryAt: Nanos = 0;

  // What few messages need stands behind what all need: thousands of them go through the cache in turn.

  /** What the data of a read names: the message id, or beyond that the PSN; -1 while there is none. */
  readKey = -1;
  /** A rendezvous: key and queue pair for reading it. */
  openHi = 0;
  openLo = 0;
  ownQpn = 0;
  /** Bytes that the target has without reading, and that it has read. */
  kept = 0;
  served = 0;
  readonly atomic = new AtomicParts();

  constructor(index: number) {
    this.index = index;
  }

  /** As before the first packet; what was posted stays. */
  restart(): void {
    this.sent = this.unacked = this.acked = this.received = 0;
    this.status = this.vendorStatus = 0;
    this.again = this.resent = false;
  }
}
