/**
 * All delivery contexts of an engine: by PDCID, by what an initiator looks for, by what a SYN names; and for a while
 * the closed ones, so that a late copy of their first packets does not start them again.
 *
 * @spec uet:pds/3.1 uet:pds/3.2 uet:pds/3.4
 */
import type { Nanos } from '../../../engine/time.ts';
import { NackCode } from '../../../wire/uet/pds.ts';
import { DeliveryContext } from './delivery-context.ts';
import { PeerShare } from './peer-share.ts';

export class ContextTable {
  /** Targets' contexts whose peer has not shown yet that it hears this endpoint. */
  unproven = 0;
  /** Until then the memory of closed contexts has a hole: something had to be forgotten early. */
  forgetfulUntil: Nanos = 0;
  readonly #slots: DeliveryContext[] = [];
  readonly #free: DeliveryContext[] = [];
  readonly #byId = new Map<number, DeliveryContext>();
  /** Target contexts by (path, peer's PDCID). */
  readonly #bySyn = new Map<number, DeliveryContext>();
  /** Initiators' contexts by (path, peer's PDCID), once that is known. */
  readonly #byTarget = new Map<number, DeliveryContext>();
  readonly #peers = new Map<number, PeerShare>();
  readonly #closed = new Map<number, Closed>();
  readonly #closedIds = new Map<number, Gone>();
  readonly #limits: TableLimits;
  readonly #random: () => number;

  constructor(limits: TableLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Live contexts. */
  get size(): number {
    return this.#byId.size;
  }

  get(localId: number): DeliveryContext | undefined {
    return this.#byId.get(localId);
  }

  at(slot: number): DeliveryContext | undefined {
    return this.#slots[slot];
  }

  all(): IterableIterator<DeliveryContext> {
    return this.#byId.values();
  }

  /** The context that an initiator uses for new work: same peer, mode and job, and not closing. */
  find(path: number, ordered: boolean, jobId: number): DeliveryContext | undefined {
    for (const one of this.#byId.values()) {
      if (one.initiator && one.path === path && one.ordered === ordered && one.jobId === jobId && one.acceptsWork) {
        return one;
      }
    }
    return undefined;
  }

  /** The target context that a SYN belongs to. */
  findSyn(path: number, remoteId: number): DeliveryContext | undefined {
    return this.#bySyn.get(synKey(path, remoteId));
  }

  /** The context that this endpoint opened, and to which the peer gave that PDCID. */
  findOwn(path: number, remoteId: number): DeliveryContext | undefined {
    return this.#byTarget.get(synKey(path, remoteId));
  }

  /** The peer of an initiator's context has told its PDCID. */
  learn(context: DeliveryContext, remoteId: number): void {
    context.remoteId = remoteId;
    this.#byTarget.set(synKey(context.path, remoteId), context);
  }

  /** The peer of a target's context hears this endpoint: it named a PDCID that only an answer can have told it. */
  prove(context: DeliveryContext): void {
    if (context.proven) return;
    context.proven = true;
    this.unproven--;
  }

  /** The start PSN of a context of that peer and PDCID that was closed lately; -1 when there is none. */
  closedStart(now: Nanos, path: number, remoteId: number): number {
    const closed = this.#closed.get(synKey(path, remoteId));
    return closed !== undefined && closed.until > now ? closed.start : -1;
  }

  /** Whether a local PDCID was in use lately: the NACK code for those who still name it, or 0. */
  closedCode(now: Nanos, localId: number): number {
    const gone = this.#closedIds.get(localId);
    return gone !== undefined && gone.until > now ? gone.code : 0;
  }

  /**
   * Whether a peer may open one more context: its share is not used up, and a part stays for this endpoint's own work.
   *
   * @param reserved - it asks for the reserved pool
   * @returns 0, or the NACK code that says what is short
   */
  shortage(path: number, reserved = false): number {
    const { contexts, perPeer, reserved: kept, cccs, bitmaps } = this.#limits;
    const most = contexts - (contexts >> 3) - (reserved ? 0 : kept);
    if (this.size >= most || (this.#peers.get(path)?.targets ?? 0) >= perPeer) return NackCode.NO_PDC_AVAIL;
    if (this.size >= cccs) return NackCode.NO_CCC_AVAIL;
    return this.size >= bitmaps ? NackCode.NO_BITMAP : 0;
  }

  /** @returns a context with a fresh PDCID, or undefined when the table (or this peer's share) is full */
  allocate(now: Nanos, path: number, remoteId: number, reserved = false): DeliveryContext | undefined {
    const { contexts, cccs, bitmaps } = this.#limits;
    if (this.size >= Math.min(contexts, cccs, bitmaps)) return undefined;
    const target = remoteId !== 0;
    if (target && this.shortage(path, reserved) !== 0) return undefined;
    let context = this.#free.pop();
    if (context === undefined) {
      context = new DeliveryContext(this.#slots.length, this.#limits.sendSlots, this.#limits.receiveRange);
      this.#slots.push(context);
    }
    context.localId = this.#freshId(now);
    context.peer = this.#join(path);
    context.proven = !target;
    this.#byId.set(context.localId, context);
    if (target) {
      context.peer.targets++;
      this.unproven++;
      this.#bySyn.set(synKey(path, remoteId), context);
    }
    return context;
  }

  /**
   * Gives a context back. Its identity stays known until `until`.
   *
   * @param code - NACK for those who still name it
   */
  release(now: Nanos, context: DeliveryContext, until: Nanos, code: number = NackCode.CLOSING): void {
    this.#byId.delete(context.localId);
    const key = synKey(context.path, context.remoteId);
    this.prove(context);
    if (context.initiator) {
      if (this.#byTarget.get(key) === context) this.#byTarget.delete(key);
    } else {
      this.#bySyn.delete(key);
      context.peer.targets--;
      if (remember(this.#closed, key, { start: context.tx.start, until }, now) > now) this.forgetfulUntil = until;
    }
    remember(this.#closedIds, context.localId, { until, code }, now);
    this.#leave(context.path, context.peer);
    this.#free.push(context);
  }

  #join(path: number): PeerShare {
    let peer = this.#peers.get(path);
    if (peer === undefined) this.#peers.set(path, (peer = new PeerShare()));
    peer.contexts++;
    return peer;
  }

  #leave(path: number, peer: PeerShare): void {
    if (--peer.contexts === 0) this.#peers.delete(path);
  }

  #freshId(now: Nanos): number {
    for (let tries = 0; ; tries++) {
      const id = 1 + Math.floor(this.#random() * 0xffff);
      if (this.#byId.has(id)) continue;
      // with a crowded id space reuse beats failing
      if (tries < 64 && this.closedCode(now, id) !== 0) continue;
      return id;
    }
  }
}

export interface TableLimits {
  readonly contexts: number;
  readonly perPeer: number;
  /** Of `contexts`: only for peers that ask for the reserved pool. */
  readonly reserved: number;
  readonly cccs: number;
  readonly bitmaps: number;
  readonly sendSlots: number;
  readonly receiveRange: number;
}

interface Closed {
  readonly start: number;
  readonly until: Nanos;
}

interface Gone {
  readonly code: number;
  readonly until: Nanos;
}

const synKey = (path: number, remoteId: number): number => path * 0x1_0000 + remoteId;

/**
 * Adds to a bounded map in order of time: what is over goes first, then the oldest.
 * @returns until when the last entry that went should have stayed; 0 for none
 */
function remember<V extends { readonly until: Nanos }>(map: Map<number, V>, key: number, value: V, now: Nanos): Nanos {
  let lost: Nanos = 0;
  map.delete(key);
  for (const [old, { until }] of map) {
    if (until > now && map.size < MAX_CLOSED) break;
    lost = until;
    map.delete(old);
  }
  map.set(key, value);
  return lost;
}

/** Closed contexts remembered at a time; beyond, the oldest are forgotten. */
const MAX_CLOSED = 4096;
