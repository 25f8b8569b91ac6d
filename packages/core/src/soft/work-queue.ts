/**
 * The kernel's side of a send or receive ring. The program can write anything there at any time, so the indices that
 * count are kept here, and what the ring says is compared with them before it is used.
 *
 *   retired ≤ taken ≤ produced ≤ retired + size
 */
import { Ring, RingError } from '../abi/ring.ts';

export class WorkQueue {
  readonly ring: Ring;
  #produced = 0;
  #taken = 0;
  #retired = 0;
  #published = 0;
  /** Entries finished and published since the beginning. */
  done = 0;
  /** The program wrote an index that cannot be: the ring is not read any more. */
  broken = false;

  constructor(bytes: Uint8Array, size: number, entryBytes: number) {
    this.ring = new Ring(bytes, size, entryBytes);
  }

  /**
   * Takes the next entry: where it starts in `ring.view`. Read each field once, check what was read.
   * @returns -1 when there is none, also after the ring broke
   */
  take(): number {
    if (this.#taken === this.#produced && !this.#look()) return -1;
    const at = this.ring.at(this.#taken);
    this.#taken = (this.#taken + 1) | 0;
    return at;
  }

  /** One entry that was taken is finished; its slot may be written again after {@link publish}. */
  retire(): void {
    if (this.#retired !== this.#taken) this.#retired = (this.#retired + 1) | 0;
  }

  /** Tells the program how far the ring is retired. */
  publish(): void {
    if (this.#published === this.#retired) return;
    this.done += (this.#retired - this.#published) | 0;
    this.#published = this.#retired;
    this.ring.retire(this.#retired);
  }

  /** Entries taken and not yet retired. */
  get inFlight(): number {
    return (this.#taken - this.#retired) | 0;
  }

  /** Entries that can be taken now. */
  get waiting(): number {
    if (this.#look()) return (this.#produced - this.#taken) | 0;
    return 0;
  }

  /** Begins anew where the program stands; what is there is forgotten. */
  reset(): void {
    this.broken = false;
    this.#produced = this.#taken = this.#retired = this.#published = this.ring.producer();
    this.ring.retire(this.#retired);
    this.ring.setError(RingError.NONE);
  }

  #look(): boolean {
    if (this.broken) return false;
    const produced = this.ring.producer();
    const waiting = (produced - this.#taken) | 0;
    if (waiting === 0) return false;
    if (waiting < 0 || ((produced - this.#retired) | 0) > this.ring.size) {
      this.broken = true;
      this.ring.setError(RingError.BROKEN);
      return false;
    }
    this.#produced = produced;
    return true;
  }
}
