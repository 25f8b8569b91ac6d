/**
 * Packet counters that all threads of a process share, for keys that end with it. What one thread has reserved no other
 * one gets. @spec uet:tss/12 uet:tss/20
 */
import type { CounterStore } from '@verbena/core';

export class ThreadCounters implements CounterStore {
  /** For another thread of this process. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #next: BigInt64Array;

  /** @param memory - of the store of another thread, to be the same one */
  constructor(memory = new SharedArrayBuffer(HEAD_BYTES + MAX_IDS * ENTRY_BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#next = new BigInt64Array(memory);
  }

  reserve(id: string, count: number): number {
    const entry = this.#entryOf(id);
    return entry < 0
      ? -1
      : Number(Atomics.add(this.#next, entry * ENTRY_QUADS + HEAD_QUADS + NAME_QUADS, BigInt(count)));
  }

  /** The entry of an id, made if need be; -1 when there are too many. */
  #entryOf(id: string): number {
    const name = wordsOf(id);
    this.#lock();
    try {
      const known = this.#words[COUNT]!;
      for (let entry = 0; entry < known; entry++) if (this.#isNamed(entry, name)) return entry;
      if (known === MAX_IDS) return -1;
      this.#words.set(name, at(known));
      this.#words[COUNT] = known + 1;
      return known;
    } finally {
      this.#unlock();
    }
  }

  #isNamed(entry: number, name: Int32Array): boolean {
    for (let i = 0; i < NAME_WORDS; i++) if (this.#words[at(entry) + i] !== name[i]) return false;
    return true;
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#words, LOCK, 0, 1) !== 0) Atomics.wait(this.#words, LOCK, 1, LOOK_AGAIN_MS);
  }

  #unlock(): void {
    Atomics.store(this.#words, LOCK, 0);
    Atomics.notify(this.#words, LOCK, 1);
  }
}

/** Ids are 24 hexadecimal digits; every other one would be another's as well. */
function wordsOf(id: string): Int32Array {
  if (!/^[0-9a-f]{24}$/.test(id)) throw new RangeError('counters are named by 24 hexadecimal digits');
  return Int32Array.from({ length: NAME_WORDS }, (_, i) => Number.parseInt(id.slice(8 * i, 8 * i + 8), 16) | 0);
}

const at = (entry: number): number => (HEAD_QUADS + entry * ENTRY_QUADS) * 2;

const LOCK = 0;
const COUNT = 1;
const HEAD_QUADS = 1;
const HEAD_BYTES = 8 * HEAD_QUADS;
const NAME_WORDS = 3;
/** The name, padded. */
const NAME_QUADS = 2;
const ENTRY_QUADS = NAME_QUADS + 1;
const ENTRY_BYTES = 8 * ENTRY_QUADS;
/** Keys and epochs that a process can have used; further ones get no values. */
const MAX_IDS = 4096;
/** Whoever holds the lock needs microseconds. */
const LOOK_AGAIN_MS = 1;
