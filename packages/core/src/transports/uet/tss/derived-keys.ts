/**
 * Derived keys by what they were derived from. Deriving one costs as much as sealing ten packets, and whoever sends a
 * packet chooses what it is derived from: the table is bounded, and a key comes in only when a packet has proven itself
 * under it.
 *
 * @spec uet:tss/18.2
 */
import type { CipherKey } from '../../../engine/cipher.ts';

export class DerivedKeys {
  readonly #entries: (DerivedKey | undefined)[] = new Array<DerivedKey | undefined>(ENTRIES).fill(undefined);
  /** What an entry was derived from: slot, label and epoch, rekey, four words of identity. */
  readonly #from = new Int32Array(ENTRIES * WORDS);
  readonly #wanted = new Int32Array(WORDS);
  #turn = 0;

  /** Says which key is meant. @param identityBytes - 4 or 16 */
  want(slot: number, epoch: number, rekey: number, identity: Uint8Array, at: number, identityBytes: number): void {
    const wanted = this.#wanted;
    wanted[0] = slot;
    wanted[1] = epoch | (identityBytes << 16);
    wanted[2] = rekey;
    for (let word = 0; word < 4; word++) {
      const i = at + 4 * word;
      wanted[3 + word] =
        4 * word < identityBytes
          ? (identity[i]! << 24) | (identity[i + 1]! << 16) | (identity[i + 2]! << 8) | identity[i + 3]!
          : 0;
    }
  }

  /** The key that is meant; undefined when it is not here. */
  get(): DerivedKey | undefined {
    const first = this.#place();
    for (let way = 0; way < WAYS; way++) if (this.#fits(first + way)) return this.#entries[first + way];
    return undefined;
  }

  /** Keeps the key that is meant, in the place of another one if need be. */
  put(key: DerivedKey): void {
    const first = this.#place();
    let entry = first + (this.#turn++ & (WAYS - 1));
    for (let way = 0; way < WAYS; way++) if (this.#entries[first + way] === undefined) entry = first + way;
    this.#entries[entry] = key;
    this.#from.set(this.#wanted, entry * WORDS);
  }

  /** Forgets the keys of a slot. */
  forget(slot: number): void {
    for (let entry = 0; entry < ENTRIES; entry++)
      if (this.#from[entry * WORDS] === slot) this.#entries[entry] = undefined;
  }

  #fits(entry: number): boolean {
    if (this.#entries[entry] === undefined) return false;
    for (let i = 0; i < WORDS; i++) if (this.#from[entry * WORDS + i] !== this.#wanted[i]) return false;
    return true;
  }

  #place(): number {
    let hash = 0x9e37_79b1;
    for (let i = 0; i < WORDS; i++) hash = Math.imul(hash ^ this.#wanted[i]!, 0x85eb_ca6b) ^ (hash >>> 13);
    return ((hash ^ (hash >>> 16)) & (ENTRIES / WAYS - 1)) * WAYS;
  }
}

/** A key of packets, with the mask of its initialisation vectors. */
export interface DerivedKey {
  readonly key: CipherKey;
  readonly mask: Uint8Array;
}

const WORDS = 7;
const ENTRIES = 2048;
const WAYS = 4;
