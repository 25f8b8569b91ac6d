/**
 * All delivery contexts of an engine: by PDCID, by what an initiator looks for, by what a SYN names; and for a while
 * the closed ones, so that a late copy of their first packets does not start them again.
 *
 * @spec uet:pds/3.1 uet:pds/3.2 uet:pds/3.4
 */
import type { Nanos } from '../../../engine/time.ts';
import { DeliveryContext } from './delivery-context.ts';

export class ContextTable {
  readonly #slots: DeliveryContext[] = [];
  readonly #free: DeliveryContext[] = [];
  readonly #byId = new Map<number, DeliveryContext>();
  /** Target contexts by (path, peer's PDCID). */
  readonly #bySyn = new Map<number, DeliveryContext>();
  readonly #targetsPerPath = new Map<number, number>();
  readonly #closed = new Map<number, Closed>();
  readonly #closedIds = new Map<number, Nanos>();
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

  /** The start PSN of a context of that peer and PDCID that was closed lately; -1 when there is none. */
  closedStart(now: Nanos, path: number, remoteId: number): number {
    const closed = this.#closed.get(synKey(path, remoteId));
    return closed !== undefined && closed.until > now ? closed.start : -1;
  }

  /** Whether a local PDCID was in use lately. */
  wasClosed(now: Nanos, localId: number): boolean {
    const until = this.#closedIds.get(localId);
    return until !== undefined && until > now;
  }

  /** A peer may open one more context: its share is not used up, and a part stays for this endpoint's own work. */
  roomFor(path: number): boolean {
    const { contexts, perPeer } = this.#limits;
    return (this.#targetsPerPath.get(path) ?? 0) < perPeer && this.size < contexts - (contexts >> 3);
  }

  /** @returns a context with a fresh PDCID, or undefined when the table (or this peer's share) is full */
  allocate(now: Nanos, path: number, remoteId: number): DeliveryContext | undefined {
    if (this.size >= this.#limits.contexts) return undefined;
    const target = remoteId !== 0;
    if (target) {
      if (!this.roomFor(path)) return undefined;
      this.#targetsPerPath.set(path, (this.#targetsPerPath.get(path) ?? 0) + 1);
    }
    let context = this.#free.pop();
    if (context === undefined) {
      context = new DeliveryContext(this.#slots.length, this.#limits.sendSlots, this.#limits.receiveRange);
      this.#slots.push(context);
    }
    context.localId = this.#freshId(now);
    this.#byId.set(context.localId, context);
    if (target) this.#bySyn.set(synKey(path, remoteId), context);
    return context;
  }

  /** Gives a context back. Its identity stays known until `until`. */
  release(now: Nanos, context: DeliveryContext, until: Nanos): void {
    this.#byId.delete(context.localId);
    if (!context.initiator) {
      const key = synKey(context.path, context.remoteId);
      this.#bySyn.delete(key);
      this.#leave(context.path);
      remember(this.#closed, key, { start: context.tx.start, until }, now, (closed) => closed.until);
    }
    remember(this.#closedIds, context.localId, until, now, (time) => time);
    this.#free.push(context);
  }

  #leave(path: number): void {
    const share = (this.#targetsPerPath.get(path) ?? 1) - 1;
    if (share === 0) this.#targetsPerPath.delete(path);
    else this.#targetsPerPath.set(path, share);
  }

  #freshId(now: Nanos): number {
    for (let tries = 0; ; tries++) {
      const id = 1 + Math.floor(this.#random() * 0xffff);
      if (this.#byId.has(id)) continue;
      // with a crowded id space reuse beats failing
      if (tries < 64 && this.wasClosed(now, id)) continue;
      return id;
    }
  }
}

export interface TableLimits {
  readonly contexts: number;
  readonly perPeer: number;
  readonly sendSlots: number;
  readonly receiveRange: number;
}

interface Closed {
  readonly start: number;
  readonly until: Nanos;
}

const synKey = (path: number, remoteId: number): number => path * 0x1_0000 + remoteId;

/** Adds to a bounded map in order of time: what is over goes first, then the oldest. */
function remember<V>(map: Map<number, V>, key: number, value: V, now: Nanos, until: (value: V) => Nanos): void {
  map.delete(key);
  for (const [old, entry] of map) {
    if (until(entry) > now && map.size < MAX_CLOSED) break;
    map.delete(old);
  }
  map.set(key, value);
}

/** Closed contexts remembered at a time; beyond, the oldest are forgotten. */
const MAX_CLOSED = 4096;
