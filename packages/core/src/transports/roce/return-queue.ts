/**
 * What a responder owes its requester, in order: acknowledgements, read data, results of atomics, NAKs. An
 * acknowledgement that is last in the queue is made to acknowledge more instead of being followed by another.
 */
export const Owed = { ACK: 0, NAK: 1, READ: 2, ATOMIC: 3 } as const;

export class Return {
  /** One of `Owed`. */
  kind = 0;
  psn = 0;
  /** Second byte of an AETH. */
  syndrome = 0;
  msn = 0;
  /** READ: what was asked for, bytes from the start of the region. */
  key = 0;
  offset = 0;
  length = 0;
  packets = 0;
  /** READ: packets that have left. */
  sent = 0;
  /** ATOMIC: what was there before. */
  lo = 0;
  hi = 0;
}

export class ReturnQueue {
  readonly #ring: Return[] = [];
  readonly #capacity: number;
  #head = 0;
  #length = 0;
  /** READs and atomics among them. */
  heavy = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  get isFull(): boolean {
    return this.#length === this.#capacity;
  }

  first(): Return {
    return this.#ring[this.#head]!;
  }

  last(): Return | undefined {
    return this.#length === 0 ? undefined : this.at(this.#length - 1);
  }

  /** The one at a position; 0 is the first. */
  at(position: number): Return {
    return this.#ring[(this.#head + position) % this.#capacity]!;
  }

  /** Adds one at the end, to be filled; undefined when too many wait. */
  add(kind: number, psn: number, msn: number): Return | undefined {
    if (this.#length === this.#capacity) return undefined;
    const slot = (this.#head + this.#length++) % this.#capacity;
    // the ring fills from slot 0 on, so there are no holes
    const one = this.#ring[slot] ?? new Return();
    if (slot === this.#ring.length) this.#ring.push(one);
    one.kind = kind;
    one.psn = psn;
    one.msn = msn;
    one.sent = 0;
    if (kind >= Owed.READ) this.heavy++;
    return one;
  }

  /** The first one has left. */
  shift(): void {
    if (this.first().kind >= Owed.READ) this.heavy--;
    this.#head = (this.#head + 1) % this.#capacity;
    this.#length--;
  }

  clear(): void {
    this.#length = this.heavy = 0;
  }
}
