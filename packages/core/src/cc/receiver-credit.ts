/**
 * Credit that a receiver grants: all that a source wants, up to a bound beyond what has arrived. Numbers are cumulative,
 * 24 bits, unit 256 bytes, so that a lost one is made good by the next.
 */
export class ReceiverCredit {
  readonly #most: number;
  #wanted = 0;
  #granted = 0;

  /** @param most - units beyond what has arrived, below 2^22 */
  constructor(most: number) {
    this.#most = most;
  }

  reset(): void {
    this.#wanted = this.#granted = 0;
  }

  /** A source says how much it would send in all. */
  want(target: number): void {
    if (isAfter(target, this.#wanted)) this.#wanted = target;
  }

  /** @param received - units that have arrived. @returns the credit to tell; it never falls */
  grant(received: number): number {
    const bound = (received + this.#most) & MASK;
    const next = isAfter(this.#wanted, bound) ? bound : this.#wanted;
    if (isAfter(next, this.#granted)) this.#granted = next;
    return this.#granted;
  }
}

/** Serial numbers of 24 bits. */
const isAfter = (a: number, b: number): boolean => ((((a - b) & MASK) << 8) | 0) > 0;
const MASK = 0xff_ffff;
