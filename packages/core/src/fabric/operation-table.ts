/** Operations under way: what the program gave along with each, found again by a number. Holds so many, made once. */
export class OperationTable {
  readonly capacity: number;
  readonly contexts: unknown[];
  /** Bits of `OperationFlag`. */
  readonly flags: Uint32Array;
  /** 1: it completes visibly, and room for that is reserved. */
  readonly wanted: Uint8Array;
  readonly #live: Uint8Array;
  readonly #free: Int32Array;
  #room: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.contexts = new Array<unknown>(capacity).fill(undefined);
    this.flags = new Uint32Array(capacity);
    this.wanted = new Uint8Array(capacity);
    this.#live = new Uint8Array(capacity);
    this.#free = Int32Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
    this.#room = capacity;
  }

  /** Operations that can be added now. */
  get room(): number {
    return this.#room;
  }

  /** @returns its number; -1 when there is no room */
  take(context: unknown, flags: number, wanted: boolean): number {
    if (this.#room === 0) return -1;
    const slot = this.#free[--this.#room]!;
    this.contexts[slot] = context;
    this.flags[slot] = flags;
    this.wanted[slot] = wanted ? 1 : 0;
    this.#live[slot] = 1;
    return slot;
  }

  /** It is over. */
  give(slot: number): void {
    if (this.#live[slot] !== 1) return;
    this.#live[slot] = 0;
    this.contexts[slot] = undefined;
    this.#free[this.#room++] = slot;
  }

  /** There is an operation with this number. */
  has(slot: number): boolean {
    return this.#live[slot] === 1;
  }

  /** The operation with a context; -1 when there is none. Looks at all. */
  find(context: unknown): number {
    for (let slot = 0; slot < this.capacity; slot++) {
      if (this.#live[slot] === 1 && this.contexts[slot] === context) return slot;
    }
    return -1;
  }
}
