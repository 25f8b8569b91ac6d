/**
 * The doorbells of one context: a page with one bit for each queue pair and a count of rings.
 *
 * Ringing sets the bit, then counts. The device compares the count, then takes the bits; a bit that is still set has
 * been counted and not been taken, so ringing again would say nothing new.
 */
export class DoorbellPage {
  readonly #words: Int32Array;
  #seen = 0;

  /** @param bytes - {@link DOORBELL_PAGE_BYTES}, aligned to 4 */
  constructor(bytes: Uint8Array) {
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, DOORBELL_PAGE_BYTES / 4);
  }

  /** User half: there is work for the queue pair in `slot`. @returns false when that is known already */
  ring(slot: number): boolean {
    const word = BITMAP + (slot >> 5);
    const bit = 1 << (slot & 31);
    if ((Atomics.load(this.#words, word) & bit) !== 0) return false;
    Atomics.or(this.#words, word, bit);
    Atomics.add(this.#words, RUNG, 1);
    return true;
  }

  /** User half: the device sleeps and must be woken by other means. */
  asleep(): boolean {
    return Atomics.load(this.#words, ASLEEP) !== 0;
  }

  /** Kernel half: about to sleep, or awake again. Look at {@link rung} once more before sleeping. */
  setAsleep(asleep: boolean): void {
    Atomics.store(this.#words, ASLEEP, asleep ? 1 : 0);
  }

  /** Kernel half: whether a bell was rung since the last {@link accept}. */
  rung(): boolean {
    return Atomics.load(this.#words, RUNG) !== this.#seen;
  }

  /** Kernel half: call before taking bits. */
  accept(): void {
    this.#seen = Atomics.load(this.#words, RUNG);
  }

  /** Kernel half: takes the bells of the 32 slots from `32 * group`, as bits. */
  take(group: number): number {
    const word = BITMAP + group;
    return Atomics.load(this.#words, word) === 0 ? 0 : Atomics.exchange(this.#words, word, 0);
  }
}

export const DOORBELL_PAGE_BYTES = 4096;
const RUNG = 0;
const ASLEEP = 1;
const BITMAP = 16;
/** Queue pairs that one page serves. */
export const DOORBELL_SLOTS = (DOORBELL_PAGE_BYTES / 4 - BITMAP) * 32;
