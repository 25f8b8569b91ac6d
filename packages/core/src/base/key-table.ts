/**
 * A hash table from three 32-bit words to a number: open addressing with linear probing on typed arrays. Looking up
 * allocates nothing; removal shifts entries back, so there are no tombstones and long lives do not slow it down.
 *
 * The seed keeps those who choose keys from choosing keys that collide.
 */
export class KeyTable {
  #keys = new Int32Array(MIN_SLOTS * WORDS);
  /** 0: the slot is empty. */
  #values = new Int32Array(MIN_SLOTS);
  #mask = MIN_SLOTS - 1;
  #size = 0;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  get size(): number {
    return this.#size;
  }

  /** The value of a key; 0 where there is none. */
  get(a: number, b: number, c: number): number {
    const slot = this.#find(a | 0, b | 0, c | 0);
    return this.#values[slot]!;
  }

  /** Adds a key or replaces its value. @param value - any 32-bit number but 0 */
  set(a: number, b: number, c: number, value: number): void {
    if ((this.#size + 1) * 2 > this.#mask) this.#grow();
    const slot = this.#find(a | 0, b | 0, c | 0);
    if (this.#values[slot] === 0) this.#size++;
    this.#put(slot, a, b, c, value);
  }

  /** @returns whether the key was there */
  delete(a: number, b: number, c: number): boolean {
    let hole = this.#find(a | 0, b | 0, c | 0);
    if (this.#values[hole] === 0) return false;
    this.#size--;
    const keys = this.#keys;
    for (let slot = (hole + 1) & this.#mask; this.#values[slot] !== 0; slot = (slot + 1) & this.#mask) {
      const home = this.#home(keys[slot * WORDS]!, keys[slot * WORDS + 1]!, keys[slot * WORDS + 2]!);
      // an entry may only move to a slot that lies between its home and where it is
      if (((slot - home) & this.#mask) < ((slot - hole) & this.#mask)) continue;
      this.#put(hole, keys[slot * WORDS]!, keys[slot * WORDS + 1]!, keys[slot * WORDS + 2]!, this.#values[slot]!);
      hole = slot;
    }
    this.#values[hole] = 0;
    return true;
  }

  #home(a: number, b: number, c: number): number {
    let h = this.#seed ^ Math.imul(a, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15) ^ b, 0xc2b2ae35);
    h = Math.imul(h ^ (h >>> 13) ^ c, 0x27d4eb2f);
    return (h ^ (h >>> 16)) & this.#mask;
  }

  /** The slot of a key, or the empty slot where it would be. */
  #find(a: number, b: number, c: number): number {
    const keys = this.#keys;
    for (let slot = this.#home(a, b, c); ; slot = (slot + 1) & this.#mask) {
      if (this.#values[slot] === 0) return slot;
      const at = slot * WORDS;
      if (keys[at] === a && keys[at + 1] === b && keys[at + 2] === c) return slot;
    }
  }

  #put(slot: number, a: number, b: number, c: number, value: number): void {
    const at = slot * WORDS;
    this.#keys[at] = a;
    this.#keys[at + 1] = b;
    this.#keys[at + 2] = c;
    this.#values[slot] = value;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    const slots = (this.#mask + 1) * 2;
    this.#keys = new Int32Array(slots * WORDS);
    this.#values = new Int32Array(slots);
    this.#mask = slots - 1;
    for (const [i, value] of values.entries()) {
      if (value === 0) continue;
      const at = i * WORDS;
      const [a, b, c] = [keys[at]!, keys[at + 1]!, keys[at + 2]!];
      this.#put(this.#find(a, b, c), a, b, c, value);
    }
  }
}

const WORDS = 3;
const MIN_SLOTS = 16;
