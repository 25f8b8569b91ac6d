/**
 * A ring: one producer, one consumer, entries of one size, in memory that both map.
 *
 *   consumer          producer            indices run freely through 32 bits; an entry's place is index & mask,
 *      v                 v                so full (producer - consumer = size) and empty (= 0) differ
 *   ...|#####|#####|#####|     |     |...
 *
 * Each side writes only its own index. Words go through Atomics: what was written before `publish` is visible to
 * whoever reads the new index. This class holds no state; each side keeps its own copies, and the side that must not
 * trust the other checks what it reads.
 */
import { assert } from '../base/assert.ts';

export class Ring {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Number of entries, a power of two. */
  readonly size: number;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #entryBytes: number;

  /** @param bytes - at least {@link ringBytes}, aligned to 4 */
  constructor(bytes: Uint8Array, size: number, entryBytes: number) {
    assert(size > 0 && (size & (size - 1)) === 0, 'the size of a ring is a power of two');
    assert(bytes.length >= ringBytes(size, entryBytes), 'the memory of a ring is too short');
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, RING_HEADER_BYTES / 4);
    this.size = size;
    this.#mask = size - 1;
    this.#entryBytes = entryBytes;
  }

  /** Where the entry of an index starts, in bytes of `view` and `bytes`. */
  at(index: number): number {
    return RING_HEADER_BYTES + (index & this.#mask) * this.#entryBytes;
  }

  /** The producer's index as it stands in memory: any 32-bit value when the other side is hostile. */
  producer(): number {
    return Atomics.load(this.#words, PRODUCER);
  }

  /** Makes all entries before `index` visible to the consumer. */
  publish(index: number): void {
    Atomics.store(this.#words, PRODUCER, index);
  }

  /** The consumer's index as it stands in memory. */
  consumer(): number {
    return Atomics.load(this.#words, CONSUMER);
  }

  /** Gives all entries before `index` back to the producer. */
  retire(index: number): void {
    Atomics.store(this.#words, CONSUMER, index);
  }

  /**
   * The consumer wants to be woken by the next entry. It must look once more before it sleeps.
   *
   * @param urgentOnly - by the next entry that is urgent
   */
  arm(urgentOnly = false): void {
    Atomics.store(this.#words, ARMED, urgentOnly ? ARMED_FOR_URGENT : ARMED_FOR_ANY);
  }

  /** @returns whether the consumer was waiting for this */
  disarm(urgent = true): boolean {
    const armed = Atomics.load(this.#words, ARMED);
    if (armed === 0 || (armed === ARMED_FOR_URGENT && !urgent)) return false;
    return Atomics.exchange(this.#words, ARMED, 0) !== 0;
  }

  /** One of {@link RingError}. */
  error(): number {
    return Atomics.load(this.#words, ERROR);
  }

  setError(error: number): void {
    Atomics.store(this.#words, ERROR, error);
  }
}

/** Why a ring is no longer served. */
export const RingError = {
  NONE: 0,
  /** Completions came faster than they were taken; some are lost. */
  OVERRUN: 1,
  /** The queue pair is in the state ERR: what is posted is flushed. */
  FLUSHING: 2,
  /** The producer's index made no sense. */
  BROKEN: 3,
  /** The device failed. */
  DEVICE: 4,
} as const;

/** Bytes of a ring with its header. */
export const ringBytes = (size: number, entryBytes: number): number => RING_HEADER_BYTES + size * entryBytes;

/** The power of two that holds at least `entries`. */
export function ringSize(entries: number): number {
  let size = 1;
  while (size < entries) size *= 2;
  return size;
}

/** Index words have a cache line each: the two sides do not slow each other down. */
const LINE_WORDS = 16;
const PRODUCER = 0;
const CONSUMER = LINE_WORDS;
const ARMED = 2 * LINE_WORDS;
const ERROR = 3 * LINE_WORDS;
const ARMED_FOR_ANY = 1;
const ARMED_FOR_URGENT = 2;
export const RING_HEADER_BYTES = 4 * LINE_WORDS * 4;
