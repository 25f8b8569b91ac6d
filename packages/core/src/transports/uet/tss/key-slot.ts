/**
 * One of the two keys of a secure domain, with its epoch and its packet counter.
 *
 * There is one counter for a key in this process, whatever addresses and directions it serves: no two packets under the
 * same key have the same (epoch, counter), and so no two the same initialisation vector. @spec uet:tss/8 uet:tss/12
 */
import { type CipherKey, IV_BYTES } from '../../../engine/cipher.ts';
import type { CounterStore } from './counter-store.ts';

export class KeySlot {
  /** Tells derived keys of this slot from those of every other one, also of one that had its place before. */
  readonly id: number;
  readonly key: CipherKey;
  /** Of keys that were derived elsewhere; zeros otherwise. */
  readonly mask: Uint8Array;
  readonly epoch: number;
  readonly #store: CounterStore;
  readonly #name: string;
  /** First value that may not be used. */
  readonly #limit: number;
  readonly #block: number;
  #next = 0;
  #end = 0;
  #gone = false;

  constructor(options: KeySlotOptions) {
    const { id, key, mask = NO_MASK, epoch, store, name, limit, block } = options;
    this.id = id;
    this.key = key;
    this.mask = mask;
    this.epoch = epoch;
    this.#store = store;
    this.#name = name;
    this.#limit = limit;
    this.#block = block;
  }

  /** Takes the next counter value. @returns -1 when there is none left; the key must be rotated */
  take(): number {
    if (this.#gone) return -1;
    if (this.#next === this.#end) {
      const first = this.#store.reserve(this.#name, this.#block);
      if (first < 0 || first >= this.#limit) return -1;
      this.#next = first;
      this.#end = Math.min(first + this.#block, this.#limit);
    }
    return this.#next++;
  }

  /** Overwrites what is not in the hands of the host. */
  forget(): void {
    if (this.mask !== NO_MASK) this.mask.fill(0);
    this.#end = this.#next = 0;
    this.#gone = true;
  }

  /** Whether a packet of that epoch is young enough. @spec uet:tss/12 */
  accepts(epoch: number, lifetime: number): boolean {
    const age = (this.epoch - epoch) & 0xffff;
    return age >= 0x8000 || age <= lifetime;
  }
}

export interface KeySlotOptions {
  readonly id: number;
  readonly key: CipherKey;
  readonly mask?: Uint8Array;
  readonly epoch: number;
  readonly store: CounterStore;
  /** Names key and epoch in the store. */
  readonly name: string;
  readonly limit: number;
  /** Values reserved at a time. */
  readonly block: number;
}

export const NO_MASK: Uint8Array = new Uint8Array(IV_BYTES);
