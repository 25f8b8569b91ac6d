/**
 * Where packet counters continue. A counter value may be used once for a key, whatever happens in between: so values are
 * taken in blocks, a block is noted before its first value is used, and what is left of it at the end is lost.
 *
 * @spec uet:tss/12 uet:tss/20
 */

export interface CounterStore {
  /**
   * Reserves values for ever, for this process alone.
   *
   * @param id - names a key and epoch; says nothing about the key
   * @returns the first of `count` values; -1 when they cannot be had
   */
  reserve(id: string, count: number): number;
}

/** Remembers as long as the process lives: for keys that no other process has, and that end with it. */
export class VolatileCounters implements CounterStore {
  readonly #next = new Map<string, number>();

  reserve(id: string, count: number): number {
    const first = this.#next.get(id) ?? 0;
    if (!this.#next.has(id) && this.#next.size >= MAX_IDS) return -1;
    this.#next.set(id, first + count);
    return first;
  }
}

/** Keys and epochs that can be remembered at a time; further ones get no values. */
const MAX_IDS = 65_536;
