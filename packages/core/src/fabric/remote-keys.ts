/** Keys of peers as operations name them: split once, and kept. */
import { RemoteKey } from './memory-region.ts';

export class RemoteKeys {
  readonly #known = new Map<bigint, RemoteKey>();

  /** @throws VerbsError EINVAL no key of 64 bits */
  of(key: bigint | RemoteKey): RemoteKey {
    if (typeof key !== 'bigint') return key;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = new RemoteKey(key);
      if (this.#known.size >= MAX_KEYS) this.#known.clear();
      this.#known.set(key, known);
    }
    return known;
  }
}

/** More than most programs use at a time; beyond, they are split again. */
const MAX_KEYS = 1024;
