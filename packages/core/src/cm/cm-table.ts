/** The connections of one machine: found by the numbers of either side, bounded in all and for each peer. */
import { DeadlineHeap } from '../base/deadline-heap.ts';
import type { CmLink, CmPeer } from './cm-link.ts';

export class CmTable {
  /** When something is due, by slot. */
  readonly deadlines: DeadlineHeap;
  readonly #links: (CmLink | undefined)[];
  readonly #free: number[];
  readonly #byLocalId = new Map<number, CmLink>();
  /** Passive ones. */
  readonly #byRemoteId = new Map<string, CmLink>();
  /** Established ones. */
  readonly #byRemoteQpn = new Map<string, CmLink>();
  readonly #perPeer = new Map<string, number>();
  /** Those in TIMEWAIT, oldest first. */
  readonly #waiting = new Set<CmLink>();
  readonly #maxPerPeer: number;

  constructor(limit: number, maxPerPeer: number) {
    this.deadlines = new DeadlineHeap(limit);
    this.#links = new Array<CmLink | undefined>(limit).fill(undefined);
    this.#free = Array.from({ length: limit }, (_, i) => limit - 1 - i);
    this.#maxPerPeer = maxPerPeer;
  }

  get size(): number {
    return this.#byLocalId.size;
  }

  /**
   * A place for another connection with a peer; the oldest that only waits makes room.
   *
   * @returns -1 when there is none
   */
  place(peer: CmPeer): number {
    if ((this.#perPeer.get(peer.key) ?? 0) >= this.#maxPerPeer) return -1;
    if (this.#free.length === 0) for (const oldest of this.#waiting) return this.remove(oldest);
    return this.#free[this.#free.length - 1] ?? -1;
  }

  add(link: CmLink): void {
    this.#free.pop();
    this.#links[link.slot] = link;
    this.#byLocalId.set(link.localCommId, link);
    if (!link.isActive) this.#byRemoteId.set(pairKey(link.peer, link.remoteCommId), link);
    this.#countPeer(link.peer, 1);
  }

  /** @returns its place, which is free now */
  remove(link: CmLink): number {
    this.deadlines.set(link.slot, Number.POSITIVE_INFINITY);
    this.#links[link.slot] = undefined;
    this.#free.push(link.slot);
    this.#byLocalId.delete(link.localCommId);
    if (!this.#waiting.delete(link)) this.#countPeer(link.peer, -1);
    if (!link.isActive) dropIf(this.#byRemoteId, pairKey(link.peer, link.remoteCommId), link);
    dropIf(this.#byRemoteQpn, pairKey(link.peer, link.remoteQpn), link);
    return link.slot;
  }

  at(slot: number): CmLink | undefined {
    return this.#links[slot];
  }

  byLocalId(localCommId: number): CmLink | undefined {
    return this.#byLocalId.get(localCommId);
  }

  /** A connection that the peer asked for, by the peer's number. */
  byRemoteId(peer: CmPeer, remoteCommId: number): CmLink | undefined {
    return this.#byRemoteId.get(pairKey(peer, remoteCommId));
  }

  /** @returns the connection that had the peer's queue pair until now */
  established(link: CmLink): CmLink | undefined {
    const key = pairKey(link.peer, link.remoteQpn);
    const before = this.#byRemoteQpn.get(key);
    this.#byRemoteQpn.set(key, link);
    return before === link ? undefined : before;
  }

  /** It waits for late messages from now on. */
  waits(link: CmLink): void {
    this.#waiting.add(link);
    this.#countPeer(link.peer, -1);
    dropIf(this.#byRemoteQpn, pairKey(link.peer, link.remoteQpn), link);
  }

  *[Symbol.iterator](): IterableIterator<CmLink> {
    yield* this.#byLocalId.values();
  }

  #countPeer({ key }: CmPeer, by: number): void {
    const count = (this.#perPeer.get(key) ?? 0) + by;
    if (count === 0) this.#perPeer.delete(key);
    else this.#perPeer.set(key, count);
  }
}

const pairKey = (peer: CmPeer, number: number): string => `${number} ${peer.key}`;

function dropIf(map: Map<string, CmLink>, key: string, link: CmLink): void {
  if (map.get(key) === link) map.delete(key);
}
