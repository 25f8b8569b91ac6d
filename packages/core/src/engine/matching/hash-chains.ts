/**
 * A hash table of chains over numbered entries, in typed arrays. A chain keeps the order in which its entries came, so the
 * first that fits is the oldest.
 */
export class HashChains {
  #heads: Int32Array;
  #tails: Int32Array;
  #next: Int32Array;
  #prev: Int32Array;
  #hash: Int32Array;
  #mask: number;

  /** @param capacity - entries have numbers below this; a power of two */
  constructor(capacity: number) {
    this.#mask = capacity - 1;
    this.#heads = new Int32Array(capacity).fill(-1);
    this.#tails = new Int32Array(capacity).fill(-1);
    this.#next = new Int32Array(capacity);
    this.#prev = new Int32Array(capacity);
    this.#hash = new Int32Array(capacity);
  }

  /** The oldest entry of the chain of a hash; -1 for none. Entries with other hashes may be in it. */
  first(hash: number): number {
    return this.#heads[hash & this.#mask]!;
  }

  /** The next younger entry of the same chain; -1 for none. */
  next(entry: number): number {
    return this.#next[entry]!;
  }

  append(entry: number, hash: number): void {
    const bucket = hash & this.#mask;
    const last = this.#tails[bucket]!;
    this.#hash[entry] = hash;
    this.#next[entry] = -1;
    this.#prev[entry] = last;
    if (last < 0) this.#heads[bucket] = entry;
    else this.#next[last] = entry;
    this.#tails[bucket] = entry;
  }

  /** Adds an entry before all others of its chain, as if it were the oldest. */
  prepend(entry: number, hash: number): void {
    const bucket = hash & this.#mask;
    const first = this.#heads[bucket]!;
    this.#hash[entry] = hash;
    this.#next[entry] = first;
    this.#prev[entry] = -1;
    if (first < 0) this.#tails[bucket] = entry;
    else this.#prev[first] = entry;
    this.#heads[bucket] = entry;
  }

  remove(entry: number): void {
    const bucket = this.#hash[entry]! & this.#mask;
    const before = this.#prev[entry]!;
    const after = this.#next[entry]!;
    if (before < 0) this.#heads[bucket] = after;
    else this.#next[before] = after;
    if (after < 0) this.#tails[bucket] = before;
    else this.#prev[after] = before;
  }

  /** Room for more entries. Chains are split, so each keeps its order. */
  grow(capacity: number): void {
    const old = this.#heads;
    const links = this.#next;
    this.#mask = capacity - 1;
    this.#heads = new Int32Array(capacity).fill(-1);
    this.#tails = new Int32Array(capacity).fill(-1);
    this.#next = new Int32Array(capacity);
    this.#prev = new Int32Array(capacity);
    this.#hash = grown(this.#hash, capacity);
    for (let bucket = 0; bucket < old.length; bucket++) {
      for (let i = old[bucket]!; i >= 0; i = links[i]!) this.append(i, this.#hash[i]!);
    }
  }

  clear(): void {
    this.#heads.fill(-1);
    this.#tails.fill(-1);
  }
}

/** The same numbers in a longer array. */
export function grown(from: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const to = new Int32Array(length);
  to.set(from);
  return to;
}

/** Mixes what a message is found by. Peers choose some of it, so it begins with a number that they do not know. */
export function mix(seed: number, lo: number, hi: number, source: number, path: number): number {
  let h = Math.imul(seed ^ lo, 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 15) ^ hi, 0xc2b2_ae35);
  h = Math.imul(h ^ (h >>> 13) ^ source, 0x27d4_eb2f);
  h = Math.imul(h ^ (h >>> 16) ^ path, 0x1656_67b1);
  return h ^ (h >>> 15);
}
