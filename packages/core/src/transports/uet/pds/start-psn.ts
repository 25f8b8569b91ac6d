/**
 * First PSNs that peers are told to start with (NACK NEW_START_PSN). A number is a keyed hash of who asks and when, so that
 * it proves to come back from whom it was sent to, and nothing is kept between the two: a flood of starts from forged
 * addresses costs no memory. What the specification calls PENDING is in the number.
 *
 * @spec uet:pds/3.6
 */
import type { Nanos } from '../../../engine/time.ts';

export class StartPsns {
  #key0 = 0;
  #key1 = 0;
  #hasKey = false;
  readonly #random: () => number;
  readonly #lifetime: Nanos;

  /** @param lifetime - a number is good for this long, and up to twice */
  constructor(random: () => number, lifetime: Nanos) {
    this.#random = random;
    this.#lifetime = lifetime;
  }

  /** The number for a peer's context now. */
  offer(now: Nanos, path: number, remoteId: number): number {
    return this.#hash(path, remoteId, Math.floor(now / this.#lifetime));
  }

  /** Whether a context that starts there was told to. */
  wasOffered(now: Nanos, path: number, remoteId: number, start: number): boolean {
    if (!this.#hasKey) return false;
    const period = Math.floor(now / this.#lifetime);
    return (
      start === this.#hash(path, remoteId, period) || (period > 0 && start === this.#hash(path, remoteId, period - 1))
    );
  }

  /** HalfSipHash-2-4 of three words. */
  #hash(a: number, b: number, c: number): number {
    if (!this.#hasKey) {
      this.#key0 = Math.floor(this.#random() * 2 ** 32);
      this.#key1 = Math.floor(this.#random() * 2 ** 32);
      this.#hasKey = true;
    }
    let v0 = this.#key0;
    let v1 = this.#key1;
    let v2 = 0x6c79_6765 ^ this.#key0;
    let v3 = 0x7465_6462 ^ this.#key1;
    const round = (): void => {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    };
    for (const word of [a, b, c, LENGTH]) {
      v3 ^= word;
      round();
      round();
      v0 ^= word;
    }
    v2 ^= 0xff;
    for (let n = 0; n < 4; n++) round();
    return (v1 ^ v3) >>> 0;
  }
}

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));
/** Bytes hashed, in the top byte of the last word. */
const LENGTH = 12 << 24;
